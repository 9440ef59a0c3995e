"""What tells one state of files from another: their content, of large ones what the file system says of them.

Nobody can write to a file without its time of change moving, so that equal stamps are an equal content, but for a
write in the same instant: files that have just been written are known by their content alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from pql.language.errors import PqlError

JUST_NOW = 2_000_000_000  # ns, within which two writes of a file may leave the same time
MOST_BYTES = 64 << 20  # of all files together that are read to know them


class FileState:
    """The state of some files as they are now, when somebody begins to read them. Files may be missing."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = tuple(files)
        self._stamps = _stamps(self._files)
        self._is_fresh = any(abs(time.time_ns() - moment) < JUST_NOW for stamp in self._stamps for moment in stamp[1:3])
        self._told = self._read() if self._is_fresh else None

    def told(self) -> str | None:
        """The same text for the same content; None where the files have changed since, or can't be told apart."""
        if _stamps(self._files) != self._stamps:
            return None
        if self._told is None:
            self._told = self._read()
        return self._told if _stamps(self._files) == self._stamps else None

    def _read(self) -> str | None:
        names = [str(file) for file in self._files]
        if sum(stamp[0] for stamp in self._stamps) > MOST_BYTES:
            return None if self._is_fresh else repr(list(zip(names, self._stamps, strict=True)))
        digest = hashlib.sha256()
        try:
            for file, stamp in zip(self._files, self._stamps, strict=True):
                content = hashlib.sha256(file.read_bytes()).hexdigest() if len(stamp) > 3 else "none"
                digest.update(f"{file}\0{content}\0".encode(errors="surrogateescape"))
        except OSError:
            return None
        return digest.hexdigest()


def beginning(path: Path, size: int) -> bytes:
    """The first bytes of a file, fewer if it is shorter. PqlError source_unreadable."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise PqlError(
            "source_unreadable",
            f"the path {path} can't be read: {error.strerror}",
            hint="See that the path is right and that you may read it.",
        ) from error


def _stamps(files: tuple[Path, ...]) -> tuple[tuple[int, ...], ...]:
    """Size, times of writing and of change (ns), place on the disk; of a missing file size 0 and times of long ago."""
    found: list[tuple[int, ...]] = []
    for file in files:
        try:
            stat = file.stat()
            found.append((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)
