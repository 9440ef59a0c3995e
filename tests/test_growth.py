"""What large tables take another way gives the same bits: blocks of rows, keys counted in place, tables not copied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from shops import seed_shop

import pql
from pql.backends import profile
from pql.backends.frames import FrameBackend, own_settings
from pql.backends.infer import infer_catalog
from pql.engine.graph import key_index
from pql.engine.graph.history import History, load
from pql.engine.graph.key_index import parent_rows
from pql.engine.training import predict

SPEND = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id WITH (model = boosted, budget = '1 s')"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return seed_shop(customers=60, purchases=1500)


def test_predictions_in_blocks_are_those_of_all_at_once(tables, monkeypatch: pytest.MonkeyPatch) -> None:
    with pql.connect(tables) as db:
        whole = db.predict(SPEND).to_arrow_table()
        monkeypatch.setattr(predict, "BLOCK", 7)
        assert db.predict(SPEND).to_arrow_table().equals(whole)


def test_the_catalog_is_the_same_when_keys_are_counted_in_place(tables, monkeypatch: pytest.MonkeyPatch) -> None:
    def catalog() -> str:
        with FrameBackend(tables).snapshot() as snapshot:
            return repr(infer_catalog(snapshot))

    grouped = catalog()
    monkeypatch.setattr(profile, "MANY_ROWS", 1)
    assert catalog() == grouped


@pytest.mark.parametrize("ids", [[7, None, 9, 7, 11, 12], [7, 1 << 40, None, 9], [-3, -3, 5, 6]])
def test_whole_numbers_counted_in_place_have_the_same_counts(ids: list[int | None], monkeypatch) -> None:
    def counted() -> dict[int, int]:
        with FrameBackend({"t": pa.table({"t_id": pa.array(ids, pa.int64())})}).snapshot() as snapshot:
            found = profile.Profile.of(snapshot, None).counts("t", "t_id")
            assert found.nulls == ids.count(None)
            return dict(zip(found.values.to_pylist(), found.counts.tolist(), strict=True))

    grouped = counted()
    monkeypatch.setattr(profile, "MANY_ROWS", 1)
    assert counted() == grouped


def test_links_are_looked_up_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    child, parent = pa.chunked_array([rng.integers(0, 40, 500)]), pa.chunked_array([rng.permutation(35)])
    names = [pa.chunked_array([column.chunk(0).cast(pa.string())]) for column in (child, parent)]
    whole = parent_rows([child], [parent]), parent_rows([names[0]], [names[1]])
    monkeypatch.setattr(key_index, "BLOCK", 64)
    np.testing.assert_array_equal(parent_rows([child], [parent]), whole[0])
    np.testing.assert_array_equal(parent_rows([names[0]], [names[1]]), whole[1])


def test_a_table_that_stands_in_order_is_handed_over_as_the_database_would(tables, monkeypatch) -> None:
    wanted = {name: tuple(table.column_names) for name, table in tables.items()}
    with FrameBackend(tables).snapshot() as snapshot:
        catalog = infer_catalog(snapshot)
        until = 4_000_000_000_000_000
        ordered = load(snapshot, catalog, wanted, until)
        kept = {name: ordered.table(name) for name in wanted}
        assert any(ordered._as_read(name) is not None for name in wanted)
        monkeypatch.setattr(History, "_as_read", lambda self, name: None)
        for name, table in kept.items():
            assert ordered.table(name).equals(table)


def test_a_database_of_our_own_spills_outside_of_the_working_directory() -> None:
    one, other = (own_settings()["temp_directory"] for _ in range(2))
    assert one != other
    assert Path.cwd() not in Path(one).parents
