"""The conformance suite of backends: a new backend subclasses `BackendConformance` and says how its data is made.

The suite speaks pytest's language (plain asserts, methods called test_*), but needs nothing of it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import pyarrow as pa

from pql.backends.base import Backend
from pql.language.errors import PqlError

BIG = 2**53 + 1
UUIDS = tuple(str(uuid.UUID(int=i)) for i in (1, 2, 3))
MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5, 678901)

TABLES: Mapping[str, pa.Table] = {
    "type": pa.table(
        {
            "type_id": pa.array([BIG, BIG + 1, -(2**63)], pa.int64()),
            "select": pa.array(["it's", 'a"b', None], pa.string()),
            "small": pa.array([1, None, 3], pa.int32()),
            "price": pa.array([0.5, float("inf"), None], pa.float64()),
            "flag": pa.array([True, None, False], pa.bool_()),
        }
    ),
    'a"b': pa.table(
        {
            "uid": pa.array(UUIDS, pa.string()),
            "Größe": pa.array(["klein", "groß", "日本"], pa.string()),
            "at": pa.array([MOMENT, None, MOMENT + dt.timedelta(days=1)], pa.timestamp("us")),
            "on": pa.array([dt.date(2024, 1, 1), dt.date(2024, 1, 3), None], pa.date32()),
        }
    ),
    "select": pa.table({"x": pa.array([3, 1, 2], pa.int64())}),
}


def _code(call: Callable[[], object]) -> str | None:
    """The code of the PqlError that `call` raises, None if it raises none."""
    try:
        call()
    except PqlError as error:
        return error.code
    return None


class BackendConformance(ABC):
    """What every backend must do, over the same three tables with awkward names and values."""

    @abstractmethod
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        """A backend that holds the given tables."""

    def backend(self) -> Backend:
        return self.make(TABLES)

    def test_all_tables_are_listed_with_their_columns(self) -> None:
        with self.backend().snapshot() as snapshot:
            found = {table.name: [name for name, _ in table.columns] for table in snapshot.tables()}
        assert found == {name: table.column_names for name, table in TABLES.items()}

    def test_the_order_of_tables_is_stable(self) -> None:
        backend = self.backend()
        with backend.snapshot() as one:
            first = one.tables()
        with backend.snapshot() as two:
            assert two.tables() == first

    def test_ids_beyond_2_to_53_survive(self) -> None:
        with self.backend().snapshot() as snapshot:
            rows = snapshot.scan("type", ["type_id"])
        assert rows.column("type_id").to_pylist() == [BIG, BIG + 1, -(2**63)]

    def test_scans_return_normal_forms_in_stored_order(self) -> None:
        with self.backend().snapshot() as snapshot:
            rows = snapshot.scan("type", ["select", "small", "price", "flag"])
            other = snapshot.scan('a"b', ["uid", "Größe", "at", "on"])
        assert rows.schema.types == [pa.string(), pa.int64(), pa.float64(), pa.bool_()]
        assert rows.column("select").to_pylist() == ["it's", 'a"b', None]
        assert rows.column("small").to_pylist() == [1, None, 3]
        assert rows.column("price").to_pylist() == [0.5, float("inf"), None]
        assert rows.column("flag").to_pylist() == [True, None, False]
        assert other.schema.types == [pa.string(), pa.string(), pa.timestamp("us"), pa.timestamp("us")]
        assert other.column("uid").to_pylist() == list(UUIDS)
        assert other.column("Größe").to_pylist() == ["klein", "groß", "日本"]
        assert other.column("at").to_pylist() == [MOMENT, None, MOMENT + dt.timedelta(days=1)]
        assert other.column("on").to_pylist() == [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 3), None]

    def test_a_scan_ends_at_its_moment(self) -> None:
        until = (MOMENT - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
        with self.backend().snapshot() as snapshot:
            assert snapshot.scan('a"b', ["uid"], time_column="at", until=until).num_rows == 1
            assert snapshot.scan('a"b', ["uid"], time_column="at", until=until - 1).num_rows == 0

    def test_queries_name_tables_as_they_are_listed(self) -> None:
        with self.backend().snapshot() as snapshot:
            rows = snapshot.query(
                'SELECT t.x FROM "select" t, "type" y, "a""b" z WHERE t.x > ? ORDER BY t.x LIMIT 1', [1]
            )
        assert rows.to_pydict() == {"x": [2]}

    def test_a_query_may_bring_its_own_frames(self) -> None:
        seeds = pa.table({"entity": pa.array([1, 9], pa.int64())})
        with self.backend().snapshot() as snapshot:
            rows = snapshot.query('SELECT entity FROM seeds JOIN "select" ON x = entity', frames={"seeds": seeds})
            assert rows.to_pydict() == {"entity": [1]}
            assert "seeds" not in {table.name for table in snapshot.tables()}

    def test_faults_are_coded(self) -> None:
        with self.backend().snapshot() as snapshot:
            assert _code(lambda: snapshot.scan("nowhere", ["x"])) == "unknown_table"
            assert _code(lambda: snapshot.scan("select", ["nothing"])) == "unknown_column"

    def test_a_refused_statement_is_a_coded_error(self) -> None:
        with self.backend().snapshot() as snapshot:
            assert _code(lambda: snapshot.query("SELEKT 1")) == "sql_failed"

    def test_the_identity_is_stable(self) -> None:
        backend = self.backend()
        assert backend.identity
        assert backend.identity == backend.identity
