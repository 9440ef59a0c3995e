"""A kept model comes back bit for bit, or is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pql.engine.answers import artifact
from pql.language.errors import PqlError

STATE = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "classes": pa.array(["a", None, "é"]),
    "nested": {"trees": "text", "numbers": [1, 2.5, None, True], "nan": float("inf")},
    "bytes": b"\x00\x01",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "abc"
    artifact.save(path, STATE, {"query": "PREDICT …"})
    return path


def test_what_is_saved_comes_back(folder: Path) -> None:
    state, about = artifact.load(folder)
    assert about == {"query": "PREDICT …"}
    assert np.array_equal(state["weights"], STATE["weights"])
    assert state["weights"].dtype == np.float32
    assert state["classes"].to_pylist() == ["a", None, "é"]
    assert state["nested"] == STATE["nested"]
    assert state["bytes"] == b"\x00\x01"


def test_a_version_is_never_overwritten(folder: Path) -> None:
    artifact.save(folder, {"weights": np.zeros(1)}, {"query": "another"})
    assert artifact.describe(folder) == {"query": "PREDICT …"}


@pytest.mark.parametrize("name", ["arrays.safetensors", "state.json", "manifest.json"])
def test_a_flipped_bit_is_refused(folder: Path, name: str) -> None:
    blob = bytearray((folder / name).read_bytes())
    blob[len(blob) // 2] ^= 1
    (folder / name).write_bytes(blob)
    with pytest.raises(PqlError) as error:
        artifact.load(folder)
    assert error.value.code in ("model_corrupt", "model_format")


@pytest.mark.parametrize("name", ["arrays.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"null", b"{" * 100_000])
def test_a_foreign_file_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(PqlError) as error:
        artifact.load(folder)
    assert error.value.code == "model_corrupt"
    assert error.value.hint


def test_another_format_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(PqlError, match="format 99"):
        artifact.load(folder)


def test_objects_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        artifact.save(tmp_path / "x", {"f": object()}, {})
    assert not list(tmp_path.iterdir())
