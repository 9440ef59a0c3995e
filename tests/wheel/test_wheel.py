"""The folders install as one namespace: the wheel's only top level is `pql`, and every package is listed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"pql": "pql", "engine": "pql/engine", "backends": "pql/backends", "grammars": "pql/grammars"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_only_top_level_is_pql(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pql"}


def test_every_source_is_in_the_wheel(names: list[str]) -> None:
    expected = {
        f"{installed}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, installed in ROOMS.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".lark", ".pql", ".toml", ".json", ".typed") and "__pycache__" not in path.parts
    }
    assert expected == {name for name in names if name.startswith("pql/")}


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    found = {
        (f"{installed}/{init.parent.relative_to(ROOT / folder).as_posix()}").removesuffix("/.").replace("/", ".")
        for folder, installed in ROOMS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert found == set(listed)
