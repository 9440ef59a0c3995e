"""What `pql doctor` looks at, and what `pql config` shows: one line each, as a table."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pql.faces.settings import KEYS, Settings, files
from pql.language.errors import PqlError
from pql.language.names import nearest
from pql.shown_table import Report
from pql.table import escaped

OK, NOTE, BROKEN = "ok", "note", "broken"
DISTRIBUTION = "pql-engine"
LITTLE_MEMORY = 2 << 30  # bytes, below which training on larger data may fail
LITTLE_DISK = 1 << 30
FEW_LINKS = 6  # named one by one


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing looked at: its group, what it is, `ok`, `note` or `broken`, and what was found."""

    group: str
    what: str
    state: str
    found: str


def doctor_report(settings: Settings, database: str | None) -> Report:
    """All findings as a table: group, what, state, found."""
    findings = [*_versions(), *_packages(), *_machine(), *_terminal(), *_kept(settings), *_configured()]
    if database is not None:
        findings += _of_database(database, settings)
    return _table(("group", "what", "state", "found"), [(f.group, f.what, f.state, f.found) for f in findings])


def config_report(settings: Settings) -> Report:
    """Every key with its effective value, where it was set, and what it does."""
    rows = []
    for name, key in KEYS.items():
        setting = settings.found[name]
        value = setting.value
        shown = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        rows.append((name, shown, setting.origin, key.about))
    return _table(("key", "value", "from", "what it is"), rows)


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Report:
    import pyarrow as pa

    columns = zip(*rows, strict=True)
    table = pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})
    return Report(table, "\n".join(_aligned([names, *rows])))


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines of columns, no cell cut short; what would disturb a terminal is shown as text."""
    plain = [tuple(escaped(cell) for cell in row) for row in rows]
    widths = [max(len(row[i]) for row in plain) for i in range(len(plain[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in plain]


def _versions() -> Iterator[Seen]:
    import pql

    yield Seen("versions", "pql", OK, f"{pql.__version__} in {Path(pql.__file__).parent}")
    yield Seen("versions", "python", OK, f"{platform.python_version()} in {sys.executable}")
    yield Seen("versions", "system", OK, platform.platform())


def _packages() -> Iterator[Seen]:
    """The packages that pql says it needs, and those of its extras."""
    try:
        wanted = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield Seen("packages", DISTRIBUTION, NOTE, "not installed as a package: what it needs can't be told")
        return
    for line in wanted:
        name = re.split(r"[\s<>=!~;\[(]", line, maxsplit=1)[0]
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", line)
        needed = line.split(";")[0].strip().removeprefix(name).strip()
        version = _version(name)
        if version is not None:
            yield Seen("packages", name, OK, version + (f" (for {extra[1]})" if extra else ""))
        elif extra:
            yield Seen("packages", name, NOTE, f'not installed: pip install "{DISTRIBUTION}[{extra[1]}]"')
        else:
            yield Seen("packages", name, BROKEN, f"not installed, and pql needs {name}{needed}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> Iterator[Seen]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    yield Seen("machine", "processors", OK, f"{cores} usable")
    memory = _memory()
    if memory is not None:
        state = OK if memory >= LITTLE_MEMORY else NOTE
        little = "" if state == OK else ": little for training; WITH (model = instant) needs the least"
        yield Seen("machine", "memory", state, f"{memory / (1 << 30):.1f} GiB free{little}")


def _memory() -> int | None:
    """Free memory in bytes, where the system tells."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
        return int(found[1]) * 1024 if found else None
    except OSError:
        return None


def _terminal() -> Iterator[Seen]:
    encoding = sys.stdout.encoding or "none"
    fits = encoding.lower().replace("-", "") in ("utf8", "utf8sig", "cp65001")
    found = encoding if fits else f"{encoding}: signs outside of it are shown as \\u…; PYTHONUTF8=1 shows them"
    yield Seen("terminal", "encoding", OK if fits else NOTE, found)
    size = shutil.get_terminal_size()
    yield Seen("terminal", "stdout", OK, f"a terminal of {size.columns} x {size.lines}" if sys.stdout.isatty() else
                  "no terminal: plain text")  # fmt: skip


def _kept(settings: Settings) -> Iterator[Seen]:
    from pql.engine.answers.home import home

    place = settings.home or home()
    beside = place
    while not beside.exists() and beside != beside.parent:
        beside = beside.parent
    try:
        if not beside.is_dir():
            raise NotADirectoryError(20, f"{beside} is no folder")
        with tempfile.TemporaryFile(dir=beside):
            pass
    except OSError as error:
        yield Seen("models", "folder", BROKEN, f"{place} can't be written: {error.strerror}; set PQL_HOME")
        return
    yield Seen("models", "folder", OK, str(place))
    models = sum(1 for _ in place.glob("*/models/*/manifest.json"))
    answers = sum(1 for _ in place.glob("*/answers/*/manifest.json"))
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    yield Seen(
        "models", "kept", OK, f"{models:,} models and {answers:,} stored predictions, {size / (1 << 20):.1f} MiB"
    )
    free = shutil.disk_usage(beside).free
    yield Seen("models", "disk", OK if free >= LITTLE_DISK else NOTE, f"{free / (1 << 30):.1f} GiB free")


def _configured() -> Iterator[Seen]:
    found = [str(path) for path in files()]
    yield Seen("configuration", "pql.toml", OK, ", ".join(found) or "none; `pql config` shows the keys")
    known = {f"PQL_{name.upper()}" for name in (*KEYS, "pager")}
    for name in sorted(name for name in os.environ if name.startswith("PQL_") and name not in known):
        near = nearest(name, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        yield Seen("configuration", name, NOTE, f"no key is called so, and nothing reads it{meant}")


def _of_database(database: str, settings: Settings) -> Iterator[Seen]:
    from pql.session import connect

    try:
        with connect(database, home=settings.home) as db:
            catalog = db.graph().catalog
    except PqlError as error:
        hint = f" ({error.hint})" if error.hint else ""
        yield Seen("database", "opens", BROKEN, f"{error.code}: {error.message}{hint}")
        return
    yield Seen("database", "opens", OK, database)
    for table in catalog.tables:
        key = ", ".join(table.key.columns) if table.key is not None else "none"
        clock = table.clock.column if table.clock.kind == "own" else table.clock.kind
        rows = "" if table.rows is None else f"{table.rows:,} rows, "
        yield Seen("database", table.name, OK, f"{rows}key {key}, clock {clock}")
    shown = ", ".join(map(str, catalog.links[:FEW_LINKS])) or "none"
    more = f", … ({len(catalog.links):,} in all: pql graph)" if len(catalog.links) > FEW_LINKS else ""
    yield Seen("database", "links", OK if catalog.links else NOTE, shown + more)
    if all(table.clock.kind == "none" for table in catalog.tables):
        yield Seen("database", "clocks", NOTE, "no table has a time: only missing values can be predicted")
    for warning in catalog.warnings:
        yield Seen("database", "warning", NOTE, str(warning))
