"""Completion of the command line in the shells themselves, each where it is installed."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pql.faces.cli import app

Completed = Callable[[str], list[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my data.duckdb").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["bash", "zsh", "fish"])
def completed(request: pytest.FixtureRequest, folder: Path) -> Completed:
    """The words that a line has once Tab was pressed at its end."""
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = folder / f".pql.{shell}"
    script.write_text(CliRunner().invoke(app, ["completion", shell]).output)
    return (
        (lambda line: in_fish(script, line)) if shell == "fish" else (lambda line: at_a_terminal(shell, script, line))
    )


def in_fish(script: Path, line: str) -> list[str]:
    command = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    words = [row.split("\t")[0] for row in told.splitlines()]
    return [*line.split(" ")[1:-1], words[0] if len(words) == 1 else line.split(" ")[-1]]


def at_a_terminal(shell: str, script: Path, line: str) -> list[str]:
    """Type a line and Tab, and have the shell say what words it is given at Enter."""
    plain = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"]}[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(PS1="$ ", TERM="dumb", HOME=str(script.parent), INPUTRC="/dev/null")
        os.execvp(shell, [shell, *plain, "-i"])
    try:
        says = """pql() { printf '<%s>\\n' "$@" end; }"""
        os.write(terminal, f"source {script}; {says}; echo rea''dy\n".encode())
        read_until(terminal, "ready\r\n")
        os.write(terminal, f"{line}\t\n".encode())
        return re.findall(r"^<(.*)>", read_until(terminal, "<end>"), re.MULTILINE)[:-1]
    finally:
        os.close(terminal)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def read_until(terminal: int, end: str, seconds: float = 20) -> str:
    seen, limit = "", time.monotonic() + seconds
    while end not in seen and time.monotonic() < limit:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    assert end in seen
    return seen


def test_verbs_options_values_codes_and_files(completed: Completed) -> None:
    assert completed("pql eva") == ["evaluate"]
    assert completed("pql evaluate x --fo") == ["evaluate", "x", "--format"]
    assert completed("pql x.duckdb --lim") == ["x.duckdb", "--limit"]
    assert completed("pql evaluate x --format par") == ["evaluate", "x", "--format", "parquet"]
    assert completed("pql x --set bud") == ["x", "--set", "budget="]
    assert completed("pql help bad_conf") == ["help", "bad_config"]
    assert completed("pql completion fi") == ["completion", "fish"]


def test_files_with_blanks_in_their_name(completed: Completed) -> None:
    assert completed("pql my") == ["my data.duckdb"]
    assert completed("pql evaluate my") == ["evaluate", "my data.duckdb"]
    assert completed("pql x -o my") == ["x", "-o", "my data.duckdb"]


def test_nothing_is_made_up_where_only_the_user_knows(completed: Completed) -> None:
    assert completed("pql x -c my") == ["x", "-c", "my"]
    assert completed("pql evaluate x --lim") == ["evaluate", "x", "--lim"]
