"""Inference: which keys, links, clocks and entities are found, on what evidence, and that later rows have no say."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from catalogs import clock, days, infer, keys, links, us

from pql.backends.overrides import Overrides
from pql.language.catalog import LogicalType, Role, Stype
from pql.language.errors import PqlError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shop() -> dict[str, pd.DataFrame]:
    return {
        "customers": pd.DataFrame(
            {"customer_id": [1, 2, 3, 4], "name": list("abcd"), "birth_date": days(-9e3, -8e3, -7e3, 1)}
        ),
        "products": pd.DataFrame({"product_id": [10, 20, 30], "price": [1.5, 2.5, 9.0], "brand": ["x", "y", "x"]}),
        "orders": pd.DataFrame(
            {"order_id": range(100, 106), "customer_id": [1, 1, 2, 3, 3, 4], "ordered_at": days(0, 1, 2, 3, 4, 5)}
        ),
        "order_items": pd.DataFrame(
            {
                "order_id": [100, 100, 101, 102, 103, 104, 105],
                "product_id": [10, 20, 10, 30, 20, 10, 30],
                "quantity": [1, 2, 3, 10, 20, 30, 1],
            }
        ),
    }


def test_a_shop_is_read_without_a_word() -> None:
    catalog = infer(shop())
    assert keys(catalog) == {
        "customers": ("customer_id",),
        "products": ("product_id",),
        "orders": ("order_id",),
        "order_items": ("order_id", "product_id"),
    }
    assert links(catalog) == {
        "orders.customer_id -> customers.customer_id",
        "order_items.order_id -> orders.order_id",
        "order_items.product_id -> products.product_id",
    }
    assert clock(catalog, "orders") == ("own", "ordered_at")
    assert clock(catalog, "order_items") == ("inherited", "order_items.order_id -> orders.order_id")
    assert clock(catalog, "customers") == ("none", None)  # a birth date is no clock
    assert [catalog.table(name).role for name in ("customers", "products", "orders", "order_items")] == [
        Role.ENTITY, Role.ENTITY, Role.FACT, Role.FACT
    ]  # fmt: skip
    assert catalog.warnings == ()


def test_a_complete_table_needs_no_entity_beside_it() -> None:
    assert not any(table.virtual for table in infer(shop()).tables)


def test_declared_constraints_come_first() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE p (k INTEGER PRIMARY KEY, x DOUBLE); INSERT INTO p VALUES (1, 1), (2, 2)")
    con.execute(
        "CREATE TABLE c (odd INTEGER REFERENCES p (k), made TIMESTAMP); INSERT INTO c VALUES (1, now()::TIMESTAMP)"
    )
    catalog = infer(con)
    assert links(catalog) == {"c.odd -> p.k"}
    assert catalog.links[0].evidence.source == "declared"
    assert catalog.links[0].evidence.ratio == 1.0
    assert catalog.table("p").key is not None
    assert catalog.table("p").key.evidence.source == "declared"


def test_composite_keys_and_links_as_declared() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE p (a INTEGER, b INTEGER, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 1), (1, 2)")
    con.execute(
        "CREATE TABLE c (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES p (a, b)); INSERT INTO c VALUES (1, 2)"
    )
    catalog = infer(con)
    assert keys(catalog)["p"] == ("a", "b")
    assert links(catalog) == {"c.x, y -> p.a, b"}
    assert (catalog.links[0].evidence.ratio, catalog.links[0].evidence.orphans) == (1.0, 0)


@pytest.mark.parametrize(
    ("parent", "key", "column"),
    [
        ("teams", "id", "team_id"),
        ("teams", "team_id", "home_team_id"),
        ("teams", "teamId", "teamId"),
        ("dim_team", "id", "team_id"),
        ("Team", "TeamID", "TeamID"),
        ("categories", "id", "category_id"),
        ("people", "id", "person_id"),
        ("team", "uuid", "team_uuid"),
        ("countries", "code", "country_code"),
        ("departments", "department", "department"),
    ],
)
def test_links_are_told_by_names(parent: str, key: str, column: str) -> None:
    values = [f"k{i}" for i in range(6)] if key not in ("id", "team_id", "teamId", "TeamID") else list(range(6))
    catalog = infer(
        {
            parent: pd.DataFrame({key: values, "name": list("abcdef")}),
            "games": pd.DataFrame({column: values[:3] * 2, "at": days(*range(6))}),
        }
    )
    assert links(catalog) == {f"games.{column} -> {parent}.{key}"}


def test_two_links_to_one_parent_and_a_link_to_itself() -> None:
    catalog = infer(
        {
            "teams": pd.DataFrame({"team_id": [1, 2, 3], "parent_id": [None, 1, 1]}),
            "games": pd.DataFrame({"home_team_id": [1, 2, 3], "away_team_id": [2, 3, 1], "date": days(1, 2, 3)}),
            "staff": pd.DataFrame({"id": [1, 2, 3], "manager_id": [None, 1.0, 2.0], "team_id": [1, 1, 2]}),
        }
    )
    assert links(catalog) == {
        "teams.parent_id -> teams.team_id",
        "games.home_team_id -> teams.team_id",
        "games.away_team_id -> teams.team_id",
        "staff.manager_id -> staff.id",
        "staff.team_id -> teams.team_id",
    }


def test_numbers_that_only_overlap_are_no_link() -> None:
    catalog = infer(
        {
            "products": pd.DataFrame({"product_id": range(1, 51), "price": np.arange(50.0)}),
            "sales": pd.DataFrame({"quantity": [1, 2, 3] * 10, "week": [4, 5] * 15, "at": days(*range(30))}),
        }
    )
    assert links(catalog) == set()


def test_a_number_named_by_the_last_word_of_its_table_is_its_key() -> None:
    of = [i % 20 for i in range(60)]
    tickets = pd.DataFrame({"ticket_no": range(60), "member_no": of, "opened": days(*range(60))})
    members = pd.DataFrame({"member_no": range(20)})
    catalog = infer({"support_tickets": tickets, "members": members})
    assert keys(catalog) == {"support_tickets": ("ticket_no",), "members": ("member_no",)}


def test_a_number_of_another_table_is_a_link_though_it_is_unique() -> None:
    orders = pd.DataFrame({"order_no": range(60), "at": days(*range(60))})
    returned = pd.DataFrame({"reason": ["a", "b"] * 30, "order_no": range(60), "at": days(*range(60))})
    catalog = infer({"orders": orders, "returned_orders": returned})
    assert keys(catalog)["orders"] == ("order_no",)
    assert keys(catalog)["returned_orders"] is None


def test_measures_and_moments_are_no_keys() -> None:
    table = pd.DataFrame({"amount": [1.5, 2.5], "at": days(1, 2), "note": ["x", "y"], "quantity": [1, 2]})
    assert keys(infer({"events": table})) == {"events": None}


def test_names_of_tables_and_columns_may_be_anything() -> None:
    catalog = infer(
        {
            "type": pd.DataFrame({"id": [1, 2], "select": ["a", "b"]}),
            'a"b': pd.DataFrame({"type_id": [1, 2, 2], 'at"': days(1, 2, 3)}),
            "größe": pd.DataFrame({"größe_id": [1, 2], "name": ["x", "y"]}),
        }
    )
    assert links(catalog) == {'a"b.type_id -> type.id'}
    assert clock(catalog, 'a"b') == ("own", 'at"')
    assert keys(catalog)["größe"] == ("größe_id",)


def test_string_and_uuid_ids_beyond_names_are_linked_by_all_their_values() -> None:
    ids = [f"{i:08x}-0000-0000-0000-000000000000" for i in range(8)]
    catalog = infer(
        {
            "users": pd.DataFrame({"id": ids, "name": list("abcdefgh")}),
            "messages": pd.DataFrame({"author_id": ids[:6], "sent_at": days(*range(6))}),
        }
    )
    assert links(catalog) == {"messages.author_id -> users.id"}


def test_big_ids_are_compared_exactly() -> None:
    big = 2**60
    catalog = infer(
        {
            "users": pd.DataFrame({"user_id": [big, big + 1, big + 2]}),
            "events": pd.DataFrame({"user_id": [big, big + 1, big + 3], "at": days(1, 2, 3)}),
        }
    )
    [link] = [link for link in catalog.links if link.parent == "users"]
    assert link.evidence.orphans == 1


def test_orphans_are_counted_and_warned_of() -> None:
    tables = shop()
    tables["orders"].loc[5, "customer_id"] = 99
    catalog = infer(tables)
    [link] = [link for link in catalog.links if link.child == "orders"]
    assert (str(link), link.evidence.ratio, link.evidence.orphans) == (
        "orders.customer_id -> customers.customer_id",
        0.75,
        1,
    )
    assert any("orders.customer_id" in warning for warning in catalog.warnings)
    assert not any(table.virtual for table in catalog.tables)


class TestClocks:
    def of(self, **columns: Any) -> tuple[str, str | None]:
        rows = max(len(values) for values in columns.values())
        return clock(infer({"things": pd.DataFrame({"thing_id": range(rows), **columns})}), "things")

    def test_births_loads_and_constants_are_none(self) -> None:
        spread = days(*range(12))
        assert self.of(dob=spread, loaded_at=spread, _etl_ts=spread, updated_at=spread) == ("none", None)
        assert self.of(moment=days(*[3] * 12)) == ("none", None)
        assert self.of(moment=days(*[None] * 12)) == ("none", None)
        assert self.of(epoch=list(range(12))) == ("none", None)

    def test_a_period_is_known_from_its_start(self) -> None:
        assert self.of(end_date=days(*range(12)), start_date=days(*range(1, 13))) == ("own", "start_date")

    def test_names_of_creation_are_preferred(self) -> None:
        spread = days(*range(12))
        assert self.of(shipped_at=spread, created_at=spread, moment=spread) == ("own", "created_at")

    def test_of_equal_names_the_earlier_one_is_taken(self) -> None:
        assert self.of(b=days(*range(1, 13)), a=days(*range(12))) == ("own", "a")

    def test_dates_are_clocks_too(self) -> None:
        dates = [dt.date(2024, 1, 1 + i) for i in range(12)]
        assert self.of(day=dates) == ("own", "day")

    def test_they_are_inherited_over_several_links(self) -> None:
        tables = shop()
        tables["order_items"].insert(0, "order_item_id", range(7))
        tables["order_item_notes"] = pd.DataFrame({"order_item_id": [0, 0, 1, 2], "text": list("abcd")})
        catalog = infer(tables)
        assert clock(catalog, "order_item_notes") == (
            "inherited", "order_item_notes.order_item_id -> order_items.order_item_id"
        )  # fmt: skip

    def test_what_only_describes_is_always_known(self) -> None:
        tables = shop()
        tables["suppliers"] = pd.DataFrame({"supplier_id": [1, 2], "created_at": days(1, 9)})
        tables["products"]["supplier_id"] = [1, 2, 1]
        catalog = infer(tables)
        assert clock(catalog, "products") == ("none", None)
        assert catalog.table("products").role is Role.ENTITY

    def test_facts_without_a_time_are_no_history(self) -> None:
        tables = shop()
        tables["promotions"] = pd.DataFrame({"product_id": [10, 10, 20], "week": [1, 2, 1]})
        promotions = infer(tables).table("promotions")
        assert (promotions.clock.kind, promotions.role, promotions.is_history) == ("none", Role.FACT, False)


def test_semantic_types() -> None:
    rows = 40
    table = pd.DataFrame(
        {
            "id": range(rows),
            "amount": np.arange(rows) / 3,
            "count": np.arange(rows),
            "status": ["open", "shut"] * 20,
            "kind_code": [1, 2] * 20,
            "flag": [True, False] * 20,
            "at": days(*range(rows)),
            "text": [f"a long remark about something, number {i}" for i in range(rows)],
            "const": [7] * rows,
            "nothing": [None] * rows,
            "sku": [f"s{i % 9}" for i in range(rows)],
            "parts": [[1]] * rows,
        }
    )
    found = {column.name: column.stype for column in infer({"t": table}).table("t").columns}
    assert found == {
        "id": Stype.ID,
        "amount": Stype.NUMBER,
        "count": Stype.NUMBER,
        "status": Stype.CATEGORY,
        "kind_code": Stype.CATEGORY,
        "flag": Stype.CATEGORY,
        "at": Stype.TIMESTAMP,
        "text": Stype.TEXT,
        "const": Stype.IGNORED,
        "nothing": Stype.IGNORED,
        "sku": Stype.ID,
        "parts": Stype.IGNORED,
    }


def test_empty_tables_are_read_by_name_alone() -> None:
    tables = {name: frame.iloc[:0] for name, frame in shop().items()}
    catalog = infer(tables)
    assert keys(catalog)["orders"] == ("order_id",)
    assert clock(catalog, "orders") == ("own", "ordered_at")
    assert "orders.customer_id -> customers.customer_id" in links(catalog)
    assert catalog.table("orders").rows == 0


class TestOverrides:
    def test_links_are_added_and_taken_away(self) -> None:
        tables = shop()
        tables["orders"]["buyer"] = [1, 1, 2, 3, 3, 4]
        said = Overrides().link("orders", "buyer", "customers", "customer_id")
        said = said.unlink("orders", "customer_id", "customers", "customer_id")
        catalog = infer(tables, overrides=said)
        assert "orders.buyer -> customers.customer_id" in links(catalog)
        assert "orders.customer_id -> customers.customer_id" not in links(catalog)
        [link] = [link for link in catalog.links if link.child_columns == ("buyer",)]
        assert (link.evidence.source, link.evidence.ratio) == ("override", 1.0)

    def test_keys_and_times_are_said(self) -> None:
        said = Overrides().key("products", "brand").time("customers", "birth_date").no_time("orders")
        catalog = infer(shop(), overrides=said)
        assert keys(catalog)["products"] == ("brand",)
        assert any("brand is not unique" in warning for warning in catalog.warnings)
        assert clock(catalog, "customers") == ("own", "birth_date")
        assert clock(catalog, "orders") == ("none", None)
        assert catalog.table("orders").is_history

    def test_the_last_word_counts(self) -> None:
        said = Overrides().time("t", "a").no_time("t").time("t", "b").key("t", "x").key("t", "y")
        assert (said.times, said.no_times, said.keys) == ((("t", "b"),), (), (("t", ("y",)),))
        made = Overrides().link("a", "x", "b", "y").unlink("a", "x", "b", "y")
        assert (len(made.links), len(made.unlinks)) == (0, 1)

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            (Overrides().key("custmers", "x"), "unknown_table"),
            (Overrides().key("customers", "custmer_id"), "unknown_column"),
            (Overrides().time("customers", "name"), "time_type"),
            (Overrides().link("orders", "ordered_at", "customers", "customer_id"), "link_type"),
            (Overrides().link("orders", "customer_id", "nobody", "customer_id"), "unknown_table"),
        ],
    )
    def test_faults_are_coded(self, said: Overrides, code: str) -> None:
        with pytest.raises(PqlError) as caught:
            infer(shop(), overrides=said)
        assert caught.value.code == code
        if "cust" in caught.value.message:
            assert caught.value.faults[0].nearest or code in ("time_type", "link_type")


def test_rows_are_counted_as_of_the_moment() -> None:
    catalog = infer(shop(), as_of=us(2))
    assert {table.name: table.rows for table in catalog.tables} == {
        "customers": 4, "products": 3, "orders": 3, "order_items": 4
    }  # fmt: skip


def test_the_stored_types_stay_visible() -> None:
    column = (
        infer({"t": pd.DataFrame({"small_id": np.array([1, 2], dtype="int16"), "x": [1.5, 2]})}).table("t").columns[0]
    )
    assert (column.type, column.sql_type) == (LogicalType.INTEGER, "SMALLINT")


@pytest.mark.skipif(not (SHARED / "rel-f1").exists(), reason="needs ../shared/data/rel-f1")
def test_rel_f1_is_found_as_its_manifest_says() -> None:
    catalog = infer(SHARED / "rel-f1" / "db")
    lines = (SHARED / "rel-f1" / "manifest.yaml").read_text().splitlines()
    table = ""
    wanted: dict[str, tuple[str, str | None]] = {}
    wanted_links = set()
    for line in itertools.dropwhile(lambda text: text != "tables:", lines):
        name, _, value = line.strip().partition(": ")
        depth = len(line) - len(line.lstrip())
        if depth == 2:
            table = line.strip().rstrip(":")
        elif name == "pkey":
            wanted[table] = (value, None)
        elif name == "time_col":
            wanted[table] = (wanted[table][0], None if value == "null" else value)
        elif depth == 6:
            wanted_links.add((table, name, value))
    assert {name: (t.key.columns[0], t.clock.column) for name in wanted if (t := catalog.table(name)).key} == wanted
    found = {(link.child, link.child_columns[0], link.parent) for link in catalog.links}
    assert found - wanted_links == {("results", "statusId", "status")}
    assert wanted_links <= found


@pytest.mark.skipif(not (SHARED / "shop").exists(), reason="needs ../shared/data/shop")
def test_the_shop_is_the_same_at_every_moment() -> None:
    for as_of in ("2023-01-05", "2023-06-01", "2024-12-01"):
        catalog = infer(SHARED / "shop", as_of=pd.Timestamp(as_of).value // 1000)
        assert links(catalog) == {"orders.user_id -> users.user_id", "orders.item_id -> items.item_id"}
        assert keys(catalog) == {"items": ("item_id",), "orders": ("order_id",), "users": ("user_id",)}
