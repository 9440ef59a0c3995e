"""50,000 broken texts: each ends in a tree or in a PqlError that can be shown, within its time; none in a recursion.

The same seeds give the same texts. Times are of the processor, so that a busy machine fails nobody.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest
from fuzz import long_texts, texts
from shop_catalog import SHOP

from pql.language import ast
from pql.language.binder import bind
from pql.language.errors import PqlError
from pql.language.parser import accepts, parse_script

SEEDS = range(10)
EACH = 5_000
BOUND = 5  # one text in five that reads is bound as well
SHORT_SECONDS, LONG_SECONDS = 0.05, 1.0


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    """The collector's pauses are not the reader's."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def read(text: str, *, is_bound: bool = False) -> PqlError | None:
    """Read, and bind if asked to; the error, shown."""
    try:
        script = parse_script(text)
        for statement in script.statements if is_bound else ():
            query = statement if isinstance(statement, ast.Predict) else getattr(statement, "query", None)
            if isinstance(query, ast.Predict):
                bind(query, SHOP, text=text)
    except PqlError as error:
        str(error.at(text)).encode("utf-8")
        return error
    return None


def seconds(text: str, *, is_bound: bool = False) -> tuple[float, PqlError | None]:
    start = time.thread_time()
    error = read(text, is_bound=is_bound)
    return time.thread_time() - start, error


@pytest.mark.parametrize("seed", SEEDS)
def test_every_text_ends_in_a_tree_or_an_error_in_time(seed: int) -> None:
    refused = 0
    for place, text in enumerate(texts(seed, EACH)):
        took, error = seconds(text, is_bound=place % BOUND == 0)
        if took > SHORT_SECONDS:  # once more, for what the processor did besides
            took = min(took, seconds(text, is_bound=place % BOUND == 0)[0])
        assert took < SHORT_SECONDS, f"{took:.3f} s for {text!r}"
        if error is not None:
            refused += 1
            for fault in error.faults:
                assert fault.span is None or 0 <= fault.span.start <= fault.span.end <= len(text), text
            if error.fix is not None and place % BOUND:
                parse_script(error.fix)
    assert EACH / 3 < refused < EACH


def test_texts_of_64_kib_are_read_within_a_second() -> None:
    for text in long_texts(0, 40):
        took, _ = seconds(text)
        if took > LONG_SECONDS:
            took = min(took, seconds(text)[0])
        assert took < LONG_SECONDS, f"{took:.2f} s for {text[:200]!r}"


def test_completion_never_fails() -> None:
    for text in texts(99, 2_000):
        assert isinstance(accepts(text), frozenset)


def test_the_same_seed_gives_the_same_texts() -> None:
    assert list(texts(3, 50)) == list(texts(3, 50))
    assert list(texts(3, 50)) != list(texts(4, 50))


@pytest.mark.parametrize(
    "part", ["/* ", "$a", "(/*", "('", "e'\\'", '"', "'", "--", "(PREDICT ", "?", "``", "[(", "a.", "x y "]
)
@pytest.mark.parametrize("head", ["", "SELECT ", "PREDICT ", "PREDICT SUM(t.x, ", "CREATE TABLE x AS SELECT "])
def test_no_repetition_takes_more_than_its_length(head: str, part: str) -> None:
    text = head + part * (60_000 // len(part))
    assert seconds(text)[0] < LONG_SECONDS
