"""The contributor's map names places that exist, names in them that exist, and every room of the engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`((?:pql|engine|backends|grammars|tests|docs)/[\w./-]*|pyproject\.toml)`", TEXT)))
NAMED = re.findall(r"`(\w+)`(?: of|,? in) `([\w/]+\.py)`", TEXT)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_on_the_map_exists(place: str) -> None:
    assert (ROOT / place).exists()


@pytest.mark.parametrize(("name", "place"), NAMED)
def test_a_name_stands_where_the_map_says(name: str, place: str) -> None:
    assert re.search(rf"^(class|def) {name}\b|^{name}\b", (ROOT / place).read_text(encoding="utf-8"), re.M)


def test_the_map_has_places_and_names() -> None:
    assert len(PLACES) > 25
    assert len(NAMED) >= 5


def test_every_room_of_the_engine_is_in_the_picture() -> None:
    drawn = (ROOT / "docs" / "pictures" / "engine.svg").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (ROOT / "engine").glob("*/__init__.py")]
    assert len(rooms) > 10
    assert [room for room in rooms if f">{room}</text>" not in drawn] == []
