"""ASSUMING: a future that examples are chosen by, or a column of the scored entities read otherwise."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import pql
from pql.language.errors import PqlError

START = dt.datetime(2024, 1, 1)
EACH = "FOR EACH members.member_id"
SLOW = "WITH (model = boosted, threads = 1)"
FAST = "WITH (model = entity_mean)"


def club() -> dict[str, pa.Table]:
    """Gold members visit every other day, others every eighth; a visit with a coach costs 9, else 1."""
    rng = np.random.default_rng(0)
    n, days = 60, 200
    gold = np.arange(n) % 2 == 0
    visits = [(m, d) for m in range(n) for d in range(days) if rng.random() < (0.5 if gold[m] else 0.12)]
    when = [START + dt.timedelta(days=d, hours=9) for _, d in visits]
    coach = rng.random(len(visits)) < 0.2
    return {
        "members": pa.table(
            {
                "member_id": np.arange(n),
                "level": np.where(gold, "gold", "plain"),
                "vip": gold,
                "age": rng.integers(20, 60, n),
                "born": pa.array([dt.datetime(1980, 1, 1) + dt.timedelta(days=100 * i) for i in range(n)]),
                "home_club_id": np.arange(n) % 3,
                "note": pa.nulls(n, pa.string()),
            }
        ),
        "clubs": pa.table({"club_id": np.arange(3), "size": [10.0, 20.0, 30.0]}),
        "visits": pa.table(
            {
                "visit_id": np.arange(len(visits)),
                "member_id": [m for m, _ in visits],
                "at": pa.array(when, pa.timestamp("us")),
                "coach": coach,
                "kind": np.array(["swim", "run", "row"])[rng.integers(0, 3, len(visits))],
                "price": np.where(coach, 9.0, 1.0),
            }
        ),
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def db(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pql.Session]:
    monkeypatch.setenv("PQL_HOME", str(home))
    with pql.connect(club()) as session:
        session.link("members.home_club_id", "clubs.club_id")
        yield session


def predictions(result: pql.Predictions, name: str = "prediction") -> dict[int, float]:
    rows = result.to_arrow_table()
    return dict(zip(rows.column("member_id").to_pylist(), rows.column(name).to_pylist(), strict=True))


# ---------------------------------------------------------------- a future


def test_only_examples_where_the_future_came_about_are_labelled(db: pql.Session) -> None:
    text = f"PREDICT SUM(visits.price, 0, 10, days) {EACH}"
    every = {(r["member_id"], r["anchor"]): r["label"] for r in db.labels(text).to_arrow_table().to_pylist()}
    held = (
        db.labels(f"{text} ASSUMING COUNT(visits.* WHERE visits.coach, 0, 10, days) > 0").to_arrow_table().to_pylist()
    )
    assert 0 < len(held) < len(every)
    assert all(row["label"] >= 9 and row["label"] == every[row["member_id"], row["anchor"]] for row in held)
    assert sum(label >= 9 for label in every.values()) == len(held)


def test_everybody_eligible_is_scored_and_the_counts_are_told(db: pql.Session) -> None:
    text = f"PREDICT SUM(visits.price, 0, 10, days) {EACH}"
    plain = db.predict(f"{text} {FAST}")
    result = db.predict(f"{text} ASSUMING COUNT(visits.* WHERE visits.coach, 0, 10, days) > 0 {FAST}")
    assert len(result) == len(plain) == 60
    assert sum(predictions(result).values()) > sum(predictions(plain).values())
    note = next(note for note in result.notes if note.startswith("Assuming COUNT(visits.* WHERE"))
    assert "test rows, which alone are learnt from" in note
    assert "measure little" not in note
    shown = str(db.explain(f"{text} ASSUMING COUNT(visits.* WHERE visits.coach, 0, 10, days) > 0"))
    assert "not ASSUMING: what is assumed did not come about in the window; dropped" in shown


def test_few_rows_are_said_to_measure_little(db: pql.Session) -> None:
    text = f"PREDICT SUM(visits.price, 0, 10, days) {EACH} ASSUMING COUNT(visits.*, 0, 10, days) > 6 {FAST}"
    assert "test) measure little: loosen it" in db.predict(text).notes[0]


def test_an_assumption_that_is_null_does_not_hold(db: pql.Session) -> None:
    text = f"PREDICT COUNT(visits.*, 0, 10, days) {EACH} ASSUMING MAX(visits.price, 0, 10, days) <= 9"
    assert all(row["label"] > 0 for row in db.labels(text).to_arrow_table().to_pylist())
    text = f"PREDICT COUNT(visits.*, 0, 10, days) {EACH} ASSUMING NOT MAX(visits.price, 0, 10, days) > 9"
    assert all(row["label"] > 0 for row in db.labels(text).to_arrow_table().to_pylist())


def test_a_longer_assumed_window_moves_the_anchors(db: pql.Session) -> None:
    text = f"PREDICT COUNT(visits.*, 0, 10, days) > 0 {EACH}"
    short = {row["anchor"] for row in db.labels(text).to_arrow_table().to_pylist()}
    long = {
        row["anchor"]
        for row in db.labels(f"{text} ASSUMING COUNT(visits.*, 0, 20, days) > 2").to_arrow_table().to_pylist()
    }
    assert max(short) - max(long) == dt.timedelta(days=10)


TASKS = {
    "binary": "COUNT(visits.*, 0, 20, days) > 4",
    "regression": "SUM(visits.price, 0, 20, days)",
    "multiclass": "LAST(visits.coach, 0, 20, days)",
    "multilabel": "LIST_DISTINCT(visits.kind, 0, 20, days) CLASSIFY",
    "ranking": "LIST_DISTINCT(visits.kind, 0, 20, days) RANK TOP 2",
    "forecast": "SUM(visits.price, 0, 10, days) FORECAST 2 TIMEFRAMES",
}
ASSUMED = "ASSUMING COUNT(visits.*, 0, 20, days) BETWEEN 3 AND 12"
MODELS = {"multiclass": "boosted", "multilabel": "boosted", "ranking": "repeat"}


@pytest.mark.parametrize("task", TASKS)
def test_every_task(db: pql.Session, task: str) -> None:
    options = f"WITH (model = {MODELS.get(task, 'entity_mean')})"
    result = db.predict(f"PREDICT {TASKS[task]} {EACH} {ASSUMED} {options}")
    plain = db.predict(f"PREDICT {TASKS[task]} {EACH} {options}")
    assert set(result.to_arrow_table().column("member_id").to_pylist()) == set(range(60))
    assert result.columns == plain.columns
    sizes = [max(row.n for row in one.metrics.rows if row.split == "test") for one in (result, plain)]
    assert 0 < sizes[0] < sizes[1]


def test_too_few_examples_name_the_assumption(db: pql.Session) -> None:
    with pytest.raises(PqlError) as error:
        db.predict(f"PREDICT SUM(visits.price, 0, 10, days) {EACH} ASSUMING COUNT(visits.*, 0, 10, days) > 11 {FAST}")
    assert error.value.code in ("no_labels", "too_few_labels")
    assert "what ASSUMING states did not come about" in error.value.message
    assert "loosen ASSUMING" in error.value.hint


# ---------------------------------------------------------------- a column of the entity

SPEND = f"PREDICT SUM(visits.price, 0, 10, days) {EACH}"


def test_a_column_read_otherwise_at_the_prediction_by_the_same_model(db: pql.Session) -> None:
    plain = db.predict(f"{SPEND} {SLOW}")
    result = db.predict(f"{SPEND} ASSUMING members.level = 'plain' AND NOT members.vip AND members.age = 40 {SLOW}")
    assert result.model.key == plain.model.key
    assert result.model.cached
    assert str(result.metrics) == str(plain.metrics)
    assert predictions(result) != predictions(plain)
    (note,) = [note for note in result.notes if note.startswith("Assuming")]
    assert "NOT members.vip" in note
    assert "answers changed, on average by" in note


def test_what_the_row_holds_already_changes_nothing(db: pql.Session) -> None:
    text = "PREDICT SUM(visits.price, 0, 10, days) FOR members.member_id IN (0, 2, 4)"
    plain = db.predict(f"{text} {SLOW}")
    same = db.predict(f"{text} ASSUMING members.level = 'gold' {SLOW}")
    assert predictions(same) == predictions(plain)
    assert "3 of the 3 rows scored hold it anyway; no answer changed." in same.notes[0]


@pytest.mark.parametrize(
    "assumed",
    [
        "members.level = 'never seen'",
        "members.level IS NULL",
        "members.vip = TRUE",
        "members.vip",
        "members.age = 21.5",
        "33 = members.age",
        "members.age IS NULL",
        "members.born = '1970-01-01'",
        "members.home_club_id = 2",
        "members.home_club_id IS NULL",
    ],
)
def test_kinds_of_columns(db: pql.Session, assumed: str) -> None:
    result = db.predict(f"{SPEND} ASSUMING {assumed} {SLOW}")
    assert result.model.cached or assumed == "members.level = 'never seen'"
    assert len(result) == 60
    assert any(note.startswith("Assuming ") for note in result.notes)


def test_a_model_without_columns_says_that_it_changed_nothing(db: pql.Session) -> None:
    result = db.predict(f"{SPEND} ASSUMING members.age = 30 {FAST}")
    assert "no answer changed: the model does not use what was assumed." in result.notes[0]


@pytest.mark.parametrize(
    ("assumed", "code", "says"),
    [
        ("members.member_id = 3", "no_effect", "the key"),
        ("members.note = 'x'", "no_effect", "no encoder reads"),
        ("members.home_club_id = 77", "unknown_entity", "clubs has the id 77"),
        ("clubs.size = 5", "assuming_static", "own row"),
        ("members.age > 5", "assuming_static", "to one constant"),
        ("members.age = 5 OR members.age = 6", "assuming_static", "to one constant"),
        ("members.age = 5 AND members.age = 6", "clause_conflict", "twice"),
        ("members.age = 5 AND COUNT(visits.*, 0, 5) > 0", "mixed_static_temporal", "can't mix"),
    ],
)
def test_what_cannot_be_assumed(db: pql.Session, assumed: str, code: str, says: str) -> None:
    with pytest.raises(PqlError) as error:
        db.predict(f"{SPEND} ASSUMING {assumed} {SLOW}")
    assert (error.value.code, says in error.value.message.lower()) == (code, True)


def test_the_link_that_is_set_is_the_one_followed() -> None:
    """The size of the club decides everything: pointing elsewhere must read the other club's size."""
    tables = club()
    visits = tables["visits"]
    size = np.array([1.0, 5.0, 9.0])[visits.column("member_id").to_numpy() % 3]
    tables["visits"] = visits.set_column(visits.column_names.index("price"), "price", pa.array(size)).drop_columns(
        ["coach", "kind"]
    )
    tables["members"] = tables["members"].select(["member_id", "home_club_id"])
    text = f"PREDICT MAX(visits.price, 0, 20, days) {EACH}"
    with pql.connect(tables) as session:
        session.link("members.home_club_id", "clubs.club_id")
        plain = session.predict(f"{text} WITH (model = gnn, epochs = 2, threads = 1)")
        moved = session.predict(f"{text} ASSUMING members.home_club_id = 2 WITH (model = gnn, epochs = 2, threads = 1)")
    before, after = predictions(plain), predictions(moved)
    assert any(after[m] != before[m] for m in range(60) if m % 3 == 0)


