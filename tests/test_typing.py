"""A user's typed program passes `mypy --strict`, and a wrong one doesn't: the hints of the public face are complete."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"pql": "pql", "engine": "pql/engine", "backends": "pql/backends", "grammars": "pql/grammars"}

RIGHT = """\
import datetime as dt
from collections.abc import Iterator

import pql
import pql.dbapi
from pql.sklearn import PqlPredictor


def churn(source: str, since: dt.datetime) -> Iterator[tuple[object, ...]]:
    with pql.connect(source, read_only=True) as db:
        result = db.predict("PREDICT …", params={"n": 3}, as_of=since)
        reveal_type(result)
        reveal_type(result.fetchall())
        reveal_type(result.shape)
        reveal_type(result.why(3).sentences)
        reveal_type(db.sql("SELECT 1").columns)
        reveal_type(db.evaluate("PREDICT …").metrics.verdict())
        yield from result


def failing(source: str) -> str | None:
    try:
        pql.connect(source)
    except pql.PqlError as error:
        return error.fix
    return None


def rows(source: str) -> int:
    with pql.dbapi.connect(source) as con, con.cursor() as cur:
        reveal_type(cur.execute("SELECT ?", [1]).fetchone())
        return cur.rowcount


def estimator(db: pql.Session) -> PqlPredictor:
    return PqlPredictor(db, "customers.customer_id", time="at", horizon=dt.timedelta(days=30))
"""
REVEALED = [
    "pql.result.Predictions",
    "list[tuple[Any, ...]]",
    "tuple[int, int]",
    "tuple[str, ...]",
    "list[str]",
    "str",
    "tuple[Any, ...] | None",
]
WRONG = """\
import pql

db = pql.conect("shop.duckdb")
number: int = pql.connect("shop.duckdb").predict("PREDICT …").columns
pql.connect("shop.duckdb").predict(5)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_strictly_typed_program_is_understood(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    for folder, place in ROOMS.items():
        shutil.copytree(ROOT / folder, installed / place, ignore=shutil.ignore_patterns("__pycache__"))
    assert (installed / "pql" / "py.typed").exists()
    (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "right.py", "wrong.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(installed), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.replace('"builtins.', '"').splitlines()
    revealed = [line for line in lines if "Revealed type" in line]
    assert [re.sub(r"\bbuiltins\.", "", line).partition('is "')[2].rstrip('"') for line in revealed] == REVEALED
    faults = [line for line in lines if ": error:" in line]
    assert [line.split(":")[:2] for line in faults] == [["wrong.py", "3"], ["wrong.py", "4"], ["wrong.py", "5"]], faults
