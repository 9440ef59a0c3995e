"""Interactions: fact rows as (entity, item, time), over keys and over values, several hops away and filtered."""

import numpy as np
import pytest
from fake_graphs import DAY, coded, make_edge, node, number
from rankings import world

from pql.engine.graph.interactions import ItemTable, _items, follow, make_interactions
from pql.engine.graph.row_filter import rows_that_pass
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.pairs.pair_history import history_at
from pql.language.bound import Call, ColumnRef, Constant, Item, Step
from pql.language.catalog import Link, LogicalType, Stype
from pql.language.errors import PqlError

USER = Link("baskets", ("user_id",), "users", ("id",))
BASKET = Link("lines", ("basket_id",), "baskets", ("id",))
PRODUCT = Link("lines", ("product_id",), "products", ("id",))


def basket_graph():
    """users ← baskets ← lines → products: two hops from a line to its user."""
    from dataclasses import replace

    users = node("users", [0, 0, 5 * DAY])
    baskets = node("baskets", [1 * DAY, 2 * DAY, 3 * DAY])
    lines = node("lines", [1 * DAY, 1 * DAY, 2 * DAY, 3 * DAY, NEVER], number("qty", [1, 5, np.nan, 7, 9]))
    kinds = ["tea", "milk", "tea"]
    products = node("products", [ALWAYS, ALWAYS, 4 * DAY], coded("kind", Stype.CATEGORY, kinds, [0, 0, 0]))
    nodes = (users, baskets, lines, products)
    edges = (
        replace(make_edge(nodes, "b.u", 1, 0, [0, 1, 2]), link=USER),
        replace(make_edge(nodes, "l.b", 2, 1, [0, 0, 1, 2, 0]), link=BASKET),
        replace(make_edge(nodes, "l.p", 2, 3, [0, 1, 2, -1, 0]), link=PRODUCT),
    )
    return TemporalGraph(nodes, edges, 0)


def qty(*more):
    return ColumnRef("lines", "qty", LogicalType.FLOAT, Stype.NUMBER, *more)


def test_a_route_of_several_links_leads_to_the_entity_and_tells_when_the_way_is_known():
    rows, known = follow(basket_graph(), 2, (Step(BASKET), Step(USER)))
    assert rows.tolist() == [0, 0, 1, 2, 0]
    assert known.tolist() == [1 * DAY, 1 * DAY, 2 * DAY, 5 * DAY, 1 * DAY]


def test_items_are_rows_of_the_linked_table():
    column = ColumnRef("lines", "product_id", LogicalType.INTEGER, Stype.ID)
    codes, items, known = _items(basket_graph(), 2, Item(column, "products", "id"))
    assert codes.tolist() == [0, 1, 2, -1, 0]
    assert items.birth.tolist() == [ALWAYS, ALWAYS, 4 * DAY]
    assert known[2] == 4 * DAY
    assert items.categories[0][1].tolist() == [0, 1, 0]


def test_values_of_a_row_pointed_to_are_items_too():
    column = ColumnRef("products", "kind", LogicalType.STRING, Stype.CATEGORY, (Step(PRODUCT),))
    codes, items, _ = _items(basket_graph(), 2, Item(column, None, None))
    assert codes.tolist() == [0, 1, 0, -1, 0]
    assert len(items) == 2


def test_a_column_that_the_graph_lacks_is_a_coded_error():
    column = ColumnRef("products", "shade", LogicalType.STRING, Stype.CATEGORY, (Step(PRODUCT),))
    with pytest.raises(PqlError, match="shade"):
        _items(basket_graph(), 2, Item(column, None, None))


def test_interactions_are_sorted_and_drop_what_has_no_end_or_no_time():
    made = make_interactions(
        np.array([1, 0, 0, -1, 0]), np.array([0, 1, 0, 0, 1]), np.array([5, 9, 3, 1, NEVER]), 2, ItemTable(np.zeros(2))
    )
    assert made.entity.tolist() == [0, 0, 1]
    assert made.time.tolist() == [3, 9, 5]
    assert made.entity_indptr.tolist() == [0, 2, 3]
    assert made.item_order[made.item_indptr[0] : made.item_indptr[1]].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("where", "passing"),
    [
        (Call(">", (qty(), Constant(4, LogicalType.INTEGER)), LogicalType.BOOLEAN), [0, 1, 0, 1, 1]),
        (Call("is_null", (qty(),), LogicalType.BOOLEAN), [0, 0, 1, 0, 0]),
        (Call("in", (qty(), Constant((1, 9), None)), LogicalType.BOOLEAN), [1, 0, 0, 0, 1]),
        (Call("!=", (qty(), Constant(1, LogicalType.INTEGER)), LogicalType.BOOLEAN), [0, 1, 0, 1, 1]),
    ],
)
def test_row_filters_follow_three_valued_logic(where, passing):
    assert rows_that_pass(basket_graph(), 2, where).tolist() == [bool(p) for p in passing]
    negated = rows_that_pass(basket_graph(), 2, Call("not", (where,), LogicalType.BOOLEAN))
    unknown = where.op != "is_null"
    assert negated.tolist() == [not p and not (unknown and i == 2) for i, p in enumerate(passing)]


def test_a_filter_may_read_the_row_pointed_to():
    kind = ColumnRef("products", "kind", LogicalType.STRING, Stype.CATEGORY, (Step(PRODUCT),))
    where = Call("=", (kind, Constant("tea", LogicalType.STRING)), LogicalType.BOOLEAN)
    assert rows_that_pass(basket_graph(), 2, where).tolist() == [True, False, True, False, True]


def test_a_filter_that_the_graph_cannot_read_says_so():
    missing = ColumnRef("lines", "colour", LogicalType.STRING, Stype.CATEGORY)
    where = Call("=", (missing, Constant("red", LogicalType.STRING)), LogicalType.BOOLEAN)
    assert rows_that_pass(basket_graph(), 2, where) is None


def test_the_past_counts_pairs_windows_and_repeats():
    entity, item = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 0])
    time = np.array([10, 18, 19, 25]) * DAY
    made = make_interactions(entity, item, time, 2, ItemTable(np.zeros(2, np.int64)))
    past = history_at(made, 20 * DAY, 5 * DAY)
    assert past.pair_item.tolist() == [0, 1]
    assert past.count.tolist() == [2, 1]
    assert [w.tolist() for w in past.windows] == [[1, 1], [1, 1], [2, 1]]
    assert past.decayed.tolist() == pytest.approx([1 / 3 + 1 / 1.4, 1 / 1.2])
    assert past.entity_count.tolist() == [3, 0]
    assert past.item_buyers.tolist() == [1, 1]
    assert (past.item_again.tolist(), past.item_chances.tolist()) == ([0, 0], [1, 0])


@pytest.mark.parametrize("day", [30, 95, 140])
def test_the_past_is_the_same_whether_or_not_later_rows_exist(day):
    full, cut = history_at(world(), day * DAY, 7 * DAY), history_at(world(until=day * DAY), day * DAY, 7 * DAY)
    for name in type(full).__dataclass_fields__:
        if name == "items":
            continue
        one, two = getattr(full, name), getattr(cut, name)
        assert np.array_equal(np.asarray(one), np.asarray(two)), name
