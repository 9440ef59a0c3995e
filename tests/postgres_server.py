"""A PostgreSQL server for the tests: one that PQL_POSTGRES names, else a throw-away one of the programs found here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "k3pt-secret"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")


def programs() -> Path | None:
    """The folder with initdb and pg_ctl."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = [folder for place in _PLACES for folder in Path("/").glob(place[1:]) if (folder / "initdb").exists()]
    return max(folders, default=None)


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server's maintenance database, whose user may create databases and roles."""
    if url := os.environ.get("PQL_POSTGRES"):
        yield url
        return
    folder = programs()
    assert folder is not None
    with tempfile.TemporaryDirectory(prefix="pql-postgres-", ignore_cleanup_errors=True) as text:
        place = Path(text)
        (place / "password").write_text(PASSWORD)
        as_user = _unprivileged(place)
        data = str(place / "data")
        said = ["-A", "scram-sha-256", "-U", "admin", f"--pwfile={place / 'password'}", "-E", "UTF8", "--locale=C"]
        _run([*as_user, str(folder / "initdb"), "-D", data, "--no-sync", *said], place)
        port = _free_port()
        options = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = [*as_user, str(folder / "pg_ctl"), "-D", data]
        _run([*control, "-w", "-l", str(place / "log"), "-o", options, "start"], place)
        try:
            yield f"postgresql://admin:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], place)


def _unprivileged(place: Path) -> list[str]:
    """What runs a program as somebody else: the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    for path in (place, place / "password"):
        shutil.chown(path, "nobody")
    return ["runuser", "-u", "nobody", "--"]


def _run(command: list[str], place: Path) -> None:
    done = subprocess.run(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
