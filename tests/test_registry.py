"""Names point at versions; versions are named by what made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pql.engine.answers.registry import Registry, code_version, content_key
from pql.language.errors import PqlError


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry("file:shop", root=tmp_path)


def test_the_key_depends_on_every_part() -> None:
    parts = {"query": "PREDICT", "data": "1", "code": code_version()}
    assert content_key(parts) == content_key(dict(reversed(parts.items())))
    for name in parts:
        assert content_key(parts) != content_key(parts | {name: "other"})


def test_a_version_is_found_by_content(registry: Registry) -> None:
    assert registry.get("k1") is None
    registry.put("k1", {"w": np.ones(2)}, {"query": "q"})
    found = registry.get("k1")
    assert found is not None
    assert found[1] == {"query": "q"}


def test_databases_do_not_see_each_other(tmp_path: Path) -> None:
    Registry("one", root=tmp_path).put("k", {"w": np.ones(1)}, {})
    assert Registry("two", root=tmp_path).get("k") is None


def test_names_have_versions(registry: Registry) -> None:
    registry.put("k1", {"w": np.ones(1)}, {})
    registry.put("k2", {"w": np.ones(1)}, {})
    registry.name("churn", "k1", "PREDICT 1", replace=False)
    with pytest.raises(PqlError) as error:
        registry.name("churn", "k2", "PREDICT 2", replace=False)
    assert error.value.code == "model_exists"
    assert registry.name("churn", "k2", "PREDICT 2", replace=True).number == 2
    assert [(v.number, v.current) for v in registry.versions()] == [(1, False), (2, True)]


def test_an_unknown_name_lists_the_nearest(registry: Registry) -> None:
    registry.name("churn", "k1", "q", replace=False)
    with pytest.raises(PqlError) as error:
        registry.find("chrun")
    assert error.value.code == "unknown_model"
    assert error.value.faults[0].nearest == ("churn",)


def test_a_dropped_model_is_gone(registry: Registry) -> None:
    registry.put("k1", {"w": np.ones(1)}, {})
    registry.name("churn", "k1", "q", replace=False)
    registry.drop("churn")
    assert registry.versions() == ()
    assert registry.get("k1") is None


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"current": 5, "versions": []}}', "\x00"])
def test_a_broken_list_of_names_is_refused(registry: Registry, tmp_path: Path, content: str) -> None:
    registry.name("churn", "k1", "q", replace=False)
    next(tmp_path.rglob("names.json")).write_text(content)
    with pytest.raises(PqlError) as error:
        registry.versions()
    assert error.value.code == "registry_corrupt"
