"""The queries of tests/dialects: each below a line with its schema, its expected outcome, its parameters, a remark.

-- retail regression {"days": 30}: a remark
PREDICT SUM(transactions.sales_value, 0, :days, days) FOR EACH households.household_id
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dialects"
_HEAD = re.compile(r"-- (\w+) ([\w:]+)(?: (\{.*?\}|\[.*?\]))?(?:: (.*))?")


@dataclass(frozen=True, slots=True)
class DialectCase:
    """One query. `expect` is a task, `explain`, `evaluate`, `sql`, or `error:<code>`."""

    file: str
    line: int
    query: str
    schema: str
    expect: str
    remark: str = ""
    params: Any = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def read(name: str) -> list[DialectCase]:
    """The queries of one file, in its order."""
    found: list[DialectCase] = []
    lines = (FOLDER / f"{name}.pql").read_text("utf-8").splitlines()
    at = 0
    while at < len(lines):
        head = _HEAD.fullmatch(lines[at])
        if head is None:
            assert not lines[at] or lines[at].startswith("# "), f"{name}.pql:{at + 1}: {lines[at]}"
            at += 1
            continue
        end = at + 1
        while end < len(lines) and lines[end]:
            end += 1
        params = None if head[3] is None else json.loads(head[3])
        query = "\n".join(lines[at + 1 : end])
        found.append(DialectCase(name, at + 1, query, head[1], head[2], head[4] or "", params))
        at = end
    return found
