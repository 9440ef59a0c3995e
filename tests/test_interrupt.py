"""Ctrl-C: what is fitted so far answers and says so; where nothing is, the query ends; nothing cut short is kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from shops import seed_shop

import pql
from pql.engine.events import Events
from pql.language.errors import PqlError

QUERY = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id"
RANK = "PREDICT LIST_DISTINCT(orders.product_id, 0, 30, days) RANK TOP 3 FOR EACH customers.customer_id"


class CtrlC:
    """A listener that sends SIGINT to the process as soon as a stage says a certain thing."""

    def __init__(self, stage: str, detail: str = "", times: int = 1) -> None:
        self.when, self.left, self.at = (stage, detail), times, 0.0

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        if self.left and name == self.when[0] and self.when[1] in detail:
            self.left, self.at = self.left - 1, time.perf_counter()
            signal.raise_signal(signal.SIGINT)

    def done(self, name: str, seconds: float) -> None:
        return None


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell makes its background jobs deaf to Ctrl-C, these tests among them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def tables():
    return seed_shop(customers=60, purchases=1500)


FITTED = [
    ("boosted", "round", "WITH (model = boosted)", QUERY),
    ("boosted", "examples", "WITH (model = boosted)", QUERY),  # before its first round: a baseline answers
    ("gnn", "epoch 2", "WITH (model = gnn, epochs = 20)", QUERY),
    ("refit", "examples", "WITH (model = boosted)", QUERY),
    ("boosted", "rounds", "WITH (model = boosted)", RANK),
    ("pairs", "", "WITH (model = boosted)", RANK),
    ("evaluate", "", "WITH (model = boosted)", RANK),
    ("refit", "", "WITH (model = boosted)", RANK),
]


@pytest.mark.parametrize(("stage", "detail", "options", "query"), FITTED)
def test_one_ctrl_c_keeps_the_best_so_far_and_says_so(
    tables, stage: str, detail: str, options: str, query: str
) -> None:
    text = f"{query} {options}"
    listener = CtrlC(stage, detail)
    with pql.connect(tables, listener=listener) as db:
        result = db.predict(text)
        assert time.perf_counter() - listener.at < 5  # a second on a machine of one's own
        assert len(result) > 50
        assert all(value is not None for row in result for value in row)
        assert result.model.stopped
        assert any("stopped early" in note for note in result.notes)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pql.connect(tables) as db:
        again = db.predict(text)
        assert not again.model.cached
        assert not again.model.stopped
        assert not any("topped" in note for note in again.notes)


@pytest.mark.parametrize("stage", ["read", "graph", "features"])
def test_ctrl_c_before_anything_is_fitted_ends_the_query(tables, stage: str) -> None:
    with pql.connect(tables, listener=CtrlC(stage)) as db:
        with pytest.raises(KeyboardInterrupt):
            db.predict(f"{QUERY} WITH (model = boosted)")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert len(db.predict(f"{QUERY} WITH (model = boosted)")) > 50


def test_a_second_ctrl_c_breaks_off(tables) -> None:
    class Twice(CtrlC):
        def done(self, name: str, seconds: float) -> None:
            if name == "boosted":
                signal.raise_signal(signal.SIGINT)

    with pql.connect(tables, listener=Twice("boosted", "round")) as db, pytest.raises(KeyboardInterrupt):
        db.predict(f"{QUERY} WITH (model = boosted)")


def test_a_model_cut_short_gets_no_name(tables) -> None:
    with pql.connect(tables, listener=CtrlC("boosted", "round")) as db:
        with pytest.raises(PqlError) as error:
            list(db.run(f"CREATE MODEL spend AS {QUERY} WITH (model = boosted)"))
        assert error.value.code == "stopped"
        (models,) = db.run("SHOW MODELS")
        assert len(models) == 0


def test_another_thread_ends_a_query_with_stop(tables) -> None:
    with pql.connect(tables, listener=(listener := Stopper())) as db:
        listener.session = db
        found: list[pql.Predictions] = []
        worker = threading.Thread(target=lambda: found.append(db.predict(f"{QUERY} WITH (model = boosted)")))
        worker.start()
        worker.join(60)
        assert found[0].model.stopped


class Stopper:
    session: pql.Session

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        if name == "boosted":
            self.session.stop()

    def done(self, name: str, seconds: float) -> None:
        return None


def test_somebody_elses_handler_is_left_alone(tables) -> None:
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        with pql.connect(tables, listener=CtrlC("boosted", "round")) as db:
            assert not db.predict(f"{QUERY} WITH (model = boosted)").model.stopped
        assert caught == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_gentle_once_and_only_in_patient_work() -> None:
    events = Events()
    assert not events.interrupt()
    assert events.stopped
    events = Events()
    with events.patient():
        assert events.interrupt()
        assert not events.interrupt()


def test_an_interrupt_that_a_library_turns_into_its_own_error_is_still_an_interrupt(tables) -> None:
    class Library:
        def stage(self, name: str, detail: str, fraction: float | None) -> None:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt as error:
                raise RuntimeError("Query interrupted") from error

        def done(self, name: str, seconds: float) -> None:
            return None

    with pql.connect(tables, listener=Library()) as db, pytest.raises(KeyboardInterrupt):
        db.predict(QUERY)


def test_ctrl_c_ends_a_sql_statement_that_runs_long(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "one.duckdb")).execute("CREATE TABLE t AS SELECT 1 AS id").close()
    endless = "SELECT count(*) FROM range(10000000) a, range(1000000) b WHERE a.range % 7 = b.range % 11"
    with pql.connect(tmp_path / "one.duckdb") as db:
        pressed = threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        pressed.start()
        began = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            db.sql(endless)
        assert time.perf_counter() - began < 20
        assert db.sql("SELECT id FROM t").fetchall() == [(1,)]
