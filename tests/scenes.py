"""Scenes of the errors that no query alone shows: sources, data, kept models, files. Each raises its code."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from pql.language.errors import PqlError

Scene = Callable[[Path], object]
_DIGEST = re.compile(r"\b[0-9a-f]{24,}\b")
# What a library or the system says after these words differs by version; the golden messages leave it out.
_FOREIGN = re.compile(
    r"((?:refuses the statement|writing elsewhere|a DuckDB database|connection is closed|query_failed|sql_error|can't"
    r" be kept in [^:]*|can't be written|can't be read)): [^\n]*"
)


def scenes() -> dict[str, Scene]:
    """Every scene by its code."""
    import scenes_data
    import scenes_language
    import scenes_models
    import scenes_sources

    return {
        **scenes_language.SCENES,
        **scenes_sources.SCENES,
        **scenes_data.SCENES,
        **scenes_models.SCENES,
    }


def error_of(code: str) -> PqlError:
    """The error of a scene, played in a folder of its own."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, {"PQL_HOME": str(Path(name) / "home")}):
        os.chdir(name)
        try:
            scenes()[code](Path(name))
        except PqlError as error:
            return _without(error, name)
        finally:
            os.chdir(before)
    raise AssertionError(f"the scene of {code} raised nothing")


def shown(code: str) -> str:
    """What is said in a scene, without the words of libraries."""
    return _DIGEST.sub("…", _FOREIGN.sub(r"\1: …", str(error_of(code))))


def _without(error: PqlError, place: str) -> PqlError:
    """The error with the folder of the scene left out of its words."""
    from dataclasses import replace

    faults = [
        replace(fault, message=fault.message.replace(place + "/", ""), hint=fault.hint.replace(place + "/", ""))
        for fault in error.faults
    ]
    return PqlError.of(faults, error.text)
