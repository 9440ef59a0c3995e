"""The prompt: what the keys do, what stands between two statements, and how it is left."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompts import QUERY, desk_over, keyboard, shown, tiny

import pql
from pql.faces.desk import Desk
from pql.faces.repl import lines, loop, take
from pql.faces.statements import finished, pieces
from pql.faces.terminal import history


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def desk(home: Path) -> Iterator[Desk]:
    with pql.connect(tiny()) as session:
        yield desk_over(session)


CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"


def typed(desk: Desk, keys: str) -> str:
    """What is shown after these keys; Ctrl-D ends them."""
    with keyboard(desk, keys + CTRL_D) as read:
        assert loop(desk, read) == 0
    return shown(desk)


def test_a_statement_takes_lines_until_its_semicolon(desk: Desk) -> None:
    out = typed(desk, f"SELECT count(*) AS n{ENTER}FROM orders{ENTER};{ENTER}")
    assert out.split() == ["n", "───", "300"]


def test_a_semicolon_in_quotes_ends_nothing(desk: Desk) -> None:
    out = typed(desk, f"SELECT 'a;{ENTER}b' AS x;{ENTER}")
    assert r"a;\nb" in out


def test_predictions_and_sql_stand_at_the_same_prompt(desk: Desk) -> None:
    out = typed(desk, f"{QUERY};{ENTER}SELECT max(prediction) AS most FROM ({QUERY});{ENTER}")
    assert "prediction" in out
    assert "most" in out


def test_two_statements_on_one_line_are_both_answered(desk: Desk) -> None:
    assert typed(desk, f"SELECT 1 AS a; SELECT 2 AS b;{ENTER}").split() == ["a", "─", "1", "b", "─", "2"]


def test_a_command_needs_no_semicolon(desk: Desk) -> None:
    assert "orders" in typed(desk, f".tables{ENTER}")


@pytest.mark.parametrize("word", [".quit", "\\q", "quit", "exit;", ".exit"])
def test_the_prompt_is_left_by_a_word(desk: Desk, word: str) -> None:
    with keyboard(desk, f"{word}{ENTER}SELECT 1 AS unseen;{ENTER}") as read:
        assert loop(desk, read) == 0
    assert desk.left
    assert shown(desk) == ""


def test_ctrl_d_leaves_and_ctrl_c_drops_the_line(desk: Desk) -> None:
    assert typed(desk, f"SELECT 1 AS dropped{CTRL_C}SELECT 2 AS kept;{ENTER}").split() == ["kept", "────", "2"]


def test_a_fault_is_told_and_the_session_goes_on(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    out = typed(desk, f"PREDICT COUNT(ordrs.*, 0, 7, days) FOR EACH users.user_id;{ENTER}SELECT 1 AS one;{ENTER}")
    assert "unknown_table" in capsys.readouterr().err
    assert "one" in out


def test_a_fault_of_pql_itself_keeps_the_session(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Desk, text: str) -> None:
        raise RuntimeError("\x1b[31mbroken")

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "answers", broken)
        take(desk, "SELECT 1;")
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    assert "\x1b" not in said
    take(desk, "SELECT 1 AS one;")
    assert "one" in shown(desk)


class CtrlC:
    """A listener that presses Ctrl-C when a stage begins."""

    def __init__(self) -> None:
        self.pressed = False

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        if not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)

    def done(self, name: str, seconds: float) -> None:
        return None


def test_ctrl_c_stops_a_query_and_keeps_the_session(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pql.connect(tiny(), listener=CtrlC()) as session:
            desk = desk_over(session)
            take(desk, QUERY)
            assert capsys.readouterr().err.endswith("stopped\n")
            assert shown(desk) == ""
            take(desk, QUERY)
            assert "prediction" in shown(desk)
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_was_typed_is_there_in_the_next_session(desk: Desk, home: Path) -> None:
    typed(desk, f"SELECT 41 + 1 AS first_time;{ENTER}")
    assert (home / "history").stat().st_mode & 0o077 == 0
    up = "\x1b[A"
    assert "first_time" in typed(desk, f"{up}{ENTER}")


def test_without_a_folder_to_write_to_the_history_lives_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "file" / "home"))
    assert type(history()).__name__ == "InMemoryHistory"


def test_the_same_without_a_terminal(desk: Desk) -> None:
    stream = iter([".mode csv\n", "SELECT 1 AS a,\n", "2 AS b;\n", "\n", "SELECT 3 AS c"])
    assert loop(desk, lines(stream)) == 0
    assert shown(desk).split() == ['"a","b"', "1,2", '"c"', "3"]


FINISHED = [
    "",
    "  \n",
    ".tables",
    "\\d users",
    "SELECT 1;",
    "SELECT 1; -- done",
    "help",
    "-- only a remark",
    r"SELECT 'C:\';",
]
OPEN = ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "SELECT 1 /* ;", "SELECT 1; SELECT 2", "PREDICT `a;", "SELECT 1,\n.5"]


@pytest.mark.parametrize("text", FINISHED)
def test_a_finished_text_is_sent_at_enter(text: str) -> None:
    assert finished(text)


@pytest.mark.parametrize("text", OPEN)
def test_an_open_text_gets_another_line(text: str) -> None:
    assert not finished(text)


def test_commands_stand_between_statements_but_not_in_them() -> None:
    text = ".mode csv\nSELECT 1\n.5; SELECT 2;\n-- so\n\\dt\nSELECT 3"
    assert [piece.strip() for _, piece in pieces(text)] == [
        ".mode csv",
        "SELECT 1\n.5; SELECT 2;\n-- so",
        "\\dt",
        "SELECT 3",
    ]


def test_the_prompt_stands_before_the_parser_and_the_data_are_imported() -> None:
    """What is imported by then is the half second that the user waits."""
    script = (
        "import sys, pql.faces.cli, pql.faces.settings, pql.faces.repl, pql.faces.known, pql.faces.opening\n"
        "import pql.faces.terminal, pql.engine.answers.home\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"duckdb", "pyarrow", "numpy", "pandas", "torch", "rich", "pql.language.ast", "pql.language.parser"}
    assert not heavy & set(done.stdout.split())
