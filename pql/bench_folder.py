"""Folders in RelBench's format: manifest.yaml, db/*.parquet and tasks/*/{manifest.yaml, train, val, test.parquet}."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.language.errors import PqlError
from pql.language.names import listed, nearest
from pql.workspace import Workspace

if TYPE_CHECKING:
    from pql.backends.base import Backend, Snapshot
    from pql.backends.overrides import Overrides
    from pql.engine.events import Listener
    from pql.language.catalog import Catalog

TASK_TYPES = {
    "binary_classification": "binary",
    "multiclass_classification": "multiclass",
    "regression": "regression",
    "recommendation": "ranking",
    "link_prediction": "ranking",
}
DEFAULT_K = 10


@dataclass(frozen=True, slots=True)
class DeclaredTable:
    """What the manifest says of one table. `fkeys`: (column, the table it points to)."""

    name: str
    key: str | None
    time: str | None
    fkeys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class BenchTask:
    """One task. `kind`: binary, regression, multiclass or ranking; `autocomplete`: a column of the entity's own rows.

    `entity`, `items`: `table.key`. `columns`: of its tables, the entity's, the time's and the target's name.
    """

    name: str
    place: Path
    kind: str
    autocomplete: bool
    entity: str
    entity_column: str
    time: str
    target: str
    items: str | None = None
    k: int | None = None
    horizon: str | None = None
    ignoring: tuple[str, ...] = ()

    def table(self, split: str) -> Path:
        return self.place / f"{split}.parquet"

    def has(self, split: str) -> bool:
        return self.table(split).is_file()


@dataclass(frozen=True, slots=True)
class BenchFolder:
    """A dataset with its tasks. `cuts`: the moment (ISO text) at which the data of `val` and of `test` ends."""

    place: Path
    name: str
    tables: tuple[DeclaredTable, ...]
    tasks: tuple[BenchTask, ...]
    cuts: Mapping[str, str]

    def task(self, name: str) -> BenchTask:
        """The task called so. Raises PqlError `bad_bench_folder`."""
        for task in self.tasks:
            if task.name == name:
                return task
        names = [task.name for task in self.tasks]
        near = nearest(name, names)
        hint = f"did you mean {near[0]}?" if near else f"the tasks are {listed(names)}"
        raise PqlError("bad_bench_folder", f"{self.place} has no task {name}", hint=hint, nearest=near)


def read_folder(place: Path) -> BenchFolder:
    """What a folder holds. Keys of its manifests that aren't known here are passed over.

    Raises PqlError `source_not_found`, `bad_bench_folder`, `missing_package`.
    """
    if not place.is_dir():
        raise PqlError("source_not_found", f"there is no folder {place}", hint="Give a folder in RelBench's format.")
    said = _manifest(place)
    tables = tuple(_table(name, spec or {}) for name, spec in _mapping(said, "tables", place).items())
    if not (place / "db").is_dir():
        raise _bad(place, "has no folder db with the tables", "RelBench keeps every table as db/NAME.parquet.")
    missing = [table.name for table in tables if not _stored(place / "db", table.name)]
    if missing:
        raise _bad(place, f"declares the table {missing[0]} and has no db/{missing[0]}.parquet", "Add the file.")
    folders = sorted(p for p in (place / "tasks").glob("*") if p.is_dir() and _manifest_path(p) is not None)
    tasks = tuple(_task(folder, tables) for folder in folders)
    if not tasks:
        raise _bad(place, "has no tasks", "A task is a folder tasks/NAME with a manifest.yaml and train.parquet.")
    cuts = {split: _moment(said.get(f"{split}_timestamp")) for split in ("val", "test")}
    return BenchFolder(
        place, str(said.get("name") or place.name), tables, tasks, {k: v for k, v in cuts.items() if v is not None}
    )


class DeclaredWorkspace(Workspace):
    """Data whose keys, links and clocks are those that a manifest declares, and no others."""

    def __init__(self, backend: Backend, folder: BenchFolder, listener: Listener | None = None) -> None:
        super().__init__(backend, listener)
        self._folder = folder

    @property
    def overrides(self) -> Overrides:
        from pql.backends.overrides import LinkOverride, Overrides

        tables = {table.name: table for table in self._folder.tables}
        links = []
        for table in self._folder.tables:
            for column, parent in table.fkeys:
                key = tables[parent].key if parent in tables else None
                if key is not None:
                    links.append(LinkOverride(table.name, (column,), parent, (key,)))
        return Overrides(
            links=tuple(links),
            keys=tuple((table.name, (table.key,)) for table in self._folder.tables if table.key),
            times=tuple((table.name, table.time) for table in self._folder.tables if table.time),
            no_times=tuple(table.name for table in self._folder.tables if not table.time),
        )

    def catalog(self, snapshot: Snapshot, until: int | None = None, overrides: Overrides | None = None) -> Catalog:
        found = super().catalog(snapshot, until, overrides)
        declared = {(link.child, link.columns, link.parent) for link in self.overrides.links}
        names = {table.name for table in self._folder.tables}
        links = tuple(k for k in found.links if (k.child, k.child_columns, k.parent) in declared)
        tables = tuple(replace(table, enriches=None) for table in found.tables if table.name in names)
        return replace(found, tables=tables, links=links)


def _task(place: Path, tables: Sequence[DeclaredTable]) -> BenchTask:
    said = _manifest(place)
    name = str(said.get("name") or place.name)
    kind = TASK_TYPES.get(str(said.get("task_type", "")).lower())
    if kind is None:
        known = listed(tuple(TASK_TYPES), limit=10)
        raise _bad(place, f"has the task_type {said.get('task_type')!r}", f"Those that are known: {known}.")
    ranks = kind == "ranking"
    table = _text(said, "src_entity_table" if ranks else "entity_table", place)
    declared = {t.name: t for t in tables}
    if table not in declared or declared[table].key is None:
        raise _bad(
            place, f"is about the table {table}, which has no key in the dataset's manifest", "Declare its pkey."
        )
    key = declared[table].key
    entity_column = str(said.get("src_entity_col" if ranks else "entity_col") or key)
    autocomplete = str(said.get("kind", "")).lower() == "autocomplete"
    items = None
    if ranks:
        other = _text(said, "dst_entity_table", place)
        if other not in declared or declared[other].key is None:
            raise _bad(
                place, f"ranks the table {other}, which has no key in the dataset's manifest", "Declare its pkey."
            )
        items = f"{other}.{declared[other].key}"
    target = said.get("dst_entity_col") if ranks else None
    target = str(said.get("target_col") or target or "")
    if not target:
        raise _bad(place, "doesn't name its target_col", "Add it to the task's manifest.")
    time = said.get("time_col") or declared[table].time
    if not time:
        raise _bad(place, "doesn't name its time_col", "Add it to the task's manifest.")
    removed = tuple(f"{one[0]}.{one[1]}" for one in said.get("remove_columns") or () if len(one) == 2)
    horizon = said.get("timedelta")
    task = BenchTask(
        name=name,
        place=place,
        kind=kind,
        autocomplete=autocomplete,
        entity=f"{table}.{key}",
        entity_column=entity_column,
        time=str(time),
        target=target,
        items=items,
        k=int(said.get("eval_k") or DEFAULT_K) if ranks else None,
        horizon=None if autocomplete or horizon is None else str(horizon),
        ignoring=removed,
    )
    for split in ("train", "val"):
        if not task.has(split):
            raise _bad(place, f"has no {split}.parquet", "A task has labels to learn from, and others to check on.")
    return task


def _table(name: str, spec: Mapping[str, Any]) -> DeclaredTable:
    fkeys = spec.get("fkeys") or {}
    key, time = spec.get("pkey"), spec.get("time_col")
    return DeclaredTable(
        str(name),
        None if key is None else str(key),
        None if time is None else str(time),
        tuple((str(column), str(parent)) for column, parent in fkeys.items()),
    )


def _manifest_path(place: Path) -> Path | None:
    return next((p for p in (place / f"manifest.{end}" for end in ("yaml", "yml", "json")) if p.is_file()), None)


def _manifest(place: Path) -> dict[str, Any]:
    path = _manifest_path(place)
    if path is None:
        raise _bad(place, "has no manifest.yaml", "RelBench describes every dataset and every task in one.")
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            said = json.loads(text)
        else:
            import yaml

            said = yaml.safe_load(text)
    except ImportError as error:
        hint = "pip install pyyaml"
        raise PqlError("missing_package", "This needs pyyaml, which is not installed.", hint=hint) from error
    except (OSError, ValueError) as error:
        raise _bad(path, "can't be read", "It must be YAML or JSON in UTF-8.") from error
    except yaml.YAMLError as error:
        raise _bad(path, "can't be read", "It must be YAML or JSON in UTF-8.") from error
    if not isinstance(said, dict):
        raise _bad(path, "holds no names and values", "It must be YAML or JSON in UTF-8.")
    return said


def _mapping(said: Mapping[str, Any], name: str, place: Path) -> dict[str, Any]:
    value = said.get(name)
    if not isinstance(value, dict) or not value:
        raise _bad(place, f"declares no {name}", f"Its manifest must name them under {name}.")
    return value


def _text(said: Mapping[str, Any], name: str, place: Path) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise _bad(place, f"doesn't name its {name}", "Add it to the task's manifest.")
    return value


def _stored(db: Path, name: str) -> bool:
    return (db / f"{name}.parquet").is_file() or (db / name).is_dir()


def _moment(value: object) -> str | None:
    """A timestamp of a manifest as ISO text; YAML reads unquoted dates as dates."""
    if value is None:
        return None
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _bad(place: Path, what: str, hint: str) -> PqlError:
    return PqlError("bad_bench_folder", f"{place} {what}", hint=hint)
