"""The printed graph: every table, key, clock and link with what it is believed on."""

from __future__ import annotations

import pandas as pd
import pytest

from pql.backends.connect import open_backend
from pql.backends.infer import infer_catalog
from pql.graphview import percent, render_graph, render_table
from pql.language.catalog import Catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    moments = pd.date_range("2024-01-01", periods=40)
    tables = {
        "customers": pd.DataFrame({"customer_id": range(20), "name": [f"n{i}" for i in range(20)]}),
        "orders": pd.DataFrame(
            {"order_id": range(40), "customer_id": [*range(19), 99] * 2, "store_id": [1, 2] * 20, "ordered_at": moments}
        ),
        "order_items": pd.DataFrame({"order_id": range(40), "quantity": [1, 2] * 20}),
        "promotions": pd.DataFrame({"store_id": [1, 1], "week": [1, 2]}),
    }
    with open_backend(tables).snapshot() as snapshot:
        return infer_catalog(snapshot)


def test_the_graph_shows_tables_links_and_warnings(catalog: Catalog) -> None:
    text = render_graph(catalog)
    for line in (
        "  orders  (fact, 40 rows)",
        "    key    order_id  [unique, never NULL]",
        "    clock  ordered_at  [the only time column that can be a clock]",
        "    clock  through order_items.order_id -> orders.order_id  "
        "[known when its row of orders is (orders.ordered_at)]",
        "    clock  none: it describes, and is always known",
        "    clock  none: facts without a time are no history",
        "  store  (virtual, 2 rows)",
        "    clock  first seen in orders.store_id",
        "  orders.customer_id -> customers.customer_id  95 % found   2 orphans   [same name]",
        "  order_items.order_id -> orders.order_id      100 % found  no orphans  [same name]",
    ):
        assert line in text.splitlines()
    assert "  ! orders.customer_id -> customers.customer_id: dangling rows" in text


def test_one_table_shows_its_columns_and_its_links(catalog: Catalog) -> None:
    text = render_table(catalog, "orders")
    store_id = next(line for line in text.splitlines() if line.startswith("  store_id"))
    assert store_id.split() == ["store_id", "integer", "id", "->", "store.store_id", "2", "distinct"]
    assert "orders.customer_id -> customers.customer_id" in text
    assert "order_items.order_id -> orders.order_id" in text
    with pytest.raises(KeyError):
        render_table(catalog, "nowhere")


def test_only_a_whole_ratio_reads_as_whole() -> None:
    assert (percent(1.0), percent(0.99999), percent(0.5)) == ("100 %", "99.99 %", "50 %")
