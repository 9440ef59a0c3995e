"""Cells are the data's: whatever is in them, nothing breaks, and a terminal gets no command from them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from prompts import desk_over, shown

import pql
from pql.faces.desk import Desk
from pql.faces.render import rendered
from pql.faces.repl import take
from pql.faces.screen import Screen, encodable
from pql.shown_table import Report
from pql.table import fitting, text_table

PAYLOADS = {
    "escape": "\x1b[2J\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\",
    "c1": "\x9b31mred",
    "bell": "\x07\x08\x7f",
    "carriage": "real\rfake",
    "newline": "a\nb\r\nc",
    "line separator": "a\u2028b\u2029c",
    "tab": "a\tb",
    "vertical": "a\x0bb\x0cc",
    "rtl": "abc\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "zero width": "ad\u200bmin\ufeff",
    "combining": "Z" + "\u0351" * 60,
    "wide": "日本語" * 30,
    "emoji": "👩\u200d👩\u200d👧",
    "html": "<script>alert(1)</script>&amp;",
    "markdown": "| [x](javascript:alert(1)) | `a` ![](x)",
    "quotes": '"a","b"\\\'; DROP TABLE t; --',
    "formula": '=HYPERLINK("x";"y")',
    "rich markup": "[bold red]x[/bold red]",
    "format": "%s%n{0}{x!r}\\N{BELL}",
    "long": "x" * 100_000,
    "tag": "\U000e0041\U000e0042",
}
MODES = ["box", "csv", "json", "jsonl", "md", "line"]
ALLOWED = {"\n"}


def table_of(value: str) -> Report:
    """The payload as a column's name, as a cell and inside a list."""
    return Report(pa.table({"id": [1, 2], value[:40] or "x": [value, "b"], "many": [[value], []]}))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PAYLOADS)
def test_a_terminal_gets_no_character_that_it_would_obey(name: str, mode: str) -> None:
    text = rendered(table_of(PAYLOADS[name]), mode, 20, width=80, on_screen=True)
    assert text.endswith("\n")
    assert all(c.isprintable() or c in ALLOWED for c in text)


@pytest.mark.parametrize("name", PAYLOADS)
def test_files_hold_the_very_data(name: str) -> None:
    value = PAYLOADS[name]
    result = Report(pa.table({"id": [1], "cell": [value]}))
    assert json.loads(rendered(result, "json", 20))[0]["cell"] == value
    assert json.loads(rendered(result, "jsonl", 20))["cell"] == value
    rows = list(csv.reader(io.StringIO(rendered(result, "csv", 20), newline="")))
    assert rows[1][1] == value


@pytest.mark.parametrize("name", PAYLOADS)
def test_json_on_a_terminal_is_the_same_data(name: str) -> None:
    result = Report(pa.table({"cell": [PAYLOADS[name]]}))
    assert json.loads(rendered(result, "json", 20, on_screen=True)) == [{"cell": PAYLOADS[name]}]


@pytest.mark.parametrize("name", PAYLOADS)
def test_one_row_is_one_line_and_lines_are_as_wide_as_the_terminal_at_most(name: str) -> None:
    from rich.cells import cell_len

    for width in (20, 40, 80):
        lines = rendered(Report(pa.table({"id": [1], "cell": [PAYLOADS[name]]})), "box", 20, width=width).splitlines()
        assert len(lines) == 3
        assert all(cell_len(line) <= width for line in lines)


def test_html_in_markdown_is_text() -> None:
    text = rendered(table_of(PAYLOADS["html"]), "md", 20) + rendered(table_of(PAYLOADS["markdown"]), "md", 20)
    assert "<script" not in text
    assert "[x](" not in text
    assert len({line.replace("\\|", "").count("|") for line in text.splitlines()}) == 1


def test_markup_of_a_library_is_text() -> None:
    assert "[bold red]x" in rendered(table_of(PAYLOADS["rich markup"]), "box", 20)


@pytest.mark.parametrize("columns", [1, 3, 40])
def test_a_terminal_of_twenty_columns(columns: int) -> None:
    with fitting(20):
        lines = text_table(["a column"] * columns, [["some text", *["x"] * (columns - 1)]]).splitlines()
    assert len(lines) == 3
    assert columns == 40 or max(map(len, lines)) <= 20


def test_names_and_messages_of_a_hostile_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "a\x1b[31m\nb"
    with pql.connect({bad: pa.table({"id": [1, 2, 3], bad: ["x", "y", "z"]})}) as session:
        desk = desk_over(session, terminal=True)
        for line in (".tables", ".schema", ".graph", f".schema {bad!r}", f'SELECT "{bad}x" FROM "{bad}";', f".{bad}"):
            take(desk, line)
    out = shown(desk) + capsys.readouterr().err
    assert "\x1b" not in out
    assert "x1b" in out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("mode", MODES)
def test_a_stream_that_is_not_utf_8(encoding: str, mode: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Screen(stream).write(rendered(table_of("日本 é ─ \x1b"), mode, 20, on_screen=True))
    assert raw.getvalue().decode(encoding)


def test_plain_signs_stand_for_lines_and_dots() -> None:
    assert encodable("── …", io.TextIOWrapper(io.BytesIO(), encoding="ascii")) == "-- ..."


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "a.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE t (id INTEGER, v VARCHAR)")
        con.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(PAYLOADS.values())))
    return path


def test_a_locale_without_utf_8_and_a_reader_that_leaves(database: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PQL_HOME": str(tmp_path), "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "pql.faces.cli", str(database), "-q", "-c", "SELECT * FROM t; SELECT * FROM nope"]
    done = subprocess.run(command, capture_output=True, env=env, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout.isascii()
    assert b"Traceback" not in done.stderr
    command[-1] = "SELECT id, range FROM t, range(10000)"
    with subprocess.Popen(
        [*command, "--format", "line"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def pager_desk(session: pql.Session, monkeypatch: pytest.MonkeyPatch, pager: str, height: int) -> Desk:
    monkeypatch.setenv("PAGER", pager)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", str(height))
    desk = desk_over(session, terminal=True)
    desk.limit = 1000
    return desk


def test_only_what_is_taller_than_the_screen_goes_to_the_pager(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "paged"
    with pql.connect(database) as session:
        desk = pager_desk(session, monkeypatch, f"{sys.executable} -c \"open('{log}', 'wb')\"", 10)
        take(desk, "SELECT 1 AS one;")
        assert "one" in shown(desk)
        assert not log.exists()
        take(desk, "SELECT * FROM t;")  # a pager that reads nothing has shown enough
        assert shown(desk) == ""
        assert log.exists()
        desk = pager_desk(session, monkeypatch, "no-such-pager", 10)
        take(desk, "SELECT * FROM t;")
        assert len(shown(desk).splitlines()) == len(PAYLOADS) + 2


def test_a_pipe_has_no_pager(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pql.connect(database) as session:
        desk = pager_desk(session, monkeypatch, "false", 2)
        desk.screen = Screen(io.StringIO())
        take(desk, "SELECT id FROM t;")
        assert shown(desk).count("\n") == len(PAYLOADS) + 2
