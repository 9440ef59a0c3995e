"""What a user says about the graph of a file is still known in the next session."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import pql
from pql.backends.overrides import Overrides
from pql.language.errors import PqlError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    file = tmp_path / "shop.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("CREATE TABLE buyers AS SELECT i AS code, i % 3 AS tier FROM range(20) t(i)")
        con.execute(
            "CREATE TABLE sales AS SELECT i AS sale_id, i % 20 AS who, "
            "TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS at FROM range(500) t(i)"
        )
    return file


def test_overrides_are_kept_beside_the_database(path: Path) -> None:
    before = path.read_bytes()
    with pql.connect(path) as db:
        db.key("buyers.code")
        db.link("sales.who", "buyers.code")
        assert "sales.who -> buyers.code" in str(db.graph())
    with pql.connect(path) as db:
        assert "sales.who -> buyers.code" in str(db.graph())
        db.unlink("sales.who", "buyers.code")
    with pql.connect(path) as db:
        assert "sales.who -> buyers.code" not in str(db.graph())
    assert path.read_bytes() == before


def test_statements_override_too(path: Path) -> None:
    with pql.connect(path) as db:
        *_, graph = db.run("KEY buyers.code; LINK sales.who -> buyers.code; NO TIME sales")
    assert "sales.who -> buyers.code" in str(graph)


def test_a_wrong_name_is_refused_and_not_kept(path: Path) -> None:
    with pql.connect(path) as db, pytest.raises(PqlError) as error:
        db.link("sales.whom", "buyers.code")
    assert error.value.code == "unknown_column"
    with pql.connect(path) as db:
        assert db.graph().catalog.links == ()


@pytest.mark.parametrize("value", [None, [], {}, {"links": 1}, {"links": [], "unlinks": [], "keys": ["ab"]}])
def test_kept_overrides_that_are_none_are_refused(value: object) -> None:
    with pytest.raises(PqlError) as error:
        Overrides.from_json(value)
    assert error.value.code == "registry_corrupt"


def test_overrides_come_back_as_they_were() -> None:
    said = (
        Overrides().link("a", "x", "b", "y").unlink("c", "x", "b", "y").key("b", "y", "z").time("a", "t").no_time("d")
    )
    assert Overrides.from_json(said.to_json()) == said
