"""One session asked by several threads, and from asyncio: questions take turns, answers are those of one thread."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from shops import seed_shop

import pql
import pql.dbapi

ASKED = [
    f"PREDICT COUNT(orders.*, 0, {days}, days) = 0 FOR EACH customers.customer_id WITH (model = {model}, cache = off)"
    for days, model in ((20, "entity_mean"), (30, "rate"))
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("shop")
    with duckdb.connect(str(folder / "shop.duckdb")) as con, pytest.MonkeyPatch.context() as patch:
        for name, table in seed_shop().items():
            con.register("given", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            con.unregister("given")
        con.close()
        patch.setenv("PQL_HOME", str(folder / "home"))
        yield folder / "shop.duckdb"


@pytest.fixture(scope="module")
def alone(file: Path) -> list[Any]:
    with pql.connect(file) as db:
        return [db.predict(text).fetchall() for text in ASKED]


@pytest.mark.parametrize("kind", ["file", "connection", "tables"])
def test_threads_that_share_a_session_get_the_answers_of_one(file: Path, alone: list[Any], kind: str) -> None:
    con = duckdb.connect(str(file), read_only=True)
    source = {"file": file, "connection": con, "tables": seed_shop()}[kind]
    with pql.connect(source) as db, ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda text: db.predict(text).fetchall(), ASKED)) == alone
        assert list(threads.map(lambda n: db.sql("SELECT ?", [n]).fetchone(), range(4))) == [(0,), (1,), (2,), (3,)]
    con.close()


def test_cursors_of_threads_share_a_connection(file: Path, alone: list[Any]) -> None:
    def asked(text: str) -> list[Any]:
        with con.cursor() as cur:
            return cur.execute(text).fetchall()

    with pql.dbapi.connect(file) as con, ThreadPoolExecutor(4) as threads:
        assert list(threads.map(asked, ASKED)) == alone


def test_the_loop_of_asyncio_stays_free(file: Path, alone: list[Any]) -> None:
    async def asked() -> list[Any]:
        with pql.connect(file) as db:
            return await asyncio.gather(
                *(asyncio.to_thread(lambda text: db.predict(text).fetchall(), t) for t in ASKED)
            )

    assert asyncio.run(asked()) == alone


def test_a_result_goes_to_another_process_without_its_model(file: Path, alone: list[Any]) -> None:
    with pql.connect(file) as db:
        result = db.predict(ASKED[1])
    sent = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert sent.fetchall() == alone[1]
    assert (str(sent), repr(sent)) == (str(result), repr(result))
    assert sent.plan == result.plan
    with pytest.raises(pql.PqlError) as caught:
        sent.why(1)
    assert caught.value.code == "not_supported"


def test_what_holds_a_database_is_not_pickled_and_says_what_to_do(file: Path) -> None:
    from pql.sklearn import PqlPredictor

    with pql.connect(file) as db:
        rows = db.labels(ASKED[0]).to_arrow_table().select(["CUSTOMER_ID", "anchor", "label"])
        fitted = db.fit(rows, **FITTED, target="label")
        learnt = PqlPredictor(str(file), task="binary", **FITTED).fit(rows.drop_columns("label"), rows["label"])
        for held in (db, fitted, learnt, PqlPredictor(db, **FITTED)):
            with pytest.raises(pql.PqlError) as caught:
                pickle.dumps(held)
            assert caught.value.code == "not_supported"
            assert caught.value.hint
        unfitted = pickle.loads(pickle.dumps(PqlPredictor(str(file), **FITTED)))  # noqa: S301
        assert unfitted.get_params()["db"] == str(file)


FITTED: dict[str, Any] = {
    "entity": "customers.customer_id",
    "time": "anchor",
    "horizon": "20 days",
    "model": "entity_mean",
}
