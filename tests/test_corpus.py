"""Every query of the corpus binds to its expected task, or raises the expected error."""

from __future__ import annotations

import pytest
from corpus import Case, cases, catalogs

from pql.language import ast, codes
from pql.language.binder import bind
from pql.language.errors import PqlError
from pql.language.parser import parse

CASES = cases()
CATALOGS = catalogs()

TASKS = {
    "binary_classification": "binary",
    "regression": "regression",
    "multiclass": "multiclass",
    "multilabel": "multilabel",
    "ranking": "ranking",
    "forecast": "forecast",
    "time_to_event": "time_to_event",
}

# What the corpus calls an error -> our codes for it, where the words differ.
CODES = {
    "syntax": frozenset({*codes.TEXT, *codes.SYNTAX, *codes.ARGUMENTS}),
    "insufficient_history": frozenset(),
    "no_positive_labels": frozenset(),
    "unknown_entity": frozenset(),
}

pytestmark = pytest.mark.skipif(not CASES, reason="../shared/corpus is not there")


def bound_task(case: Case) -> str:
    statement = parse(case.query)
    if isinstance(statement, ast.Sql):
        return "sql"
    query = getattr(statement, "query", statement)
    assert isinstance(query, ast.Predict)
    return bind(query, CATALOGS[case.schema], text=case.query, params=case.params).task.value


@pytest.mark.parametrize("case", CASES, ids=[f"{case.schema}-{case.feature}" for case in CASES])
def test_the_corpus_binds_or_fails_as_expected(case: Case) -> None:
    if case.expect.startswith("error:"):
        meaning = case.expect.removeprefix("error:")
        expected = CODES.get(meaning, frozenset({meaning}))
        if not expected:  # an error of data: the query binds, planning or training finds it
            bound_task(case)
            return
        with pytest.raises(PqlError) as caught:
            bound_task(case)
        assert caught.value.code in expected
        return
    task = bound_task(case)
    if task != "sql":
        assert task == TASKS.get(case.expect, task)
