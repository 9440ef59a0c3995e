"""Stored predictions: the same answer to the same question on the same data, read back without a model; never stale."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from shops import seed_shop

import pql
from pql.language.errors import PqlError

QUERY = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id AS OF '2024-01-01' WITH ({})"
FAST = QUERY.format("model = instant, anchors = 3")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, table in seed_shop(customers=30, purchases=400).items():
            con.register("given", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            con.unregister("given")
    return path


def asked(source: Path | str, text: str = FAST) -> tuple[pql.Predictions, bool]:
    """The answer, and whether it was read back."""
    with pql.connect(str(source)) as db:
        result = db.predict(text)
    return result, "stored" in result.model.seconds


def answers_of(home: Path) -> list[Path]:
    return sorted(home.glob("*/answers/[!.]*"))


def test_the_second_answer_is_the_first_read_back(shop: Path) -> None:
    first, was_stored = asked(shop)
    assert not was_stored
    second, was_stored = asked(shop)
    assert was_stored
    assert second.to_arrow_table() == first.to_arrow_table()
    assert second.shown() == first.shown()
    assert second.metrics == first.metrics
    assert second.notes == first.notes
    assert (second.model.name, second.model.weights, second.model.key) == (
        first.model.name,
        first.model.weights,
        first.model.key,
    )


def test_the_model_is_loaded_when_reasons_are_asked_for_even_after_closing(shop: Path) -> None:
    first, _ = asked(shop)
    second, was_stored = asked(shop)
    assert was_stored
    assert second.why(2).to_arrow_table() == first.why(2).to_arrow_table()
    assert second.plan.split == first.plan.split
    assert second.plan.output == first.plan.output


def test_a_changed_row_before_the_anchor_makes_a_new_answer(shop: Path) -> None:
    asked(shop)
    kept, _ = asked(shop)
    with duckdb.connect(str(shop)) as con:
        con.execute("UPDATE orders SET amount = amount * 3 WHERE ordered_at < TIMESTAMP '2023-12-31'")
    changed, was_stored = asked(shop)
    assert not was_stored
    assert changed.to_arrow_table() != kept.to_arrow_table()
    with pytest.raises(PqlError) as raised:
        kept.why(1)
    assert raised.value.code == "source_changed"


def test_a_file_written_over_within_an_instant_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pql.backends.file_state import FileState

    file = tmp_path / "a.csv"
    file.write_bytes(b"a\n1\n")
    times = file.stat()
    before = FileState([file, tmp_path / "gone"]).told()
    assert FileState([file, tmp_path / "gone"]).told() == before
    file.write_bytes(b"a\n2\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert FileState([file, tmp_path / "gone"]).told() not in (None, before)
    opened = FileState([file])
    file.write_bytes(b"a\n3\n")
    assert opened.told() is None, "what was opened is no longer what is there"
    monkeypatch.setattr("pql.backends.file_state.MOST_BYTES", 1)
    assert FileState([file]).told() is None, "a large file just written can't be known"
    monkeypatch.setattr("pql.backends.file_state.JUST_NOW", -1)
    assert FileState([file]).told() == FileState([file]).told() is not None


def test_what_was_declared_and_what_is_asked_are_part_of_the_question(shop: Path) -> None:
    asked(shop)
    assert not asked(shop, FAST.replace("30, days", "20, days"))[1]
    assert not asked(shop, FAST.replace("anchors = 3", "anchors = 3, seed = 1"))[1]
    assert not asked(shop, FAST.replace("EACH customers.customer_id", "customers.customer_id IN (1, 2)"))[1]
    assert asked(shop, FAST.lower().replace("each customers", "each  customers"))[1], "the words, not the letters"
    with pql.connect(str(shop)) as db:
        db.no_time("customers")
    assert not asked(shop)[1]


def test_sql_reads_the_answers_of_its_queries_back_and_stores_them(shop: Path) -> None:
    spend, count = FAST, FAST.replace("SUM(orders.amount,", "COUNT(orders.*,")
    text = f"SELECT c.name, p.prediction FROM ({spend}) p JOIN customers c USING (customer_id) ORDER BY 1"
    first, _ = asked(shop, spend)
    with pql.connect(str(shop)) as db:
        joined = db.sql(text)
        assert "stored" in joined.predictions[0].model.seconds
        assert sorted(row[1] for row in joined) == sorted(row[2] for row in first)
        both = f"SELECT a.prediction, b.prediction FROM ({spend}) a JOIN ({count}) b USING (customer_id) ORDER BY 1, 2"
        told = db.sql(both)
        assert ["stored" in one.model.seconds for one in told.predictions] == [True, False]
        again = db.sql(both)
        assert all("stored" in one.model.seconds for one in again.predictions)
        assert again.to_arrow_table() == told.to_arrow_table()
    assert asked(shop, count)[1], "what SQL has stored answers a PREDICT alone"
    with duckdb.connect(str(shop)) as con:
        con.execute("UPDATE orders SET amount = amount * 3 WHERE ordered_at < TIMESTAMP '2023-12-31'")
    with pql.connect(str(shop)) as db:
        changed = db.sql(text)
    assert "stored" not in changed.predictions[0].model.seconds
    assert changed.to_arrow_table() != joined.to_arrow_table()


def test_keys_read_back_inside_sql_join_in_their_own_types(shop: Path) -> None:
    with duckdb.connect(str(shop)) as con:
        for table in ("customers", "orders"):
            con.execute(f"ALTER TABLE {table} ALTER customer_id TYPE UUID USING md5(customer_id::VARCHAR)::UUID")
    text = f"SELECT c.name, p.prediction FROM ({FAST}) p JOIN customers c USING (customer_id) ORDER BY 1"
    with pql.connect(str(shop)) as db:
        first, second = db.sql(text), db.sql(text)
    assert "stored" in second.predictions[0].model.seconds
    assert len(second) > 20
    assert second.to_arrow_table() == first.to_arrow_table()


def test_parameters_ask_what_their_values_ask(shop: Path) -> None:
    asked(shop, FAST.replace("EACH customers.customer_id", "customers.customer_id IN (1, 2)"))
    text = FAST.replace("EACH customers.customer_id", "customers.customer_id IN (:a, :b)")
    with pql.connect(str(shop)) as db:
        assert "stored" in db.predict(text, {"a": 1, "b": 2}).model.seconds
        assert "stored" not in db.predict(text, {"a": 1, "b": 3}).model.seconds
        assert (
            "stored"
            in db.sql(f"SELECT * FROM ({text}) WHERE prediction > :c", {"a": 1, "b": 2, "c": 0})
            .predictions[0]
            .model.seconds
        )


def test_the_option_cache_is_heeded(shop: Path, tmp_path: Path) -> None:
    off = QUERY.format("model = instant, anchors = 3, cache = off")
    asked(shop, off)
    assert answers_of(tmp_path / "home") == []
    asked(shop)
    assert not asked(shop, off)[1]
    assert not asked(shop, QUERY.format("model = instant, anchors = 3, cache = refresh"))[1]
    assert asked(shop)[1]
    with pql.connect(str(shop), options={"cache": "off"}) as db:
        assert "stored" not in db.predict(FAST).model.seconds


def test_dropped_and_cleared_models_take_their_answers_along(shop: Path, tmp_path: Path) -> None:
    with pql.connect(str(shop)) as db:
        db.run(f"CREATE MODEL spend AS {FAST}")
        using = FAST.replace(" WITH", " USING MODEL spend WITH")
        db.predict(using)
        assert "stored" in db.predict(using).model.seconds
        assert len(answers_of(tmp_path / "home")) == 1
        db.run("DROP MODEL spend")
        assert answers_of(tmp_path / "home") == []
        db.predict(FAST)
        freed = db.clear()
    assert (freed.models, freed.answers) == (1, 1)
    assert answers_of(tmp_path / "home") == []


def test_damaged_answers_are_made_anew(shop: Path, tmp_path: Path) -> None:
    first, _ = asked(shop)
    (folder,) = answers_of(tmp_path / "home")
    for name, content in (("state.json", b"{}"), ("arrays.safetensors", b"junk"), ("manifest.json", b"\xff")):
        (folder / name).write_bytes(content)
        again, was_stored = asked(shop)
        assert not was_stored, name
        assert again.to_arrow_table() == first.to_arrow_table()
        assert asked(shop)[1]


def test_few_answers_are_kept_the_latest_used(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pql.engine.answers.stored import StoredAnswers

    monkeypatch.setattr("pql.engine.answers.stored.MOST_ANSWERS", 2)
    store = StoredAnswers(tmp_path / "answers")
    for number, key in enumerate("abc"):
        store.put(key, "model", {"n": number}, {})
        os.utime(tmp_path / "answers" / f"{key}.model", (number + 1, number + 1))
        if key == "b":
            assert store.get("a") is not None  # used, and so younger than b
    assert [store.get(key) is not None for key in "abc"] == [True, False, True]
    monkeypatch.setattr("pql.engine.answers.stored.MOST_BYTES", 0)
    store.put("d", "model", {"n": 4}, {})
    assert list((tmp_path / "answers").iterdir()) == []


def test_a_database_with_views_has_no_stored_answers(shop: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(shop)) as con:
        con.execute("CREATE VIEW big AS SELECT * FROM orders WHERE amount > 10")
    asked(shop)
    assert answers_of(tmp_path / "home") == []


def test_a_place_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    from pql.engine.answers.stored import StoredAnswers

    (tmp_path / "answers").write_text("a file, not a folder")
    store = StoredAnswers(tmp_path / "answers")
    store.put("a", "model", {"n": 1}, {})
    assert store.get("a") is None


PROBE = (
    "import json, sys, time; start = time.process_time()\n"
    "from pql.faces.cli import main\n"
    "try: main()\n"
    "except SystemExit as done: code = done.code\n"
    "heavy = [m for m in ('torch', 'lightgbm', 'sklearn', 'scipy.stats', 'pandas') if m in sys.modules]\n"
    "sys.stderr.write(json.dumps([code, heavy, time.process_time() - start]))"
)


def test_the_command_line_answers_the_same_bytes_and_loads_no_learner(shop: Path) -> None:
    text = FAST.replace("instant", "boosted")
    first, _ = asked(shop, text)

    def ran(*words: str) -> tuple[str, list[str], float]:
        command = [sys.executable, "-c", PROBE, str(shop), "-q", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        code, heavy, seconds = json.loads(done.stderr)
        assert code == 0
        return done.stdout, heavy, seconds

    shown, heavy, seconds = ran("-c", text)
    assert (shown, heavy) == (first.shown() + "\n", [])
    assert seconds < 3, "seconds of processor time; one on a machine of one's own"
    _, heavy, seconds = ran("-c", f"SELECT avg(prediction) FROM ({text})")
    assert (heavy, seconds < 3) == ([], True)
    some = text.replace("EACH customers.customer_id", "customers.customer_id IN (1, 2)")
    shown, heavy, seconds = ran("-c", some)
    assert heavy == ["lightgbm"], "new ids take the kept model, and none of what LightGBM would like beside it"
    assert asked(shop, some)[0].shown() + "\n" == shown


def test_a_sqlite_file_has_stored_answers_too(shop: Path, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as con:
        for name, table in seed_shop(customers=30, purchases=400).items():
            table.to_pandas().to_sql(name, con, index=False)
    first, was_stored = asked(path)
    assert not was_stored
    second, was_stored = asked(path)
    assert was_stored
    assert second.to_arrow_table() == first.to_arrow_table()
    with pql.connect(str(path)) as db:
        db.predict(FAST)
        with closing(sqlite3.connect(path)) as con:
            con.execute("DELETE FROM orders WHERE rowid % 3 = 0")
            con.commit()
        changed = db.predict(FAST)
        assert "stored" not in changed.model.seconds
    assert changed.to_arrow_table() != first.to_arrow_table()
    assert asked(path)[1]
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA journal_mode = wal")
        con.execute("DELETE FROM orders WHERE rowid % 2 = 0")
        con.commit()
        assert not asked(path)[1], "rows that stand in the journal are not in the file"


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")
def test_what_is_kept_is_for_the_user_alone(shop: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        asked(shop)
        with pql.connect(str(shop)) as db:
            db.execute(f"CREATE MODEL kept AS {FAST}")
    finally:
        os.umask(before)
    found = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert len(found) > 8
    for path in found:
        assert path.stat().st_mode & 0o077 == 0, path
