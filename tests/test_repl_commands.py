"""The commands of the prompt: one registry, from which they are run and explained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prompts import QUERY, desk_over, shown, tiny

import pql
from pql.faces.commands import ALIASES, COMMANDS
from pql.faces.desk import Desk
from pql.faces.repl import take


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pql.Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        with pql.connect(tiny()) as session:
            yield session


@pytest.fixture
def desk(session: pql.Session) -> Desk:
    return desk_over(session)


def after(desk: Desk, *typed: str) -> str:
    for line in typed:
        take(desk, line)
    return shown(desk)


@pytest.mark.parametrize("line", [".tables", "\\dt", "\\d", ".tables;"])
def test_the_tables(desk: Desk, line: str) -> None:
    assert "orders" in after(desk, line)


@pytest.mark.parametrize("line", [".schema users", "\\d users", "DESCRIBE users;", '.schema "users"'])
def test_the_columns_of_a_table(desk: Desk, line: str) -> None:
    out = after(desk, line)
    assert "city" in out
    assert "amount" not in out


def test_the_columns_of_all_tables(desk: Desk) -> None:
    out = after(desk, ".schema")
    assert "city" in out
    assert "amount" in out


def test_the_graph(desk: Desk) -> None:
    assert "orders.user_id" in after(desk, ".graph")


def test_kept_models(desk: Desk) -> None:
    out = after(
        desk, f"CREATE OR REPLACE MODEL busy AS {QUERY.replace(', cache = off', '')};", ".models", ".model busy"
    )
    assert out.count("busy") > 2


def test_plan_of_a_query_and_of_the_last_one(desk: Desk) -> None:
    first = after(desk, f".explain {QUERY}")
    assert "users" in first
    assert after(desk, f"{QUERY};", ".explain").endswith(first)


def test_reasons_of_the_last_predictions(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert after(desk, ".why") == ""
    assert "there is no prediction" in capsys.readouterr().err
    after(desk, f"{QUERY};", "SELECT 1;")
    assert "contribution" in after(desk, ".why 2")
    assert desk.last is not None
    last = desk.last.fetchall()[-1][0]
    assert f"user_id {last}:" in after(desk, f".why for {last}")
    assert "contribution" in after(desk, ".importance", ".importance table")
    after(desk, ".why nobody", ".why for nobody", ".importance nothing")
    assert len(capsys.readouterr().err.strip().splitlines()) >= 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (".mdoe csv", "did you mean .mode?"),
        (".mode cvs", "did you mean csv?"),
        (".tabels", "did you mean .tables?"),
        ("\\z", "there is no command"),
        (".timer maybe", "on or off"),
        (".rows none", "a number"),
        (".read nowhere.sql", "can't be read"),
        (".read", ".read FILE"),
        (".model", ".model NAME"),
        (".model nobody", "unknown_model"),
        (".schema nobody", "unknown_table"),
        (".tables all", "takes nothing"),
        (".help .mdoe", "did you mean .mode?"),
        (".output /nowhere/at/all.csv", "file_not_writable"),
    ],
)
def test_a_command_that_cant_be_followed_says_what_would_do(
    desk: Desk, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    assert after(desk, line) == ""
    assert said in capsys.readouterr().err


def test_the_timer_tells_seconds_on_stderr(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    out = after(desk, ".timer on", "SELECT 1 AS one;", ".timer off", "SELECT 2 AS two;")
    assert " s\n" not in out
    assert capsys.readouterr().err.count(" s\n") == 1


def test_rows_of_a_box(desk: Desk) -> None:
    assert "… 300 rows in all" in after(desk, ".rows 3", "SELECT * FROM orders;")


@pytest.mark.parametrize(("height", "rows"), [("24", 15), ("60", 20), ("8", 5)])
def test_a_box_shows_as_many_rows_as_the_screen_has_room_for(
    session: pql.Session, monkeypatch: pytest.MonkeyPatch, height: str, rows: int
) -> None:
    monkeypatch.setenv("LINES", height)
    monkeypatch.setenv("PQL_PAGER", "cat")
    screen = desk_over(session, terminal=True)
    take(screen, "SELECT order_id FROM orders;")
    assert len(shown(screen).splitlines()) == 2 + rows + 1
    take(screen, ".rows 30\nSELECT order_id FROM orders;")
    assert len(shown(screen).splitlines()) == 2 + 30 + 1


def test_answers_go_to_a_file_until_they_dont(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "out file.csv"
    out = after(desk, ".mode csv", f".output '{file}'", "SELECT 1 AS a;", "SELECT 2 AS b;", ".output", "SELECT 3 AS c;")
    assert file.read_text().split() == ['"a"', "1", '"b"', "2"]
    assert out.split() == ['"c"', "3"]


@pytest.mark.parametrize(("name", "begins"), [("x.csv", b'"a"\n1'), ("x.parquet", b"PAR1"), ("x.txt", b"a\n")])
def test_the_ending_of_a_file_says_how_it_is_written_unless_the_mode_does(
    desk: Desk, tmp_path: Path, name: str, begins: bytes
) -> None:
    take(desk, f".output {tmp_path / name}\nSELECT 1 AS a;\n.mode json\n.output {tmp_path / 'y.csv'}\nSELECT 1 AS a;")
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert (tmp_path / "y.csv").read_text().startswith("[")


def test_parquet_needs_a_file(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert after(desk, ".mode parquet", "SELECT 1 AS a;") == ""
    assert ".output FILE" in capsys.readouterr().err
    after(desk, f".output {tmp_path / 'a.parquet'}", "SELECT 7 AS a;")
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {"a": [7]}


def test_the_database_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, table in tiny().items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    before = (tmp_path / "users.parquet").read_bytes()
    with pql.connect(tmp_path) as session:
        desk = desk_over(session)
        desk.source = str(tmp_path)
        take(desk, f".output {tmp_path / 'users.parquet'}")
    assert "file_in_source" in capsys.readouterr().err
    assert (tmp_path / "users.parquet").read_bytes() == before


def test_a_file_of_statements_and_commands(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.sql"
    file.write_text(f"-- first\n.mode jsonl\nSELECT 1 AS a;\nSELECT 2\nAS b;\n.read {file}\nSELECT 3 AS c;\n")
    assert [json.loads(line) for line in after(desk, f".read {file}").splitlines()] == [{"a": 1}, {"b": 2}]
    assert "reads itself" in capsys.readouterr().err


def test_help_names_every_command_and_explains_codes(desk: Desk) -> None:
    out = after(desk, ".help")
    assert all(name in out for name in COMMANDS)
    assert all(alias in out for alias in ALIASES)
    assert "unknown_table" in after(desk, ".help unknown_table")
    assert ".mode [MODE]" in after(desk, ".help mode")


def test_every_command_has_a_line_of_help_and_no_two_share_a_name() -> None:
    assert all(one.says.endswith(".") and one.usage.startswith(name) for name, one in COMMANDS.items())
    assert not set(ALIASES) & set(COMMANDS)
    assert set(ALIASES.values()) <= set(COMMANDS)


@pytest.mark.parametrize("columns", [40, 80])
def test_help_and_notes_are_folded_at_words_on_a_narrow_terminal(
    session: pql.Session, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "200")
    narrow = desk_over(session, terminal=True)
    take(narrow, f".help\n{QUERY};\n.why 2")
    text = shown(narrow)
    assert max(map(len, text.splitlines())) <= columns
    assert "quality: " in text
    assert "that all begin" in " ".join(text.split())


def test_a_fault_in_a_file_names_it_and_its_line(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "all.pql"
    file.write_text(".mode csv\nSELECT 1;\n.mode box\n-- so\nSELECT 2;\n  SELECT nothing FROM users;\n")
    after(desk, f".read {file}")
    assert f"  {file}, line 6, column 10\n  |   SELECT nothing FROM users" in capsys.readouterr().err
    outer = tmp_path / "outer.pql"
    outer.write_text(f"SELECT 3;\n.read {file}\n")
    after(desk, f".read {outer}")
    assert f"  {file}, line 6, column 10\n" in capsys.readouterr().err
    outer.write_text("SELECT 3;\n.tabels\n")
    after(desk, f".read {outer}")
    assert f"{outer}, line 2: there is no command .tabels" in capsys.readouterr().err
    after(desk, "SELECT nothing FROM users;")
    assert "\n  line 1, column 8\n" in capsys.readouterr().err
