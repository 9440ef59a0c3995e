"""A text that no row has is warned of, with the nearest or the known values; nothing later than the anchor is read."""

from __future__ import annotations

from unittest import mock

import pytest
from clinic import changed, clinic

import pql
from pql.language.errors import PqlError

VALUES = "its values are 'check', 'repair', 'sale'"
COUNT = "PREDICT COUNT(visits.* WHERE {}, 0, 20, days) FOR EACH users.user_id"


def warnings(query: str, **columns: list[str]) -> list[str]:
    tables = changed(clinic(), "visits", **columns) if columns else clinic()
    with pql.connect(tables) as db:
        return [warning for warning in db.explain(query).plan.warnings if "is never" in warning]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("visits.kind = 'sale'", []),
        ("visits.kind = 'Sale'", ["visits.kind is never 'Sale' up to the anchor; did you mean 'sale'?"]),
        ("visits.kind != 'Gold'", [f"visits.kind is never 'Gold' up to the anchor; {VALUES}"]),
        ("visits.kind IN ('sale', 'x')", [f"visits.kind is never 'x' up to the anchor; {VALUES}"]),
        ("visits.amount > 3", []),
        ("visits.kind LIKE 'x%'", []),
    ],
)  # fmt: skip
def test_a_value_that_never_occurs_is_warned_of(condition: str, expected: list[str]) -> None:
    assert warnings(COUNT.format(condition)) == expected


def test_a_value_that_only_later_rows_have_is_unknown_at_the_anchor() -> None:
    kind = ["old"] * 800 + ["new"] * 100
    query = COUNT.format("visits.kind = 'new'")
    assert warnings(query, kind=kind) == []
    (warning,) = warnings(f"{query} AS OF 2023-06-01", kind=kind)
    assert "is never 'new'" in warning


def test_a_column_of_too_many_values_is_no_category() -> None:
    with mock.patch("pql.engine.labels.unseen.MOST_VALUES", 2):
        assert warnings(COUNT.format("visits.kind = 'Sale'")) == []


@pytest.mark.parametrize(
    ("query", "code", "right"),
    [
        ("PREDICT COUNT(visits.*, 0, 20, days) FOR EACH users.user_id "
         "WHERE COUNT(visits.* WHERE visits.kind = 'sael', -INF, 0) > 0", "no_entities", "'sale'"),
        ("PREDICT COUNT(visits.* WHERE visits.kind = 'chek', 0, 20, days) > 0 FOR EACH users.user_id",
         "no_positive_labels", "'check'"),
    ],
)  # fmt: skip
def test_an_answer_that_fails_for_want_of_rows_names_the_value(query: str, code: str, right: str) -> None:
    with pql.connect(clinic()) as db, pytest.raises(PqlError) as error:
        db.predict(f"{query} WITH (model = rate, cache = off)" if "> 0 FOR" in query else query)
    assert error.value.code == code
    assert f"did you mean {right}?" in error.value.hint
    assert error.value.fix is not None
    assert right in error.value.fix
