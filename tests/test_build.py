"""From Arrow tables to nodes, columns and edges, for ids and clocks of any kind."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from pql.engine.graph.build import TIME, build_graph, node_column, reverse
from pql.engine.graph.cooccurrence import co_occurrence_edges
from pql.engine.graph.key_index import parent_rows
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.planning.plan import Anchor, GraphPlan, PlannedColumn, PlannedTable, Split
from pql.language.bound import BoundEntity
from pql.language.catalog import Catalog, Clock, Key, Link, Role, Stype, Table

TO_CUSTOMER = Link("orders", ("customer",), "customers", ("id",))
TO_PRODUCT = Link("orders", ("product",), "products", ("sku",))
CATALOG = Catalog(
    (
        Table("customers", (), Key(("id",)), Clock("own", "joined"), Role.ENTITY),
        Table("orders", (), None, Clock("own", "at")),
        Table("products", (), Key(("sku",)), role=Role.ENTITY),
    ),
    (TO_CUSTOMER, TO_PRODUCT),
)


@dataclass
class Rows:
    """Stands for a History: tables by name."""

    tables: dict[str, pa.Table]

    def table(self, name: str) -> pa.Table:
        return self.tables[name]


CUSTOMERS = pa.table({"id": [10, 20, 30], TIME: [1, 2, 6]})
PRODUCTS = pa.table({"sku": ["a", "b"], "price": [1.0, math.inf], TIME: pa.array([None, None], pa.int64())})
ORDERS = pa.table(
    {
        "customer": [10, 30, 99, 10, None, 30, 10],
        "product": ["b", "a", "a", None, "b", "zz", "a"],
        "kind": ["x", "y", "x", None, "z", "y", "w"],
        TIME: pa.array([None, 3, 4, 4, 5, 7, 8], pa.int64()),
    }
)


def graph_of(orders: pa.Table = ORDERS, links=(TO_CUSTOMER, TO_PRODUCT), co_occurrence=False) -> TemporalGraph:
    tables = (
        PlannedTable("customers", ()),
        PlannedTable("orders", (PlannedColumn("kind", Stype.CATEGORY),)),
        PlannedTable("products", (PlannedColumn("price", Stype.NUMBER),)),
    )
    query = SimpleNamespace(catalog=CATALOG, entity=BoundEntity("customers", ("id",)), item=None)
    split = Split("anchors", (Anchor(6, "train"), Anchor(8, "predict")), 8)
    plan = SimpleNamespace(query=query, split=split, graph=GraphPlan(tables, links, 2, (16, 16), co_occurrence))
    return build_graph(Rows({"customers": CUSTOMERS, "orders": orders, "products": PRODUCTS}), plan)  # type: ignore[arg-type]


def test_every_row_is_a_node_with_its_time():
    graph = graph_of()
    assert [node.name for node in graph.nodes] == ["customers", "orders", "products"]
    assert graph.entity == 0
    assert graph.nodes[1].time.tolist() == [NEVER, 3, 4, 4, 5, 7, 8]
    assert graph.nodes[2].time.tolist() == [ALWAYS, ALWAYS]
    assert graph.nodes[0].keys.column("id").to_pylist() == [10, 20, 30]
    assert len(graph.nodes[1]) == 7
    assert graph.nodes[1].keys.num_columns == 0


def test_edges_point_up_and_their_reverse_is_sorted_by_time():
    edge = graph_of().edge(TO_CUSTOMER)
    assert edge.parent_of.tolist() == [0, 2, -1, 0, -1, 2, 0]
    assert edge.indptr.tolist() == [0, 2, 2, 4]
    assert edge.children.tolist() == [3, 6, 1, 5]
    assert edge.times.tolist() == [4, 8, 6, 7], "an edge is as late as the later of its ends"
    assert edge.name == "orders.customer"
    assert (edge.parent_of.dtype, edge.children.dtype, edge.times.dtype) == (np.int32, np.int32, np.int64)


def test_a_parent_without_clock_was_always_there():
    edge = graph_of().edge(TO_PRODUCT)
    assert edge.parent_of.tolist() == [1, 0, 0, -1, 1, -1, 0]
    assert edge.children.tolist() == [1, 2, 6, 4]
    assert edge.times.tolist() == [3, 4, 8, 5]


def test_columns_are_raw_and_codes_stand_in_order_of_appearance():
    graph = graph_of()
    kind = graph.nodes[1].column("kind")
    assert kind.data.tolist() == [0, 1, 0, -1, 2, 1, 3]
    assert kind.values.to_pylist() == ["x", "y", "z", "w"]
    price = graph.nodes[2].column("price").data
    assert price[0] == 1.0
    assert np.isnan(price[1])


def test_deleting_later_rows_changes_nothing_earlier():
    whole, cut = graph_of(), graph_of(ORDERS.slice(0, 5))
    assert cut.nodes[1].column("kind").data.tolist() == whole.nodes[1].column("kind").data[:5].tolist()
    for edge, short in zip(whole.edges, cut.edges, strict=True):
        assert short.parent_of.tolist() == edge.parent_of[:5].tolist()
        early = edge.times <= 5
        assert [t for t in short.times.tolist() if t <= 5] == edge.times[early].tolist()


def test_unsorted_children_are_sorted():
    indptr, children, times = reverse(
        np.array([0, 1, 0, 0], np.int32), np.array([5, 1, 2, 5], np.int64), np.array([ALWAYS, 3], np.int64)
    )
    assert (indptr.tolist(), children.tolist(), times.tolist()) == ([0, 3, 4], [2, 0, 3, 1], [2, 5, 5, 3])


def test_an_empty_table_makes_an_empty_node():
    graph = graph_of(ORDERS.slice(0, 0))
    assert len(graph.nodes[1]) == 0
    assert graph.edge(TO_CUSTOMER).indptr.tolist() == [0, 0, 0, 0]


BIG = 2**53
UUIDS = [uuid.UUID(int=i) for i in range(3)]


@pytest.mark.parametrize(
    ("child", "parent", "rows"),
    [
        ([BIG + 1, BIG, None, 5], [BIG, BIG + 1], [1, 0, -1, -1]),
        ([-(2**63), 2**63 - 1, 0], [2**63 - 1, -(2**63)], [1, 0, -1]),
        (["b", "é", None, ""], ["", "é", "b"], [2, 1, -1, 0]),
        (pa.array([2.0, 1.5, None, math.nan, math.inf]), [1, 2], [1, -1, -1, -1, -1]),
        (pa.array([1, 2], pa.int8()), pa.array([2, 1], pa.uint64()), [1, 0]),
        (pa.array([2**63 + 5, 1], pa.uint64()), pa.array([1, 2**63 + 5], pa.uint64()), [1, 0]),
        ([str(u) for u in UUIDS], pa.array([u.bytes for u in UUIDS[::-1]], pa.binary(16)), [2, 1, 0]),
        ([decimal.Decimal(7), decimal.Decimal(8)], [8, 7], [1, 0]),
        ([7, 8], ["8", "7", "07"], [1, 0]),
        ([dt.date(2024, 1, 1)], [dt.datetime(2024, 1, 1), dt.datetime(2023, 1, 1)], [0]),
        (pa.array(["x", "y"]).dictionary_encode(), ["y", "x"], [1, 0]),
        (pa.array([None, None], pa.null()), [1, 2], [-1, -1]),
        ([1, 2], pa.array([], pa.int64()), [-1, -1]),
        (["a"], pa.array([], pa.string()), [-1]),
        ([True, False], [False, True], [1, 0]),
        ([3, 4], [4, 3, 4, 3], [1, 0]),
    ],
)
def test_foreign_keys_of_any_type_find_the_first_row(child, parent, rows):
    child, parent = (pa.chunked_array([v if isinstance(v, pa.Array) else pa.array(v)]) for v in (child, parent))
    found = parent_rows([child], [parent])
    assert found.tolist() == rows
    assert found.dtype == np.int32


def test_composite_keys_match_as_a_whole():
    child = [pa.chunked_array([[1, 1, 2, 2, None]]), pa.chunked_array([["a", "b", "a", "c", "a"]])]
    parent = [pa.chunked_array([[2, 1, 1, 3]]), pa.chunked_array([["a", "a", "b", "c"]])]
    assert parent_rows(child, parent).tolist() == [1, 2, 0, -1, -1]


def test_parents_that_never_were_are_no_parents():
    known = np.array([False, True, True])
    assert parent_rows([pa.chunked_array([[7, 8]])], [pa.chunked_array([[7, 7, 8]])], known).tolist() == [1, 2]


def test_chunked_columns_are_one_column():
    column = node_column(pa.chunked_array([["a", "b"], ["b", "c"]]), "x", Stype.CATEGORY)
    assert column.data.tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, None, False], [1.0, math.nan, 0.0]),
        ([decimal.Decimal("1.5"), None], [1.5, math.nan]),
        (pa.array([-math.inf, math.nan, 2.0]), [math.nan, math.nan, 2.0]),
        (pa.array([None, None], pa.null()), [math.nan, math.nan]),
        (pa.array([BIG + 1], pa.int64()), [float(BIG)]),
    ],
)
def test_numbers_are_floats_and_what_is_no_number_is_nan(values, expected):
    data = node_column(pa.chunked_array([pa.array(values)]), "x", Stype.NUMBER).data
    np.testing.assert_array_equal(data, expected)
    assert data.dtype == np.float64


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([dt.date(1970, 1, 2), None], [86_400_000_000, ALWAYS]),
        (pa.array([1, None], pa.timestamp("ns")), [0, ALWAYS]),
        (pa.array([1], pa.timestamp("s", tz="UTC")), [1_000_000]),
        (pa.array([2**63 - 1, -(2**63) + 1, 5], pa.timestamp("us")), [ALWAYS, ALWAYS, 5]),
        (pa.array([dt.time(0, 0, 1)]), [1_000_000]),
        (pa.array([None], pa.null()), [ALWAYS]),
    ],
)
def test_moments_are_microseconds(values, expected):
    data = node_column(pa.chunked_array([pa.array(values)]), "x", Stype.TIMESTAMP).data
    assert data.tolist() == expected


def test_odd_categories_are_categories():
    column = node_column(pa.chunked_array([[[1, 2], None, [1, 2]]]), "x", Stype.TEXT)
    assert column.data.tolist() == [0, -1, 0]
    column = node_column(pa.chunked_array([[5, 3, 5]]), "x", Stype.CATEGORY)
    assert column.values.to_pylist() == [5, 3]


class TestCoOccurrence:
    ORDERS = pa.table(
        {
            "customer": [10, 20, 10, 20, 30, 30],
            "product": ["a", "a", "b", "b", "b", "a"],
            "kind": ["x"] * 6,
            TIME: [6, 6, 7, 7, 8, 9],
        }
    )

    def edges(self, anchor: int, **options) -> set[tuple[int, int, float]]:
        graph = graph_of(self.ORDERS)
        source, target, weight = co_occurrence_edges(
            graph, graph.edge(TO_CUSTOMER), graph.edge(TO_PRODUCT), anchor, **options
        )
        return set(zip(source.tolist(), target.tolist(), weight.round(3).tolist(), strict=True))

    def test_entities_that_share_items_by_the_anchor_are_joined_both_ways(self):
        assert self.edges(6) == {(0, 1, 1.0), (1, 0, 1.0)}
        assert self.edges(8) == {(0, 1, 1.0), (1, 0, 1.0), (0, 2, 0.5), (2, 0, 0.5), (1, 2, 0.5), (2, 1, 0.5)}
        assert self.edges(5) == set()

    def test_threshold_and_top_bound_them(self):
        assert self.edges(8, threshold=0.5) == {(0, 1, 1.0), (1, 0, 1.0)}
        assert self.edges(9, top=1) == {(0, 1, 1.0), (1, 0, 1.0), (2, 0, 1.0)}

    def test_they_join_the_graph_as_an_edge_type_that_is_as_old_as_its_anchor(self):
        assert len(graph_of(self.ORDERS).edges) == 2
        edge = graph_of(self.ORDERS, co_occurrence=True).edges[-1]
        assert edge.link is None
        assert edge.indptr.tolist() == [0, 3, 6, 8]
        assert edge.children.tolist() == [1, 1, 2, 0, 0, 2, 0, 1]
        assert edge.times.tolist() == [6, 8, 8, 6, 8, 8, 8, 8]
