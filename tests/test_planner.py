"""The plan of a query: task, graph, model and output, over a small shop described by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from pql.engine.planning.anchors import show_time, to_us
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_output import plan_output
from pql.engine.planning.planner import plan
from pql.engine.planning.statistics import Span, Statistics
from pql.language.ast import Identifier, Literal, Predict
from pql.language.bound import (
    BoundAggregate,
    BoundEntity,
    BoundQuery,
    BoundWindow,
    Call,
    ColumnRef,
    Constant,
    Item,
    Step,
    TaskKind,
)
from pql.language.catalog import Catalog, Clock, Column, Key, Link, LogicalType, Role, Stype, Table, Virtual
from pql.language.errors import PqlError
from pql.language.options import Options
from pql.language.parser import parse

INT, FLOAT, TEXT, TIME = LogicalType.INTEGER, LogicalType.FLOAT, LogicalType.STRING, LogicalType.TIMESTAMP


def column(name: str, type_: LogicalType = INT, stype: Stype = Stype.ID, **more) -> Column:
    return Column(name, type_, stype, **more)


CUSTOMERS = Table(
    "customers",
    (column("customer_id"), column("city", TEXT, Stype.CATEGORY), column("born", TIME, Stype.TIMESTAMP)),
    Key(("customer_id",)),
    role=Role.ENTITY,
)
PRODUCTS = Table(
    "products",
    (column("product_id"), column("department", TEXT, Stype.CATEGORY), column("price", FLOAT, Stype.NUMBER)),
    Key(("product_id",)),
    role=Role.ENTITY,
)
ORDERS = Table(
    "orders",
    (
        column("order_id"),
        column("customer_id"),
        column("product_id"),
        column("amount", FLOAT, Stype.NUMBER),
        column("note", TEXT, Stype.TEXT, nulls=100),
        column("blob", LogicalType.OTHER, Stype.IGNORED, sql_type="BLOB"),
        column("ordered_at", TIME, Stype.TIMESTAMP),
        column("due_at", TIME, Stype.TIMESTAMP),
    ),
    Key(("order_id",)),
    Clock("own", "ordered_at"),
    rows=100,
)
MEMBERS = Table("memberships", (column("customer_id"), column("level", TEXT, Stype.CATEGORY)))
PROFILES = Table("profiles", (column("household"), column("age", TEXT, Stype.CATEGORY)), role=Role.ENTITY)
TO_CUSTOMER = Link("orders", ("customer_id",), "customers", ("customer_id",))
TO_PRODUCT = Link("orders", ("product_id",), "products", ("product_id",))
SHOP = Catalog(
    (CUSTOMERS, PRODUCTS, ORDERS, MEMBERS),
    (TO_CUSTOMER, TO_PRODUCT, Link("memberships", ("customer_id",), "customers", ("customer_id",))),
)
DAY = dt.timedelta(days=1)


def us(text: str) -> int:
    return to_us(dt.datetime.fromisoformat(text))


STATISTICS = Statistics(
    {
        "customers": Span(None, None, 50),
        "products": Span(None, None, 9),
        "orders": Span(us("2023-01-01T08:00"), us("2024-11-30T20:00"), 5_000),
        "memberships": Span(None, None, 30),
    },
    entities=50,
)
COUNT = BoundAggregate("COUNT", "orders", None, None, BoundWindow(0, 30), (Step(TO_CUSTOMER),), INT)
CHURN = Call("=", (COUNT, Constant(0, INT)), LogicalType.BOOLEAN)
PRODUCT_ID = ColumnRef("orders", "product_id", INT, Stype.ID)
BASKET = BoundAggregate("LIST_DISTINCT", "orders", PRODUCT_ID, None, BoundWindow(0, 30), (Step(TO_CUSTOMER),), INT)
SYNTAX = Predict(Literal(1), ())


def query(target=CHURN, task=TaskKind.BINARY, catalog=SHOP, entity=None, **more) -> BoundQuery:
    entity = entity or BoundEntity("customers", ("customer_id",))
    more.setdefault("syntax", SYNTAX)
    return BoundQuery(text="", catalog=catalog, entity=entity, target=target, is_static=more.pop("is_static", False),
                      task=task, reason="a condition", **more)  # fmt: skip


def ranking(**more) -> BoundQuery:
    more.setdefault("item", Item(PRODUCT_ID, "products", "product_id"))
    return query(BASKET, TaskKind.RANKING, top_k=5, **more)


def planned(**more) -> Plan:
    return plan(query(**more), STATISTICS)


def left_out(made: Plan) -> dict[str, str]:
    return dict(made.graph.left_out)


def tables(made: Plan) -> set[str]:
    return {table.name for table in made.graph.tables}


@pytest.mark.parametrize(
    ("kind", "head", "metric"),
    [
        (TaskKind.BINARY, "binary", "auroc"),
        (TaskKind.REGRESSION, "regression", "mae"),
        (TaskKind.MULTICLASS, "softmax", "accuracy"),
        (TaskKind.MULTILABEL, "multilabel", "map"),
        (TaskKind.RANKING, "ranking", "map"),
    ],
)
def test_each_task_has_its_head_and_metric(kind, head, metric):
    task = planned(task=kind).task
    assert (task.head, task.metric, task.reason) == (head, metric, "a condition")


def test_the_split_ends_where_the_targets_facts_end():
    made = planned()
    assert show_time(made.split.prediction) == "2024-12-01"
    assert show_time(made.split.times("test")[0]) == "2024-11-01"
    assert made.split.lags == 6


def test_as_of_is_the_prediction_anchor():
    made = planned(as_of=dt.datetime(2024, 7, 1))
    assert show_time(made.split.prediction) == "2024-07-01"


def test_sets_have_no_lags():
    assert plan(ranking(), STATISTICS).split.lags == 0


def test_a_table_without_rows_in_time_is_a_coded_error():
    with pytest.raises(PqlError) as caught:
        plan(query(), Statistics())
    assert caught.value.code == "no_data"


@pytest.mark.parametrize("days", [400, 5_000])
def test_too_long_a_window_is_repaired_by_the_longest_that_fits(days):
    text = "PREDICT COUNT(orders.*, 0, {}, days) = 0 FOR EACH customers.customer_id"
    counted = replace(COUNT, window=BoundWindow(0, days))
    target = Call("=", (counted, Constant(0, INT)), LogicalType.BOOLEAN)
    with pytest.raises(PqlError) as caught:
        plan(replace(query(target, syntax=parse(text.format(days))), text=text.format(days)), STATISTICS)
    assert caught.value.code == "insufficient_history"
    assert caught.value.fix == text.format(233)
    assert "longest window that fits ends after 233 days" in str(caught.value)


def test_where_no_whole_year_fits_the_repair_counts_in_months():
    text = "PREDICT COUNT(orders.*, 0, {}) = 0 FOR EACH customers.customer_id"
    counted = replace(COUNT, window=BoundWindow(0, 1, "years"))
    target = Call("=", (counted, Constant(0, INT)), LogicalType.BOOLEAN)
    asked = text.format("1, years")
    with pytest.raises(PqlError) as caught:
        plan(replace(query(target, syntax=parse(asked)), text=asked), STATISTICS)
    assert caught.value.fix == text.format("7, months")
    assert "after 1 year needs" in str(caught.value)


def test_the_graph_holds_what_is_near_and_says_why_the_rest_is_not():
    made = planned()
    assert tables(made) == {"customers", "orders", "products"}
    assert set(made.graph.links) == {TO_CUSTOMER, TO_PRODUCT}
    assert "NO TIME memberships" in left_out(made)["memberships"]
    assert any("memberships" in warning for warning in made.warnings)
    assert all(table.why for table in made.graph.tables)


def test_numbers_that_restate_the_clock_are_no_features():
    week = column("week_no", INT, Stype.NUMBER)
    dated = replace(ORDERS, columns=(*ORDERS.columns, week))
    assert "restates the clock" in left_out(planned(catalog=SHOP.with_table(dated)))["orders.week_no"]
    made = planned(catalog=SHOP.with_table(replace(PRODUCTS, columns=(*PRODUCTS.columns, week))))
    assert "products.week_no" not in left_out(made)


def test_only_warnings_about_links_of_the_graph_are_repeated():
    catalog = replace(SHOP, warnings=(f"{TO_PRODUCT}: dangling", "a.b -> c.d: dangling", "no clock found"))
    made = planned(catalog=catalog)
    assert f"{TO_PRODUCT}: dangling" in made.warnings
    assert "no clock found" in made.warnings
    assert "a.b -> c.d: dangling" not in made.warnings


def test_many_links_with_orphans_are_one_warning_that_names_the_worst():
    facts = [replace(ORDERS, name=f"orders{i}", rows=100) for i in range(5)]
    evidence = [replace(TO_CUSTOMER.evidence, orphans=i + 1) for i in range(5)]
    links = [replace(TO_CUSTOMER, child=f"orders{i}", evidence=evidence[i]) for i in range(5)]
    told = tuple(f"{link}: dangling rows" for link in links)
    catalog = replace(SHOP, tables=(*SHOP.tables, *facts), links=(*SHOP.links, *links), warnings=told)
    (warning,) = [w for w in planned(catalog=catalog).warnings if " -> " in w]
    assert warning == (
        f"5 links have rows that point nowhere, most of all {links[4]} (5 of 100), {links[3]} (4 of 100), "
        f"{links[2]} (3 of 100); SHOW GRAPH lists them all"
    )


def test_keys_links_clocks_and_dead_columns_are_no_features():
    made = planned(ignoring=frozenset({("customers", "city")}))
    columns = {table.name: [c.name for c in table.columns] for table in made.graph.tables}
    assert columns == {"customers": ["born"], "orders": ["amount", "due_at"], "products": ["department", "price"]}
    assert left_out(made)["customers.city"] == "named in IGNORING"
    assert left_out(made)["orders.note"] == "all values are NULL"
    assert "BLOB" in left_out(made)["orders.blob"]
    assert "orders.customer_id" not in left_out(made)


def test_a_static_target_is_masked_and_split_by_hash_or_time():
    city = ColumnRef("customers", "city", TEXT, Stype.CATEGORY)
    made = planned(target=city, is_static=True, task=TaskKind.MULTICLASS)
    assert left_out(made)["customers.city"] == "it is what is predicted"
    assert made.split.kind == "hashed"
    amount = ColumnRef("orders", "amount", FLOAT, Stype.NUMBER)
    made = planned(target=amount, is_static=True, task=TaskKind.REGRESSION, entity=BoundEntity("orders", ("order_id",)))
    assert made.split.kind == "row_time"
    assert made.split.valid_from < made.split.test_from
    orders = next(table for table in made.graph.tables if table.name == "orders")
    assert "amount" in [c.name for c in orders.columns]  # of earlier orders of the same parents
    counted = replace(STATISTICS, borders=(us("2024-06-01"), us("2024-09-01")))
    split = plan(made.query, counted).split
    assert (show_time(split.valid_from), show_time(split.test_from)) == ("2024-06-01", "2024-09-01")


def test_using_restricts_but_never_below_the_query_itself():
    made = plan(ranking(using=("customers",)), STATISTICS)
    assert tables(made) == {"customers", "orders", "products"}
    assert "products" not in tables(planned(using=("orders",)))
    assert left_out(planned(using=("orders",)))["products"] == "not among the tables of USING"


def test_using_reaches_as_far_as_the_tables_it_names():
    makers = Table("makers", (column("maker_id"),), Key(("maker_id",)), role=Role.ENTITY)
    made_by = Link("products", ("maker_id",), "makers", ("maker_id",))
    catalog = Catalog((*SHOP.tables, makers), (*SHOP.links, made_by))
    assert "not within 2 hops" in left_out(planned(catalog=catalog))["makers"]
    made = planned(catalog=catalog, using=("orders", "products", "makers"))
    assert "makers" in tables(made)
    assert made.graph.hops == 3
    assert "makers" not in tables(planned(catalog=catalog))


def test_a_condition_on_clockless_facts_does_not_bring_them_into_the_graph():
    past = replace(COUNT, fact="memberships", window=BoundWindow(-90, 0))
    made = planned(where=Call(">", (past, Constant(0, INT)), LogicalType.BOOLEAN), using=("orders", "memberships"))
    assert tables(made) == {"customers", "orders"}
    assert "without a clock" in left_out(made)["memberships"]


def test_always_known_facts_may_be_read():
    made = planned(catalog=SHOP.with_table(replace(MEMBERS, always_known=True)))
    assert "memberships" in tables(made)


def households() -> Catalog:
    virtual = Table("household", (column("household"), column("age", TEXT, Stype.CATEGORY)), Key(("household",)),
                    Clock("seen"), Role.ENTITY, virtual=Virtual((("orders", "household"),), "profiles"))  # fmt: skip
    week = Table("week", (column("week"),), Key(("week",)), Clock("seen"), Role.ENTITY,
                 virtual=Virtual((("orders", "week"),)))  # fmt: skip
    profiles = replace(PROFILES, key=Key(("household",)), enriches="household")
    orders = replace(ORDERS, columns=(*ORDERS.columns, column("household"), column("week")))
    links = (
        Link("orders", ("household",), "household", ("household",)),
        Link("profiles", ("household",), "household", ("household",)),
        Link("orders", ("household",), "profiles", ("household",)),
        Link("orders", ("week",), "week", ("week",)),
        TO_PRODUCT,
    )
    return Catalog((virtual, profiles, week, orders, PRODUCTS), links)


@pytest.mark.parametrize(("entity", "other"), [("household", "profiles"), ("profiles", "household")])
def test_a_virtual_table_and_the_one_that_enriches_it_never_stand_together(entity, other):
    route = next(link for link in households().links if (link.child, link.parent) == ("orders", entity))
    made = planned(
        catalog=households(),
        entity=BoundEntity(entity, ("household",)),
        target=replace(COUNT, route=(Step(route),)),
        task=TaskKind.REGRESSION,
    )
    assert tables(made) == {entity, "orders", "products"}
    assert left_out(made)[other] == f"{entity} carries its columns"
    assert "USING" in left_out(made)["week"]


def test_using_may_name_a_virtual_table_or_what_enriches_it():
    route = (Step(households().links[0]),)
    made = planned(
        catalog=households(),
        entity=BoundEntity("household", ("household",)),
        target=replace(COUNT, route=route),
        using=("profiles", "week"),
    )
    assert tables(made) == {"household", "orders", "week"}


def test_many_tables_are_capped_with_a_reason():
    more = tuple(Table(f"t{i}", (column("x"),), clock=Clock("own", "x"), rows=5) for i in range(27))
    links = tuple(Link(table.name, ("x",), "customers", ("customer_id",)) for table in more)
    made = planned(catalog=Catalog((*SHOP.tables, *more), (*SHOP.links, *links)))
    assert len(made.graph.tables) == 16
    assert "nearest tables" in left_out(made)["t26"]


def test_a_long_route_lengthens_the_hops():
    regions = Table("regions", (column("region_id"),), Key(("region_id",)), role=Role.ENTITY)
    shops = Table("shops", (column("shop_id"), column("region_id")), Key(("shop_id",)), role=Role.ENTITY)
    up = Link("shops", ("region_id",), "regions", ("region_id",))
    at = Link("customers", ("shop_id",), "shops", ("shop_id",))
    target = replace(COUNT, route=(Step(TO_CUSTOMER), Step(at), Step(up)))
    catalog = Catalog((*SHOP.tables, regions, shops), (*SHOP.links, up, at))
    made = planned(catalog=catalog, entity=BoundEntity("regions", ("region_id",)), target=target)
    assert (made.graph.hops, made.graph.neighbors) == (3, (8, 8, 8))
    assert {"shops", "customers", "orders"} <= tables(made)


def test_a_budget_buys_work_by_counting():
    large = replace(STATISTICS, entities=1_000_000)
    rich = plan(query(options=Options(budget_seconds=60)), large).model
    poor = plan(query(options=Options(budget_seconds=5)), large).model
    assert rich.members == ("boosted", "gnn")
    assert poor.members == ("boosted",)
    assert poor.max_examples < rich.max_examples == 200_000
    assert poor.epochs <= rich.epochs
    assert plan(query(options=Options(budget_seconds=60)), large).model == rich
    assert "200,000 examples" in rich.estimate


def test_options_choose_the_model_and_its_size():
    model = plan(query(), STATISTICS, Options(model="gnn", hidden=8, layers=3, seed=7, threads=1, refit=False)).model
    assert (model.members, model.hidden, model.layers, model.seed, model.threads) == (("gnn",), 8, 3, 7, 1)
    assert not model.refit
    assert model.baselines == ("rate", "last_window", "entity_mean")


@pytest.mark.parametrize(
    ("made", "columns"),
    [
        (query(), ("customer_id", "anchor", "probability", "prediction")),
        (query(alias="gone", ids=(7,)), ("customer_id", "anchor", "probability", "gone", "status")),
        (query(task=TaskKind.REGRESSION), ("customer_id", "anchor", "prediction")),
        (query(task=TaskKind.MULTICLASS, distribution=True), ("customer_id", "anchor", "class", "probability")),
        (ranking(), ("customer_id", "anchor", "product_id", "score", "rank")),
        (query(entity=BoundEntity("t", ("Anchor", "prediction"))),
         ("Anchor", "prediction", "anchor_", "probability", "prediction_")),
        (ranking(entity=BoundEntity("customers", ("id",)), item=Item(PRODUCT_ID, "products", "id")),
         ("id", "anchor", "id_", "score", "rank")),
    ],
)  # fmt: skip
def test_the_columns_of_the_result(made, columns):
    assert plan_output(made).columns == columns


def test_a_class_is_a_prediction_and_no_item():
    output = plan_output(replace(ranking(), task=TaskKind.MULTICLASS, top_k=None))
    assert output.item_column is None
    assert output.columns == ("customer_id", "anchor", "prediction", "probability")


def test_quantiles_and_intervals_are_columns():
    number = TaskKind.REGRESSION
    assert plan_output(query(task=number, quantiles=(0.1, 0.5, 0.975))).columns[-3:] == ("q10", "q50", "q97_5")
    named = replace(SYNTAX, alias=Identifier("x"))
    assert plan_output(query(task=number, interval=0.9, syntax=named)).columns[-2:] == ("lower", "upper")


def test_eligibility_names_the_clock_or_the_guard():
    assert "first-seen guard" in planned().eligibility
    assert "first_seen = off" in planned(options=Options(first_seen=False)).eligibility
    joined = replace(CUSTOMERS, clock=Clock("own", "born"))
    assert "born at or before the anchor" in planned(catalog=SHOP.with_table(joined)).eligibility
    past = replace(COUNT, window=BoundWindow(-90, 0))
    where = Call(">", (past, Constant(0, INT)), LogicalType.BOOLEAN)
    assert planned(where=where).eligibility.endswith("and WHERE holds at the anchor")


def test_facts_born_with_their_entity_are_warned_about():
    heirs = replace(ORDERS, clock=Clock("inherited", via=TO_CUSTOMER))
    made = planned(catalog=SHOP.with_table(heirs))
    assert any("no window after" in warning for warning in made.warnings)


def test_items_born_later_are_warned_about():
    races = replace(PRODUCTS, clock=Clock("own", "price"))
    made = plan(ranking(catalog=SHOP.with_table(races)), STATISTICS)
    assert any("born after the anchor" in warning for warning in made.warnings)
