"""What rows a table has at a moment, and when each became known."""

from __future__ import annotations

from databases import Database, day, shop, us

from pql.engine.graph.history import load
from pql.engine.planning.relations import relation_sql
from pql.engine.planning.statistics import Span, measure
from pql.language.catalog import Virtual


def rows_of(database: Database, table: str, until: int | None = None, columns: tuple[str, ...] | None = None):
    """The relation as pasted into plain DuckDB."""
    con = database.connect()
    return sorted(con.sql(relation_sql(database.catalog(), table, until, columns)).fetchall(), key=repr)


def test_a_row_has_the_time_of_its_own_clock():
    found = rows_of(shop(), "orders", columns=("order_id",))
    assert (10, us(0)) in found
    assert (15, None) in found
    assert len(found) == 9


def test_until_leaves_out_what_is_later_and_what_has_no_time():
    assert [row[0] for row in rows_of(shop(), "orders", us(10), ("order_id",))] == [10, 11, 13, 16, 17]


def test_a_row_inherits_the_time_of_its_parent_and_has_none_without_one():
    found = rows_of(shop(), "items", columns=("order_id", "qty"))
    assert (10, 2, us(0)) in found
    assert (99, 5, None) in found
    assert len(rows_of(shop(), "items", us(30), ("qty",))) == 4


def test_a_clockless_table_is_always_known():
    assert len(rows_of(shop(), "customers", us(-100))) == 4


def test_non_finite_values_are_null():
    assert ("b", None, None) in rows_of(shop(), "products")
    database = shop()
    database.types["orders"]["ordered_at"] = "VARCHAR"
    database.tables["orders"][0]["ordered_at"] = "infinity"
    assert (10, None) in [(r[0], r[-1]) for r in rows_of(database, "orders", columns=("order_id",))]


def test_dates_and_zoned_times_are_utc_microseconds():
    for kind in ("DATE", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_NS"):
        database = shop()
        database.types["orders"]["ordered_at"] = kind
        con = database.connect()
        con.execute("SET TimeZone = 'UTC'")
        found = con.sql(relation_sql(database.catalog(), "orders", us(6), ("order_id",))).fetchall()
        assert (13, us(5)) in found, kind
        assert len(found) == 4


def households() -> Database:
    """A household is whatever id purchases carry; demographics describe some of them."""
    return Database(
        tables={
            "purchases": [{"household_id": h, "at": day(n)} for h, n in [(1, 3), (1, 1), (2, 5), (3, 9), (None, 1)]],
            "coupons": [{"household_id": h} for h in (1, 7)],
            "people": [{"household_id": h, "age": a} for h, a in [(1, "30"), (7, "50"), (8, "60")]],
        },
        types={
            "purchases": {"household_id": "INTEGER", "at": "TIMESTAMP"},
            "coupons": {"household_id": "BIGINT"},
            "people": {"household_id": "BIGINT", "age": "VARCHAR"},
        },
        keys={"people": ("household_id",), "household": ("household_id",)},
        links=[
            ("purchases", ("household_id",), "household", ("household_id",)),
            ("coupons", ("household_id",), "household", ("household_id",)),
        ],
        clocks={"purchases": "at"},
        virtual={
            "household": Virtual(
                (("purchases", "household_id"), ("coupons", "household_id"), ("people", "household_id")), "people"
            )
        },
    )


def test_a_virtual_table_holds_the_values_seen_with_the_time_of_first_sight():
    found = rows_of(households(), "household", us(5))
    assert found == [(1, "30", us(1)), (2, None, us(5)), (7, "50", None), (8, "60", None)]


def test_history_is_sorted_by_time_and_holds_nothing_later():
    database = shop()
    with database.snapshot() as snapshot:
        history = load(snapshot, database.catalog(), {"orders": ("order_id",), "items": ("qty",)}, us(10))
    assert history.table("orders").column("order_id").to_pylist() == [10, 13, 16, 17, 11]
    assert history.table("items").column("qty").to_pylist() == [2, 1, 4, 3]
    assert history.query('SELECT count(*) FROM "items"').column(0).to_pylist() == [4]


def test_history_of_a_virtual_table_stands_by_first_sight_then_key():
    database = households()
    with database.snapshot() as snapshot:
        history = load(snapshot, database.catalog(), {"household": ("household_id", "age")}, us(9))
    assert history.table("household").column("household_id").to_pylist() == [7, 8, 1, 2, 3]


def test_the_fingerprint_knows_nothing_of_what_is_later():
    def fingerprint(change) -> str:
        database = shop()
        change(database.tables)
        with database.snapshot() as snapshot:
            tables = {"orders": ("order_id", "amount"), "items": ("qty", "product_id")}
            return load(snapshot, database.catalog(), tables, us(10)).fingerprint()

    same = fingerprint(lambda tables: None)
    assert fingerprint(lambda tables: tables["orders"].pop()) == same
    assert fingerprint(lambda tables: tables["items"].pop()) == same
    assert fingerprint(lambda tables: tables["items"][0].update(qty=9)) != same
    assert fingerprint(lambda tables: tables["items"][0].update(product_id="b")) != same
    assert fingerprint(lambda tables: tables["items"][0].update(product_id=None)) != same
    assert fingerprint(lambda tables: tables["orders"].reverse()) != same


def test_measure_tells_the_extent_of_every_clock():
    database = shop()
    with database.snapshot() as snapshot:
        spans = measure(snapshot, database.catalog(), ["orders", "items", "customers"])
        before = measure(snapshot, database.catalog(), ["orders"], us(10))
    assert spans["orders"] == Span(us(0), us(40), 9)
    assert spans["items"] == Span(us(0), us(40), 6)
    assert spans["customers"] == Span(None, None, 4)
    assert before["orders"] == Span(us(0), us(10), 5)


def test_duplicate_parents_do_not_multiply_rows():
    database = shop()
    database.tables["orders"].append({"order_id": 10, "customer_id": 4, "ordered_at": day(3), "amount": 1.0})
    assert len(rows_of(database, "items")) == 6
    assert (10, 2, us(0)) in rows_of(database, "items", columns=("order_id", "qty"))
