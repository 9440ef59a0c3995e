"""Scenes of kept models, and of the files and packages around pql."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest import mock

import duckdb
from clinic import COUNT, clinic

import pql
from pql.engine.answers.registry import Registry

MAKE = f"CREATE MODEL visits_20d AS {COUNT} WITH (model = last_window)"


def _database() -> str:
    with duckdb.connect("clinic.duckdb") as con:
        for name, table in clinic().items():
            con.register("given", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            con.unregister("given")
    return "clinic.duckdb"


def _run(*texts: str) -> None:
    with pql.connect(_database()) as db:
        for text in texts:
            list(db.run(text))


def unknown_model(place: Path) -> None:
    _run(MAKE, f"{COUNT} USING MODEL visits_30d")


def unknown_version(place: Path) -> None:
    _run(MAKE, "ALTER MODEL visits_20d USE VERSION 7")


def model_exists(place: Path) -> None:
    _run(MAKE, MAKE)


def no_rules(place: Path) -> None:
    _run(MAKE, "SHOW RULES FOR MODEL visits_20d")


def model_mismatch(place: Path) -> None:
    _run(MAKE, f"{COUNT.replace('20', '30')} USING MODEL visits_20d")


def model_outdated(place: Path) -> None:
    _run(MAKE)
    with mock.patch("pql.engine.answers.kept.code_version", return_value="another"), pql.connect("clinic.duckdb") as db:
        db.predict(f"{COUNT} USING MODEL visits_20d")


def model_from_the_future(place: Path) -> None:
    _run(MAKE, f"{COUNT} AS OF 2023-04-01 USING MODEL visits_20d")


def model_not_for_task(place: Path) -> None:
    _run(f"{COUNT} WITH (model = rate)")


def _kept(place: Path, name: str) -> Path:
    return next(path for path in sorted((place / "home").rglob(name)))


def model_corrupt(place: Path) -> None:
    _run(MAKE)
    _kept(place, "state.json").write_bytes(b"[]")
    with pql.connect("clinic.duckdb") as db:
        db.predict(f"{COUNT} USING MODEL visits_20d")


def model_format(place: Path) -> None:
    _run(MAKE)
    manifest = _kept(place, "manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 99}))
    with pql.connect("clinic.duckdb") as db:
        db.predict(f"{COUNT} USING MODEL visits_20d")


def model_not_writable(place: Path) -> None:
    (place / "home").write_text("a file where a folder belongs")
    _run(MAKE)


def registry_busy(place: Path) -> None:
    registry = Registry("frames:x", place)
    with mock.patch("pql.engine.answers.registry.PATIENCE", 0.05), registry._locked():
        Registry("frames:x", place).change_notes("targets", lambda kept: {})


def registry_corrupt(place: Path) -> None:
    _run("DEFINE TARGET busy AS COUNT(visits.*, 0, 20, days) > 3")
    _kept(place, "targets.json").write_bytes(b"[]")
    with pql.connect("clinic.duckdb") as db:
        list(db.run("SHOW TARGETS"))


def stopped(place: Path) -> None:
    from test_interrupt import CtrlC

    with pql.connect(clinic(), listener=CtrlC("boosted", "round")) as db:
        list(db.run(f"CREATE MODEL visits_20d AS {COUNT} WITH (model = boosted)"))


def missing_package(place: Path) -> None:
    with pql.connect(clinic()) as db, mock.patch("importlib.util.find_spec", return_value=None):
        db.predict(f"{COUNT} WITH (model = last_window)").pl()


def missing_extra(place: Path) -> None:
    from pql.engine.nn.reference import _geometric

    with mock.patch.dict(sys.modules, {"torch_geometric": None, "torch_geometric.data": None}):
        _geometric()


def unknown_code(place: Path) -> None:
    from pql.faces.help import text

    text(["window_invert"])


def file_unreadable(place: Path) -> None:
    from pql.faces.arguments import read_file

    read_file(Path("queries.pql"))


def file_not_writable(place: Path) -> None:
    from pql.faces.render import write

    write("text", "box", Path("nowhere/out.csv"), 10)


def bad_config(place: Path) -> None:
    from pql.faces.settings import load

    Path("pql.toml").write_text('quiet = true\nformt = "csv"\n')
    load(folder=Path())


def binary_output(place: Path) -> None:
    from pql.faces.render import check

    with mock.patch("sys.stdout.isatty", return_value=True):
        check("parquet", None)


SCENES = {
    scene.__name__: scene
    for scene in (
        unknown_model, unknown_version, model_exists, no_rules, model_mismatch, model_outdated,
        model_from_the_future, model_not_for_task, model_corrupt, model_format, model_not_writable,
        registry_busy, registry_corrupt, stopped, missing_package, missing_extra, file_unreadable, file_not_writable,
        bad_config, binary_output, unknown_code,
    )
}  # fmt: skip
