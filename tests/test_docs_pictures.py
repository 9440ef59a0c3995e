"""The pictures of the pages are those that docs/pictures.py draws now, and each page shows pictures that exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import pictures  # noqa: E402
from build import without_figures  # noqa: E402

SHAPES = re.compile(r"<(?:path|circle|line|rect|polyline)\b[^>]*>")
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_is_what_is_drawn_now(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    drawn = pictures.PICTURES[name]()
    kept = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    if name in pictures.LEARNT:  # a curve may differ a little between machines, what is said of it may not
        drawn, kept = SHAPES.sub("", drawn), SHAPES.sub("", kept)
    assert without_figures(drawn) == without_figures(kept) if name in pictures.LEARNT else drawn == kept, (
        "python docs/pictures.py"
    )


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_is_small_and_well_formed_and_loads_nothing(name: str) -> None:
    kept = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert len(kept.encode()) < 30_000
    assert "prefers-color-scheme:dark" in kept
    assert not re.search(r"url\(|<script|<image|href=", kept)
    assert ElementTree.fromstring(kept).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("name", ["timeline", "neighbourhood", "architecture", "engine"])
def test_a_picture_of_boxes_is_well_formed_and_stays_inside_its_frame(name: str) -> None:
    root = ElementTree.parse(DOCS / "pictures" / f"{name}.svg").getroot()
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    texts = root.findall("{http://www.w3.org/2000/svg}text")
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert texts
    for text in texts:
        long = 7.5 * len(text.text or "")
        begin = float(text.attrib["x"]) - {"end": long, "mid": long / 2}.get(text.attrib["class"].split()[-1], 0)
        assert begin >= 0
        assert begin + long <= width + 70, text.text  # an upper bound of what the letters take
        assert 0 < float(text.attrib["y"]) < height


def test_the_picture_of_the_neighbourhood_has_no_later_row_before_its_anchor() -> None:
    drawn = (DOCS / "pictures" / "neighbourhood.svg").read_text(encoding="utf-8")
    anchor = float(re.search(r'<line x1="([\d.]+)"[^>]*class="cut"', drawn)[1])  # type: ignore[index]
    dots = [(float(x), kind) for x, kind in re.findall(r'<circle cx="([\d.]+)"[^>]*class="(\w+)"', drawn)]
    assert {kind for _, kind in dots} == {"train", "lag", "later"}
    assert all((x > anchor) == (kind == "later") for x, kind in dots)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]*)(?:#[\w-]*)?\)", text):
        if target and "://" not in target:
            assert (page.parent / target).exists(), target
