"""A trained model on disk: one folder of safetensors and JSON, checked by hash, written whole or not at all.

A state is a tree of dicts and lists whose leaves are JSON values, numpy arrays, Arrow arrays or bytes. Arrays go into
`arrays.safetensors`, the tree into `state.json`; `manifest.json` names the format, what the folder is, and the
sha256 of every file. Nothing is unpickled or evaluated when it is read back.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pql.engine.answers.private import private_folder, write_private
from pql.language.errors import PqlError

FORMAT = "pql-model"
FORMAT_VERSION = 1
_MAX_JSON = 256 * 1024 * 1024
_FILES = ("arrays.safetensors", "state.json")


def save(folder: Path, state: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write `state` and its description `about` (JSON) as the folder `folder`, atomically.

    The files are written beside their final place, synced and renamed; an existing folder is left as it is, since
    versions are immutable. Raises PqlError `model_not_writable` if the place can't be written.
    """
    from safetensors.numpy import save as save_arrays

    if folder.exists():
        return
    arrays: dict[str, np.ndarray] = {}
    tree = _pack(state, arrays)
    try:
        private_folder(folder.parent)
        work = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
        try:
            blobs = {"arrays.safetensors": save_arrays(arrays), "state.json": _json(tree)}
            manifest = {
                "format": FORMAT,
                "version": FORMAT_VERSION,
                "about": dict(about),
                "sha256": {name: hashlib.sha256(blob).hexdigest() for name, blob in blobs.items()},
            }
            for name, blob in {**blobs, "manifest.json": _json(manifest)}.items():
                write_private(work / name, blob)
            os.rename(work, folder)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            if folder.exists():  # somebody else finished the same version first
                return
            raise
    except OSError as error:
        raise PqlError(
            "model_not_writable",
            f"The model can't be kept in {folder.parent}: {error.strerror or error}.",
            hint="Set PQL_HOME to a folder you may write, or ask with WITH (cache = off).",
        ) from error


def describe(folder: Path) -> dict[str, Any]:
    """The description given to `save`, without reading the arrays. Raises PqlError as `load` does."""
    return _manifest(folder)["about"]


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a folder back: (state, about).

    Raises PqlError `model_corrupt` if a file is missing, changed or not ours, `model_format` if it was written by
    another version of the format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    manifest = _manifest(folder)
    blobs: dict[str, bytes] = {}
    for name in _FILES:
        blob = _read(folder / name)
        if hashlib.sha256(blob).hexdigest() != manifest["sha256"].get(name):
            raise _corrupt(folder, f"{name} doesn't have the content it was written with")
        blobs[name] = blob
    try:
        arrays = load_arrays(blobs["arrays.safetensors"])
        state = _unpack(json.loads(blobs["state.json"]), arrays)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowException) as error:
        raise _corrupt(folder, "its content can't be read") from error
    if not isinstance(state, dict):
        raise _corrupt(folder, "it doesn't hold a model's state")
    return state, manifest["about"]


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(_read(folder / "manifest.json"))
    except (ValueError, RecursionError) as error:
        raise _corrupt(folder, "its manifest can't be read") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _corrupt(folder, "it isn't a model made by pql")
    if manifest.get("version") != FORMAT_VERSION:
        raise PqlError(
            "model_format",
            f"The model in {folder.name} has format {manifest.get('version')!r}; this version reads {FORMAT_VERSION}.",
            hint="Train it again: CREATE OR REPLACE MODEL … AS PREDICT …",
        )
    if not isinstance(manifest.get("sha256"), dict) or not isinstance(manifest.get("about"), dict):
        raise _corrupt(folder, "its manifest is incomplete")
    return manifest


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_JSON * 8:
            raise _corrupt(path.parent, f"{path.name} is larger than any model")
        return path.read_bytes()
    except OSError as error:
        raise _corrupt(path.parent, f"{path.name} can't be read ({error.strerror})") from error


def _corrupt(folder: Path, why: str) -> PqlError:
    return PqlError(
        "model_corrupt",
        f"The stored model {folder.name} is refused: {why}.",
        hint="Delete that folder, or train again with WITH (cache = refresh).",
    )


def _json(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The JSON tree of a state; arrays are moved into `arrays` and leave a reference behind."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, np.generic):
        return _pack(value.item(), arrays)
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = np.ascontiguousarray(value)
        return {"$array": name}
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return {"$arrow": _pack(_arrow_bytes(value), arrays)}
    if isinstance(value, bytes):
        return {"$bytes": _pack(np.frombuffer(value, np.uint8), arrays)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of a model's state are strings")
        return {"$dict": {key: _pack(item, arrays) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_pack(item, arrays) for item in value]
    raise TypeError(f"a model's state can't hold a {type(value).__name__}")


def _unpack(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_unpack(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "$dict":
        return {key: _unpack(item, arrays) for key, item in value.items()}
    if kind == "$array":
        return arrays[value]
    if kind == "$float":
        return float(value)
    if kind == "$bytes":
        return _unpack(value, arrays).tobytes()
    if kind == "$arrow":
        with pa.ipc.open_stream(_unpack(value, arrays).tobytes()) as reader:
            return reader.read_all().column(0).combine_chunks()
    raise ValueError(f"unknown reference {kind!r}")


def _arrow_bytes(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    table = pa.table({"values": values})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), np.uint8)
