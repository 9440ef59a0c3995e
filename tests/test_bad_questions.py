"""Questions that the data cannot answer, and names that do not fit: a coded error that says what would do."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from clinic import COUNT, FAST, SPEND, changed, clinic, fault, ids, predict

import pql
from pql.language.errors import PqlError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_one_class_only() -> None:
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) > 10000 FOR EACH users.user_id").code
        == "no_positive_labels"
    )
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) >= 0 FOR EACH users.user_id").code == "no_negative_labels"
    )


def test_one_value_only_is_what_is_predicted() -> None:
    tables = changed(clinic(), "visits", amount=[0.0] * 900)
    assert {row[2] for row in predict(tables, SPEND)} == {0.0}


def test_an_entity_without_history_is_flagged_when_asked_for_and_scored_without_the_guard() -> None:
    tables = clinic()
    tables = {**tables, "users": pa.table({"user_id": range(35), "age": range(35)})}
    assert ids(predict(tables, COUNT)) == set(range(30))
    asked = predict(tables, "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (1, 33, 77)")
    assert {row[0]: row[-1] for row in asked} == {1: "ok", 33: "not eligible", 77: "unknown id"}
    nobody = predict(tables, "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id = 33")
    assert [(row[0], row[2], row[3]) for row in nobody] == [(33, None, "not eligible")]
    unguarded = predict(tables, COUNT, FAST.replace("refit = off", "first_seen = off"))
    assert ids(unguarded) == set(range(35))


def test_the_same_id_asked_for_twice_gives_one_row() -> None:
    result = predict(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (3, 3, 4)")
    assert sorted(row[0] for row in result) == [3, 4]


def test_nobody_passes_the_filter() -> None:
    assert fault(clinic(), f"{COUNT} WHERE users.age > 200").code in ("no_labels", "no_entities")


def test_very_little_data_is_answered_by_a_baseline_that_says_so() -> None:
    result = predict(clinic([1, 2], visits=40), COUNT)
    assert len(result) == 2
    assert any("baseline" in note for note in result.notes)


def test_more_items_asked_for_than_there_are() -> None:
    tables = clinic()
    tables["things"] = pa.table({"thing_id": range(4), "label": ["w", "x", "y", "z"]})
    tables = changed(tables, "visits", thing_id=[i % 4 for i in range(900)])
    result = predict(tables, "PREDICT LIST_DISTINCT(visits.thing_id, 0, 20, days) RANK TOP 50 FOR EACH users.user_id")
    assert ids(result) == set(range(30))
    assert max(row[-1] for row in result) == 4


STATIC = [
    ("users.plan", "FOR EACH users.user_id", 30),
    ("users.plan", "FOR users.user_id = 3", 1),
    ("users.tier", "FOR EACH users.user_id", 10),  # those without a value
    ("users.flag", "FOR EACH users.user_id", 30),
    ("users.age > 40", "FOR EACH users.user_id", 30),
    ("users.age", "FOR EACH users.user_id", 30),
    ("visits.kind", "FOR visits.visit_id IN (1, 880)", 2),
]


@pytest.mark.parametrize(("target", "entity", "rows"), STATIC)
def test_columns_of_the_entity(target: str, entity: str, rows: int) -> None:
    tables = changed(clinic(), "users", tier=["a", "b", None] * 10, flag=[True, False, None] * 10, plan=["p", "q"] * 15)
    assert len(predict(tables, f"PREDICT {target} {entity}")) == rows


def test_rows_too_early_to_be_scored_are_counted() -> None:
    result = predict(clinic(), "PREDICT visits.amount FOR EACH visits.visit_id")
    left_out = next(note for note in result.notes if "left out" in note)
    assert left_out.startswith(f"{900 - len(result)} rows")


NAMES = [
    ("PREDICT COUNT(visit_log.*, 0, 20, days) FOR EACH users.user_id", "unknown_table"),
    ("PREDICT SUM(visits.amout, 0, 20, days) FOR EACH users.user_id", "unknown_column"),
    ("PREDICT SUM(visits.user_id, 0, 20, days) FOR EACH users.nobody", "unknown_column"),
    ("PREDICT COUNT(visits.*, 0, 20, days) FOR EACH users.age", "entity_not_key"),
    ("PREDICT SUM(user_id, 0, 20, days) FOR EACH users.user_id", "ambiguous_column"),
    ("PREDICT SUM(visits.kind, 0, 20, days) FOR EACH users.user_id", "type_mismatch"),
    ("PREDICT COUNT(visits.*, 20, 0, days) FOR EACH users.user_id", "window_inverted"),
    ("PREDICT COUNT(users.*, 0, 20, days) FOR EACH users.user_id", "no_join_path"),
    ("PREDICT", "missing_target"),
    ("DEFINE TARGET churn AS COUNT(visits.*, 0, 20, days) = 0", "not_a_prediction"),
]


@pytest.mark.parametrize(("query", "code"), NAMES)
def test_names_and_types_that_do_not_fit(query: str, code: str) -> None:
    assert fault(clinic(), query, "").code == code


MODELS = [
    ("SUM(visits.amount, 0, 20, days)", ("rate", "two_tower", "popularity")),
    ("COUNT(visits.*, 0, 20, days) = 0", ("repeat", "als", "two_tower")),
    ("LAST(visits.kind, 0, 20, days)", ("two_tower", "als", "popularity")),
    ("LIST_DISTINCT(visits.kind, 0, 20, days) CLASSIFY", ("rules", "entity_mean")),
    ("LIST_DISTINCT(visits.kind, 0, 20, days) RANK TOP 2", ("entity_mean", "rate")),
    ("users.age", ("entity_mean", "last_window")),
]


@pytest.mark.parametrize(("target", "models"), MODELS)
def test_a_model_that_cannot_answer_is_refused_before_anything_is_read(target: str, models: tuple[str, ...]) -> None:
    with pql.connect(clinic()) as db:
        for model in models:
            query = f"PREDICT {target} FOR EACH users.user_id"
            with pytest.raises(PqlError) as error:
                db.explain(f"{query} WITH (model = {model})")
            assert error.value.code == "model_not_for_task"
            assert f"The model {model}" in str(error.value)
            assert error.value.fix == f"{query} WITH (model = auto)"
            assert str(db.explain(error.value.fix))


def test_a_condition_that_never_holds_is_told_with_what_its_column_holds() -> None:
    with pql.connect(clinic()) as db, pytest.raises(PqlError) as caught:
        db.predict("PREDICT COUNT(visits.* WHERE visits.amount > 100000, 0, 20, days) > 0 FOR EACH users.user_id")
    assert caught.value.code == "no_positive_labels"
    assert "visits.amount lies between " in caught.value.hint.lower()


def test_a_sum_of_texts_says_how_they_are_made_numbers() -> None:
    with pql.connect(clinic()) as db, pytest.raises(PqlError) as caught:
        db.predict("PREDICT SUM(visits.kind, 0, 20, days) FOR EACH users.user_id")
    assert caught.value.code == "type_mismatch"
    assert "TRY_CAST(regexp_replace(kind, " in caught.value.hint
