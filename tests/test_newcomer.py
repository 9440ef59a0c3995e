"""What people meet in their first hour: each with an answer that says what to do."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pytest
from shops import seed_shop

import pql
from pql.language.errors import PqlError

COUNT = "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


def test_a_day_that_could_be_a_month_is_named_with_the_way_out() -> None:
    tables = seed_shop()
    orders = tables["ORDERS"]
    place = orders.column_names.index("ORDERED_AT")
    months = pc.strftime(orders.column("ORDERED_AT"), "01/%m/%Y")  # the first of January, or of any month?
    as_text = orders.set_column(place, "WHENCE", months)
    with pql.connect(tables | {"ORDERS": as_text}) as db:
        with pytest.raises(PqlError) as error:
            db.predict(COUNT)
        assert error.value.code == "missing_time_column"
        assert "to_datetime" in error.value.hint
        assert "ORDERS.WHENCE holds dates as text" in str(db.graph())


def test_such_a_day_is_named_even_where_the_table_has_the_time_of_its_customer(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text(
        "customer_id,joined\n" + "".join(f"{i},2024-01-{i:02}\n" for i in range(1, 30))
    )
    days = "".join(f"{i},{i % 29 + 1},0{i % 3 + 1}/04/2024\n" for i in range(60))
    (tmp_path / "orders.csv").write_text("order_id,customer_id,ordered\n" + days)
    with pql.connect(tmp_path) as db:
        assert "orders.ordered holds dates as text" in str(db.graph())


def test_a_column_that_tells_no_rows_apart_is_no_key() -> None:
    with pql.connect(seed_shop()) as db:
        with pytest.raises(PqlError) as error:
            db.key("ORDERS.CUSTOMER_ID")
        assert error.value.code == "not_a_key"
        assert db.graph().catalog.table("ORDERS").key.columns == ("ORDER_ID",)


def test_a_moment_before_the_data_is_said_so() -> None:
    with pql.connect(seed_shop()) as db, pytest.raises(PqlError) as error:
        db.predict(f"{COUNT} AS OF 2019-01-01")
    assert error.value.code == "no_data"
    assert "starts at 2023-01-01" in error.value.hint


def test_a_shown_result_says_how_good_it_is_whatever_its_length() -> None:
    with pql.connect(seed_shop()) as db:
        result = db.predict(f"{COUNT} WITH (epochs = 1, model = boosted)")
        evaluation = db.evaluate(f"{COUNT} WITH (epochs = 1, model = boosted)")
    for limit in (3, 20):
        assert "quality: " in result.shown(limit)
        assert "baseline" in evaluation.shown(limit)


def test_an_ignored_column_is_ignored_in_the_virtual_table_that_carries_it() -> None:
    tables = seed_shop()
    some = tables["CUSTOMERS"].slice(0, 30)  # most customers have no row: the virtual table stands in
    with pql.connect(tables | {"CUSTOMERS": some}) as db:
        graph = db.explain(
            "PREDICT COUNT(orders.*, 0, 30) FOR EACH customer.customer_id IGNORING customers.age"
        ).plan.graph
    columns = {(table.name, column.name) for table in graph.tables for column in table.columns}
    assert ("CUSTOMER", "NAME") in columns
    assert not {place for place in columns if place[1] == "AGE"}
