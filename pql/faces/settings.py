"""What a run of the command line is set to: `pql.toml`, then the environment, then flags, each over the one before.

`pql.toml` stands in the user's folder of configuration (`$XDG_CONFIG_HOME/pql`, else `~/.config/pql`) and in the
working folder, whose keys win. `PQL_<KEY>` in the environment is the same key; `NO_COLOR` is
`color = "never"`, `FORCE_COLOR` is `color = "always"`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pql.language.errors import PqlError

NAME = "pql.toml"
FORMATS = ("box", "csv", "json", "jsonl", "line", "md", "parquet")
COLORS = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be set. read: the value of what is written, or ValueError with what it must be."""

    name: str
    about: str
    read: Callable[[Any], Any]
    is_path: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """A value with where it was said: `default`, a file with its line, an environment variable, or `flag`."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective value of every key of KEYS."""

    found: dict[str, Setting]

    def origin(self, name: str) -> str:
        return self.found[name].origin

    @property
    def database(self) -> str | None:
        return self.found["database"].value

    @property
    def format(self) -> str | None:
        return self.found["format"].value

    @property
    def limit(self) -> int | None:
        return self.found["limit"].value

    @property
    def quiet(self) -> bool:
        return bool(self.found["quiet"].value)

    @property
    def color(self) -> str:
        return str(self.found["color"].value)

    @property
    def home(self) -> Path | None:
        """Where models are kept, if it was said."""
        told = self.found["home"].value
        return None if told is None else Path(told)

    def options_of_with(self) -> dict[str, Any]:
        """The options of WITH that were set: what a query without them is answered with."""
        return {name: self.found[name].value for name in OPTIONS if self.found[name].value is not None}


def load(flags: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """The settings of this place. flags: keys as written on the command line. folder: the working folder.

    Raises PqlError `bad_config` with the file, line and key, or the variable, at fault.
    """
    found = {key.name: Setting(None, "default") for key in KEYS.values()}
    found["color"] = Setting("auto", "default")
    for path in files(folder):
        found.update(_of_file(path))
    for key in KEYS.values():
        variable = f"PQL_{key.name.upper()}"
        if told := os.environ.get(variable):
            found[key.name] = Setting(_value(key, told, f"the environment's {variable}", None), variable)
    if not os.environ.get("PQL_COLOR"):
        if os.environ.get("NO_COLOR"):
            found["color"] = Setting("never", "NO_COLOR")
        elif os.environ.get("FORCE_COLOR", "0") != "0":
            found["color"] = Setting("always", "FORCE_COLOR")
    for name, told in (flags or {}).items():
        key = _known(name, "the command line")
        found[key.name] = Setting(_value(key, told, "the command line", None), "flag")
    return Settings(found)


def files(folder: Path | None = None) -> Iterator[Path]:
    """The files of configuration that are there, the stronger one last."""
    told = os.environ.get("XDG_CONFIG_HOME")
    try:
        user = Path(told) if told else Path.home() / ".config"
        places = [user / "pql" / NAME]
    except RuntimeError:  # a user without a home
        places = []
    places.append((folder or Path()).absolute() / NAME)
    return (path for path in dict.fromkeys(places) if path.is_file())


def _of_file(path: Path) -> Iterator[tuple[str, Setting]]:
    """The settings of one file. Raises PqlError `bad_config`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        place = f"{path}, line {where[1]}, column {where[2]}" if where else f"{path}, at its end"
        reason = re.sub(r"\s*\(at [^)]*\)", "", str(error))
        raise PqlError(
            "bad_config", f"{place}: {reason}.", hint='A line is `key = value`, texts in quotes: format = "csv".'
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise PqlError("bad_config", f"{path} can't be read: {reason}.", hint="Mend it or take it away.") from error
    for name, value in told.items():
        line = _line(text, name)
        place = f"{path}, line {line}"
        if isinstance(value, dict) and name not in KEYS:
            raise PqlError(
                "bad_config",
                f"{place}: there is no section [{name}].",
                hint="Keys stand by themselves, without a section: limit = 50.",
            )
        key = _known(name, place)
        read = _value(key, value, place, path.parent)
        yield key.name, Setting(read, f"{path}:{line}")


def _line(text: str, name: str) -> int:
    """The line on which a key stands, from 1."""
    pattern = re.compile(rf"""\s*(?:\[\s*)?["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((n for n, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _known(name: str, place: str) -> Key:
    if name in KEYS:
        return KEYS[name]
    import difflib

    near = difflib.get_close_matches(name.lower(), KEYS, n=3)
    hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(KEYS)}"
    raise PqlError("bad_config", f"{place}: there is no key {name!r}.", hint=hint, nearest=near)


def _value(key: Key, told: Any, place: str, beside: Path | None) -> Any:
    """The value of a key as written. beside: the folder that a path in a file is relative to."""
    try:
        value = key.read(told)
    except ValueError as error:
        raise PqlError(
            "bad_config", f"{place}: {key.name} is {told!r}, and must be {error}.", hint=f"`{key.name}` is {key.about}."
        ) from error
    if key.is_path and beside is not None and "://" not in value:
        return str(beside / Path(value).expanduser())
    return str(Path(value).expanduser()) if key.is_path and "://" not in value else value


def _text(told: Any) -> str:
    if not isinstance(told, str) or not told.strip() or "\0" in told:
        raise ValueError("a text")
    return told


def _one_of(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def read(told: Any) -> str:
        if not isinstance(told, str) or told.lower() not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return told.lower()

    return read


def _yes_or_no(told: Any) -> bool:
    known = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    found = known.get(str(told).lower()) if isinstance(told, str | bool | int) else None
    if found is None:
        raise ValueError("true or false")
    return found


def _count(told: Any) -> int:
    try:
        number = int(told) if isinstance(told, str | int) and not isinstance(told, bool) else 0
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError("a whole number from 1 on")
    return number


def _option(name: str) -> Callable[[Any], Any]:
    """What reads an option of WITH as a query does."""

    def read(told: Any) -> Any:
        from pql.language.defaults import default_options

        value = int(told) if isinstance(told, str) and told.lstrip("-").isdigit() else told
        try:
            default_options({name: value})
        except PqlError as error:
            said = error.message.rstrip(".")
            raise ValueError(said.split(" must be ", 1)[-1]) from error
        return value

    return read


OPTIONS = ("model", "budget", "threads", "seed", "cache")
KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key("database", "the database that is asked when none is named", _text, is_path=True),
        Key("format", "how tables are written", _one_of(FORMATS)),
        Key("limit", "rows shown by the box format", _count),
        Key("quiet", "true shows no progress", _yes_or_no),
        Key("color", "auto colours errors on a terminal; always, never", _one_of(COLORS)),
        Key("home", "the folder in which models and stored predictions are kept", _text, is_path=True),
        Key("model", "the model of a query that names none", _option("model")),
        Key("budget", "the budget of a query that names none", _option("budget")),
        Key("threads", "how many threads a query may use", _option("threads")),
        Key("seed", "the seed of a query that names none", _option("seed")),
        Key("cache", "on keeps models and predictions, off neither, refresh makes them anew", _option("cache")),
    )
}