def test_a_static_target_is_scored_with_the_other_columns_as_assumed(db: pql.Session) -> None:
    text = f"PREDICT members.age > 40 {EACH}"
    plain = db.predict(f"{text} {SLOW}")
    result = db.predict(f"{text} ASSUMING members.level = 'gold' {SLOW}")
    assert result.model.key == plain.model.key
    assert len(result) == len(plain)
    with pytest.raises(PqlError) as error:
        db.predict(f"{text} ASSUMING members.age = 30 {SLOW}")
    assert error.value.code == "no_effect"
    assert "predicted" in error.value.message


def test_a_column_that_points_to_values_without_a_table() -> None:
    tables = club()
    del tables["clubs"]
    text = f"{SPEND} USING members, visits, home_club ASSUMING members.home_club_id = 2 {SLOW}"
    with pql.connect(tables) as session:
        assert "20 of the 60 rows scored hold it anyway" in session.predict(text).notes[0]
        with pytest.raises(PqlError) as error:
            session.predict(text.replace("USING members, visits, home_club ", ""))
    assert error.value.code == "no_effect"
    assert "USING takes it in" in error.value.message


def test_a_column_that_a_virtual_entity_carries() -> None:
    tables = club()
    tables["members"] = tables["members"].slice(0, 40)
    with pql.connect(tables) as session:
        result = session.predict(f"{SPEND.replace('members', 'member')} ASSUMING member.level = 'plain' {SLOW}")
    assert len(result) == 60
    assert "20 of the 60 rows scored hold it anyway" in result.notes[0]
