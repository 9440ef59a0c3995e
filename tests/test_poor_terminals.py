"""The verbs with little to show on: 40 columns, ASCII only, no colour, in a pipe; names that speak to terminals."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from pql.faces.cli import main

QUERY = "PREDICT COUNT(visits.*, 0, 30, days) = 0 FOR EACH members.member_id"
ASKED = f"{QUERY} WITH (model = entity_mean)"
VERBS = {
    "help": ["help"],
    "help of a code": ["help", "no_labels"],
    "version": ["version"],
    "usage": ["--help"],
    "graph": ["graph", "{}"],
    "explain": ["explain", "{}", QUERY],
    "labels": ["labels", "{}", QUERY],
    "evaluate": ["evaluate", "{}", ASKED],
    "query": ["{}", ASKED],
    "models": ["models", "{}"],
    "an unknown verb": ["grph", "x"],
    "a fault": ["{}", "-c", "PREDICT COUNT(visit, 0"],
    "no such place": ["graph", "nowhere…"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty members with names beyond ASCII, and their visits."""
    place = tmp_path_factory.mktemp("gym")
    names = ["Zoë", "Łukasz", "日本"]
    members = [f"{m},{names[m % 3]},{'ab'[m % 2]}" for m in range(30)]
    visits = [
        f"{i},{m},2024-{1 + day // 28:02}-{1 + day % 28:02}"
        for i, (m, day) in enumerate((m, day) for m in range(30) for day in range(m % 5, 330, 9 + 7 * (m % 6)))
    ]
    (place / "members.csv").write_text("\n".join(["member_id,name,plan", *members]), encoding="utf-8")
    (place / "visits.csv").write_text("\n".join(["visit_id,member_id,day", *visits]), encoding="utf-8")
    return place


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_writes_plain_signs_where_nothing_else_is_shown(
    verb: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    talk = io.TextIOWrapper(io.BytesIO(), "ascii", errors="backslashreplace", write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", talk)
        with pytest.raises(SystemExit) as done:
            main([part.format(folder) for part in VERBS[verb]])
    assert done.value.code in ((1, 2) if verb in ("an unknown verb", "a fault", "no such place") else (0, None))
    written = out.buffer.getvalue() + talk.buffer.getvalue()  # type: ignore[attr-defined]
    assert written.strip()
    assert b"\x1b" not in written
    assert written.isascii()
    assert b"Traceback" not in written


def test_names_that_speak_to_the_terminal_are_shown_and_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    place = tmp_path / "data"
    place.mkdir()
    rows = "\n".join(f"{i},{i % 9},2024-01-{1 + i % 28:02}" for i in range(60))
    (place / "members.csv").write_text("member_id\n" + "\n".join(map(str, range(9))))
    (place / "vis\x1b[31mits; rm $(x).csv").write_text(f"visit_id,member_id,day\n{rows}")
    with pytest.raises(SystemExit):
        main(["graph", str(place)])
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "rm $(x)" in shown.out
