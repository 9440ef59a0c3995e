"""The rules of the house that a machine can hold: light imports, one namespace, no unsafe loading."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [p for room in ("pql", "engine", "backends", "grammars") for p in (ROOT / room).rglob("*.py")]
HEAVY = ("torch", "torch_geometric", "pandas", "polars", "lightgbm", "sklearn", "scipy", "duckdb", "pyarrow")


def _loaded(code: str) -> set[str]:
    """The heavy packages that `code` has loaded in a fresh interpreter."""
    probe = f"{code}\nimport sys\nsys.stdout.write(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_pql_loads_nothing_heavy() -> None:
    assert _loaded("import pql") == set()


def test_the_language_is_pure_python() -> None:
    assert _loaded("import pql; pql.parse('PREDICT COUNT(t.*, 0, 1) FOR EACH e.id'); pql.format") == set()


def test_explain_loads_no_torch() -> None:
    code = (
        "import datetime as dt, pyarrow as pa, pql\n"
        "days = [dt.datetime(2024, 1, 1) + dt.timedelta(days=i) for i in range(200)]\n"
        "t = pa.table({'order_id': range(200), 'user_id': [i % 9 for i in range(200)], 'at': days})\n"
        "u = pa.table({'user_id': range(9), 'age': range(9)})\n"
        "str(pql.connect({'orders': t, 'users': u}).explain('PREDICT COUNT(orders.*, 0, 7) FOR EACH users.user_id'))"
    )
    assert not _loaded(code) & {"torch", "torch_geometric", "lightgbm", "sklearn", "scipy"}


def test_the_engine_is_not_a_top_level_package() -> None:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('engine') is not None)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", check=False).returncode == 0


@pytest.mark.parametrize(
    "pattern",
    [r"^\s*(import|from) pickle", r"torch\.load\(", r"(?<![\w.])eval\(", r"(?<![\w.])exec\(", r"allow_pickle=True"],
)
def test_nothing_is_unpickled_or_evaluated(pattern: str) -> None:
    guilty = [str(p.relative_to(ROOT)) for p in SOURCES if re.search(pattern, p.read_text(), re.MULTILINE)]
    assert guilty == []


def test_only_faces_print() -> None:
    guilty = [p.name for p in SOURCES if "faces" not in p.parts and re.search(r"^\s*print\(", p.read_text(), re.M)]
    assert guilty == []


def test_every_pin_is_a_name_and_a_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!-]*|#.*", line)] == []
