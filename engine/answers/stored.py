"""Predictions that are kept beside the models that made them: content-addressed, bounded in size, safe to lose.

One folder per answer, `<key>.<model>`, checked by hash as models are. The least lately used are removed first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pql.engine.answers import artifact
from pql.language.errors import PqlError

MOST_ANSWERS = 200  # of one database
MOST_BYTES = 256 << 20  # of one database
LARGEST = 64 << 20  # bytes of one answer; larger ones are not kept


class StoredAnswers:
    """The kept answers of one database, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """(state, about) of an answer, or None. One that is damaged is removed: it is made anew."""
        for folder in self._folder.glob(f"{key}.*"):
            try:
                found = artifact.load(folder)
                os.utime(folder)
            except (PqlError, OSError):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            return found
        return None

    def put(self, key: str, model: str, state: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Keep an answer made by the model of key `model`, in place of one kept before. Nothing is kept where the
        place can't be written: an answer is worth no error."""
        for folder in self._folder.glob(f"{key}.*"):
            shutil.rmtree(folder, ignore_errors=True)
        try:
            artifact.save(self._folder / f"{key}.{model}", state, about)
            self._evict()
        except (PqlError, OSError):
            return

    def drop_of(self, model: str) -> None:
        """Remove all that the model of this key has answered."""
        for folder in self._folder.glob(f"*.{model}"):
            shutil.rmtree(folder, ignore_errors=True)

    def _evict(self) -> None:
        """Remove the least lately used answers beyond the bounds."""
        kept = sorted(self._folder.glob("[!.]*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        size = 0
        for rank, folder in enumerate(kept):
            size += sum(file.stat().st_size for file in folder.glob("*"))
            if rank >= MOST_ANSWERS or size > MOST_BYTES:
                shutil.rmtree(folder, ignore_errors=True)
