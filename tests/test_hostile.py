"""Hostile strings in every place that takes a value: they are values, compared and returned as they are, never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from clinic import changed, clinic

import pql
from pql.language.errors import PqlError

STRINGS = {
    "a quote": "it's",
    "two quotes": "''",
    "a double quote": 'say "x"',
    "a drop": "'; DROP TABLE visits; --",
    "a drop in a comment": "x */ DROP TABLE visits; /*",
    "an or": "' OR 1=1 --",
    "a union": "' UNION SELECT * FROM users --",
    "a backslash": "\\",
    "a backslash and a quote": "\\' OR TRUE --",
    "a newline": "a\nb",
    "control characters": "\x01\x1b[31m\x7f",
    "a right-to-left mark": "\u202egnirts\u202c",
    "a joined emoji": "👩\u200d👧",
    "a placeholder": "?",
    "a named placeholder": "$1 :x $tag$ %s {0}",
    "a wildcard": "100%_",
    "a keyword": "NULL",
    "nothing": "",
    "a long one": "x'" * 2000,
}
BY_HAND = """
    SELECT count(*) FROM visits WHERE kind = $1 AND user_id = $2 AND "at" > $3 AND "at" <= $3 + INTERVAL 20 DAY
"""
FILTER = "LABELS PREDICT COUNT(visits.* WHERE visits.kind = {}, 0, 20, days) FOR EACH users.user_id"


def literal(text: str) -> str:
    """`text` as a literal of the language."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pql.Session, duckdb.DuckDBPyConnection]]:
    folder = tmp_path_factory.mktemp("hostile")
    values = list(STRINGS.values())
    kinds = [values[i % len(values)] for i in range(900)]
    nicks = pa.array([values[i % len(values)] for i in range(30)])
    tables = changed(changed(clinic(), "visits", kind=kinds), "users", nick=nicks)
    con = duckdb.connect(str(folder / "clinic.duckdb"))
    for name, table in tables.items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        con.unregister("given")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(folder / "home"))
        before = _contents(con)
        with pql.connect(con) as db:
            yield db, con
        assert _contents(con) == before, "the tables are as they were"
    con.close()


def _contents(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    tables = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    return tables + [
        row for name in ("users", "visits") for row in con.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
    ]


def total(result: object) -> float:
    return sum(row[2] for row in result)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", STRINGS)
def test_a_literal_in_a_filter_and_a_parameter_beside_it_are_that_value(
    kind: str, session: tuple[pql.Session, duckdb.DuckDBPyConnection]
) -> None:
    db, con = session
    value = STRINGS[kind]
    (result,) = db.run(FILTER.format(literal(value)) + " WHERE users.nick = :value", {"value": value})
    rows = result.fetchall()
    named = {row[0] for row in con.execute("SELECT user_id FROM users WHERE nick = ?", [value]).fetchall()}
    assert {row[0] for row in rows} == named
    assert result.columns[:3] == ["user_id", "anchor", "label"]
    for user, anchor, label, *_ in rows:
        assert label == con.execute(BY_HAND, [value, user, anchor]).fetchall()[0][0]


CONDITIONS = (
    "users.nick = {}",
    "users.nick != {}",
    "users.nick IN ({}, 'x')",
    "users.nick NOT IN ({})",
    "users.nick LIKE {}",
    "users.nick CONTAINS {}",
    "users.nick STARTS WITH {}",
    "users.nick ENDS WITH {}",
    "users.nick BETWEEN {} AND 'zz'",
    "COUNT(visits.* WHERE visits.kind = {}, -30, 0, days) >= 0",
)


@pytest.mark.parametrize("kind", ["a drop", "a backslash and a quote", "control characters"])
def test_every_condition_takes_hostile_strings(
    kind: str, session: tuple[pql.Session, duckdb.DuckDBPyConnection]
) -> None:
    db, _ = session
    query = "LABELS PREDICT COUNT(visits.*, 0, 20, days) FOR EACH users.user_id WHERE " + " OR ".join(CONDITIONS)
    (written,) = db.run(query.replace("{}", literal(STRINGS[kind])))
    (marked,) = db.run(query.replace("{}", "?"), [STRINGS[kind]] * len(CONDITIONS))
    assert len(written) > 0
    assert written.fetchall() == marked.fetchall()


def test_targets_ids_aliases_and_options_take_them(session: tuple[pql.Session, duckdb.DuckDBPyConnection]) -> None:
    db, _ = session
    value = STRINGS["a drop"]
    light = "WITH (model = last_window, cache = off)"
    target = f"PREDICT COUNT(visits.* WHERE visits.kind = {literal(value)}, 0, 20, days)"
    result = db.predict(f"{target} AS `a`` \"'; DROP` FOR EACH users.user_id {light}")
    assert result.columns[-1] == "a` \"'; DROP"
    (flags,) = db.run(f"LABELS PREDICT LAST(visits.kind, 0, 20, days) = {literal(value)} FOR EACH users.user_id")
    assert {row[2] for row in flags} <= {True, False}
    with pytest.raises(PqlError) as caught:
        db.predict(f"{target} FOR users.user_id = {literal(value)} {light}")
    assert caught.value.code == "type_mismatch"
    with pytest.raises(PqlError) as caught:
        db.predict(f"{target} FOR EACH users.user_id WITH (model = {literal(value)})")
    assert caught.value.code == "bad_option_value"
    with pytest.raises(PqlError) as caught:
        db.predict(f"{target} FOR EACH users.user_id USING MODEL `{value}`")
    assert caught.value.code == "unknown_model"


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", "a\x00b"])
@pytest.mark.parametrize("is_literal", [True, False])
def test_what_no_database_can_hold_is_no_value_or_a_coded_error_that_can_be_shown(
    value: str, is_literal: bool, session: tuple[pql.Session, duckdb.DuckDBPyConnection]
) -> None:
    db, _ = session
    query, params = (FILTER.format(literal(value)), None) if is_literal else (FILTER.format("?"), [value])
    said, found = "", 0.0
    try:
        (result,) = db.run(query, params)
        found = total(result)
    except PqlError as error:
        said = str(error)
    assert found == 0
    assert value not in said
    said.encode("utf-8")


def test_strings_as_ids_come_back_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    keys = [*STRINGS.values(), *(f"u{i}" for i in range(11))]
    with pql.connect(clinic(keys)) as db:
        asked = ", ".join(literal(key) for key in STRINGS.values())
        query = f"PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN ({asked}) WITH (model = last_window)"
        written = db.predict(query)
        assert {row[0]: row[-1] for row in written} == dict.fromkeys(STRINGS.values(), "ok")
        passed = db.predict(query.replace(f"({asked})", ":ids"), params={"ids": list(STRINGS.values())})
        assert passed.fetchall() == written.fetchall()
