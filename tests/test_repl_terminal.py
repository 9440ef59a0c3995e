"""The prompt in a real terminal, by tmux, where it is installed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from prompts import tiny


class Tmux:
    """One window of 80 columns and 24 lines."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]

    def run(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=False, timeout=20).stdout

    def type(self, text: str) -> None:
        self.run("send-keys", "-l", text[:-1] + "\\;" if text.endswith(";") else text)  # tmux takes a last ; for itself

    def press(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def sees(self, text: str, seconds: float = 30) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if text in self.run("capture-pane", "-p"):
                return True
            time.sleep(0.1)
        return False


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, table in tiny().items():
            con.register("given", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            con.unregister("given")
    window = Tmux(tmp_path / "tmux")
    command = shlex.join([sys.executable, "-m", "pql.faces.cli", str(path)])
    shell = f"PQL_HOME={shlex.quote(str(tmp_path / 'home'))} {command}; echo left with $?; sleep 60"
    window.run("new-session", "-d", "-x", "80", "-y", "24", shell)
    yield window
    window.run("kill-server")


def offered(tmux: Tmux) -> bool:
    """Whether the key is offered after FOR EACH, once the names are read."""
    for _ in range(10):
        tmux.type("PREDICT COUNT(orders.*, 0, 7, days) FOR EACH us")
        if tmux.sees("users.user_id", 3):
            return True
        tmux.press("C-c")
    return False


def test_a_session_in_a_terminal(tmux: Tmux) -> None:
    assert tmux.sees("shop>")
    tmux.type("SELECT count(*) AS n")
    tmux.press("Enter")
    assert tmux.sees("...")
    tmux.press("Enter")
    assert tmux.sees("(; ends it, Ctrl-C drops it) ...")
    tmux.type("FROM orders;")
    tmux.press("Enter")
    assert tmux.sees("300")
    assert offered(tmux)
    tmux.press("C-c")
    tmux.type(".tabels")
    tmux.press("Enter")
    assert tmux.sees("did you mean .tables?")
    tmux.press("C-d")
    assert tmux.sees("left with 0")
