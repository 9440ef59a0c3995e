"""The models a user keeps, per database: content-addressed versions, and names that point at them.

The folder is `$PQL_HOME`, else `$XDG_DATA_HOME/pql`, else `~/.local/share/pql`; never inside the user's database.
One version is one immutable artifact named by the hash of all that made it; `names.json` maps a model's name to its
versions, newest last. A file lock guards the names.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pql.engine.answers import artifact
from pql.engine.answers.home import home
from pql.engine.answers.private import private_folder
from pql.engine.answers.stored import StoredAnswers
from pql.language.errors import PqlError

PATIENCE = 30  # seconds that a session waits for another one to write


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a named model: its number (from 1), its content's key, its query and when it was made (UTC, s)."""

    name: str
    number: int
    key: str
    query: str
    made: float
    current: bool


@dataclass(frozen=True, slots=True)
class Freed:
    """What `Registry.clear` has removed; `size` in bytes."""

    models: int
    answers: int
    size: int

    def __str__(self) -> str:
        return (
            f"{self.models:,} model{'s' * (self.models != 1)} without a name and {self.answers:,} stored "
            f"prediction{'s' * (self.answers != 1)} removed, "
            f"{self.size / (1 << 20):.1f} MiB freed"
        )


@cache
def code_version() -> str:
    """A hash of the sources that decide what a model is: a changed engine never answers with an old model."""
    import pql.engine
    import pql.language

    digest = hashlib.sha256()
    for package in (pql.engine, pql.language):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def content_key(parts: Mapping[str, str]) -> str:
    """The key of a model: the hash of everything that made it (query, schema, data, options, code)."""
    text = json.dumps(dict(sorted(parts.items())), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Registry:
    """The kept models of one database, named by its identity."""

    def __init__(self, identity: str, root: Path | None = None) -> None:
        self._identity = identity
        self._folder = (root or home()) / hashlib.sha256(identity.encode()).hexdigest()[:24]

    @property
    def answers(self) -> StoredAnswers:
        """The predictions kept beside the models."""
        return StoredAnswers(self._folder / "answers")

    # ------------------------------------------------------------ versions by content

    def get(self, key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """(state, about) of the version with this content, or None. A corrupt one raises PqlError `model_corrupt`."""
        folder = self._folder / "models" / key
        return artifact.load(folder) if folder.is_dir() else None

    def about(self, key: str) -> dict[str, Any] | None:
        """What was said of the version when it was kept, without its arrays; None if it is gone."""
        folder = self._folder / "models" / key
        return artifact.describe(folder) if folder.is_dir() else None

    def put(self, key: str, state: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Keep a version. Does nothing if it is there already."""
        artifact.save(self._folder / "models" / key, state, about)

    def discard(self, key: str) -> None:
        """Remove a version by content, if it is there, and what it has answered."""
        import shutil

        shutil.rmtree(self._folder / "models" / key, ignore_errors=True)
        self.answers.drop_of(key)

    def clear(self) -> Freed:
        """Remove the stored predictions, and the versions that no name points at."""
        import shutil

        named = {version.key for version in self.versions()}
        gone = {"models": 0, "answers": 0}
        size = 0
        for kind in gone:
            for folder in (self._folder / kind).glob("[!.]*"):
                if kind == "models" and folder.name in named:
                    continue
                size += sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
                shutil.rmtree(folder, ignore_errors=True)
                gone[kind] += 1
        return Freed(gone["models"], gone["answers"], size)

    # ------------------------------------------------------------ names

    def name(self, name: str, key: str, query: str, *, replace: bool) -> Version:
        """Let `name` point at the version `key`. Raises PqlError `model_exists` unless `replace`."""
        with self._locked() as names:
            entry = names.get(name)
            if entry is not None and not replace:
                raise PqlError(
                    "model_exists",
                    f"A model called {name!r} exists already.",
                    hint="CREATE OR REPLACE MODEL makes a new version of it; DROP MODEL removes it.",
                )
            versions = entry["versions"] if entry else []
            versions.append({"key": key, "query": query, "made": time.time()})
            names[name] = {"versions": versions, "current": len(versions)}
            self._write(names)
        return self.find(name)

    def use(self, name: str, number: int) -> Version:
        """Let `name` answer with its version `number`. Raises PqlError `unknown_model`, `unknown_version`."""
        with self._locked() as names:
            self.find(name)
            count = len(names[name]["versions"])
            if not 1 <= number <= count:
                raise PqlError(
                    "unknown_version",
                    f"The model {name!r} has no version {number}.",
                    hint=f"It has version{'s 1 to' if count > 1 else ''} {count}: SHOW MODELS lists them.",
                )
            names[name]["current"] = number
            self._write(names)
        return self.find(name)

    def find(self, name: str) -> Version:
        """The current version of a named model. Raises PqlError `unknown_model` with the nearest names."""
        names = self._read()
        if name not in names:
            import difflib

            nearest = difflib.get_close_matches(name, list(names), n=3)
            known = ", ".join(sorted(names)) or "none"
            raise PqlError(
                "unknown_model",
                f"There is no model called {name!r} for this database.",
                hint=f"Known models: {known}. CREATE MODEL {name} AS PREDICT … makes one.",
                nearest=nearest,
            )
        return self._version(name, names[name], names[name]["current"])

    def versions(self) -> tuple[Version, ...]:
        """All named versions, by name and number."""
        names = self._read()
        return tuple(
            self._version(name, entry, number)
            for name, entry in sorted(names.items())
            for number in range(1, len(entry["versions"]) + 1)
        )

    def drop(self, name: str) -> None:
        """Forget a named model and its versions. Raises PqlError `unknown_model`."""
        with self._locked() as names:
            self.find(name)
            gone = {version["key"] for version in names.pop(name)["versions"]}
            kept = {version["key"] for entry in names.values() for version in entry["versions"]}
            self._write(names)
        for key in gone - kept:
            self.discard(key)

    @staticmethod
    def _version(name: str, entry: Mapping[str, Any], number: int) -> Version:
        one = entry["versions"][number - 1]
        return Version(name, number, one["key"], one["query"], one["made"], number == entry["current"])

    # ------------------------------------------------------------ the file of names

    def _read(self) -> dict[str, Any]:
        path = self._folder / "names.json"
        if not path.is_file():
            return {}
        try:
            names = json.loads(path.read_bytes())
            for entry in names.values():
                if not 1 <= entry["current"] <= len(entry["versions"]):
                    raise ValueError("version out of range")
                for version in entry["versions"]:
                    if not (isinstance(version["key"], str) and version["key"].isalnum()):
                        raise ValueError("not a key")
                    version["query"] + ""
                    float(version["made"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
            raise _unreadable(path) from error
        return names

    def _write(self, names: Mapping[str, Any]) -> None:
        self._replace("names.json", names)

    # ------------------------------------------------------------ what the user says about the database

    def notes(self, name: str) -> Any:
        """The JSON value kept under `name` (link overrides), None if there is none. Raises `registry_corrupt`."""
        path = self._folder / f"{name}.json"
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_bytes())
        except (ValueError, RecursionError, OSError) as error:
            raise _unreadable(path) from error

    def change_notes(self, name: str, change: Callable[[Any], Any]) -> None:
        """Keep `change(what is kept)` under `name`, so that what two sessions say at once is both kept."""
        with self._locked():
            self._replace(f"{name}.json", change(self.notes(name)))

    def _replace(self, name: str, value: Any) -> None:
        handle, path = tempfile.mkstemp(prefix=".writing-", dir=self._folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path, self._folder / name)

    def _locked(self) -> _Names:
        return _Names(self)


def _unreadable(path: Path) -> PqlError:
    return PqlError(
        "registry_corrupt",
        f"What is kept about this database, {path.name} in {path.parent}, can't be read.",
        hint="Delete that file; models are trained again when asked for, overrides have to be said again.",
    )


class _Names:
    """The names, read under the lock; the lock is held until the `with` ends."""

    def __init__(self, registry: Registry) -> None:
        from filelock import FileLock

        self._registry = registry
        folder = registry._folder
        try:
            private_folder(folder)
        except OSError as error:
            raise PqlError(
                "model_not_writable",
                f"Models can't be kept in {folder}: {error.strerror}.",
                hint="Set PQL_HOME to a folder you may write.",
            ) from error
        self._lock = FileLock(str(folder / "names.lock"), timeout=PATIENCE, mode=0o600)

    def __enter__(self) -> dict[str, Any]:
        from filelock import Timeout

        try:
            self._lock.acquire()
        except Timeout as error:
            raise PqlError(
                "registry_busy",
                f"Another session has held {self._lock.lock_file} for {PATIENCE} seconds.",
                hint="Wait for it, or end it.",
            ) from error
        try:
            return self._registry._read()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *exc: object) -> None:
        self._lock.release()
