"""Scenes of questions that the data can't answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pyarrow as pa
from clinic import COUNT, FAST, Tables, changed, clinic

import pql
from pql.engine.events import Events
from pql.engine.graph.seeds import TEST
from pql.engine.labels.statement import label_statement
from pql.engine.ranking.fitting import fit_ranking
from pql.language.binder import bind
from pql.language.parser import parse_predict

LIGHT = "WITH (model = last_window, cache = off)"
HEAD = "FOR EACH users.user_id"


def _ask(query: str, tables: Tables | None = None, options: str = FAST) -> None:
    with pql.connect(clinic() if tables is None else tables) as db:
        db.predict(f"{query} {options}")


def no_data(place: Path) -> None:
    _ask(f"{COUNT} AS OF 2001-01-01")


def insufficient_history(place: Path) -> None:
    _ask(f"PREDICT COUNT(visits.*, 0, 300, days) {HEAD}")


def no_labels(place: Path) -> None:
    tables = changed(clinic(), "visits", nothing=pa.nulls(900, pa.float64()))
    _ask(f"PREDICT AVG(visits.nothing, 0, 20, days) {HEAD}", tables)


def too_few_labels(place: Path) -> None:
    users = pa.table({"user_id": range(300), "name": [f"name {i}" for i in range(300)]})
    _ask(f"PREDICT users.name {HEAD}", {"users": users})


def no_positive_labels(place: Path) -> None:
    _ask(f"PREDICT COUNT(visits.*, 0, 20, days) > 10000 {HEAD}")


def no_negative_labels(place: Path) -> None:
    _ask(f"PREDICT COUNT(visits.*, 0, 20, days) >= 0 {HEAD}")


def one_class(place: Path) -> None:
    _ask(f"PREDICT LAST(visits.kind, 0, 20, days) {HEAD}", changed(clinic(), "visits", kind=["sale"] * 900))


def too_many_classes(place: Path) -> None:
    users = pa.table({"user_id": range(3000), "name": [f"name {i % 700}" for i in range(3000)]})
    _ask(f"PREDICT users.name {HEAD}", {"users": users})


def no_examples(place: Path) -> None:
    from rankings import HORIZON, examples_of, model, world

    interactions = world()
    examples = examples_of(interactions)
    fit_ranking(interactions, HORIZON, examples.take(examples.where(TEST)), model(), Events(), k=5, towers=None)


def no_entities(place: Path) -> None:
    tables = changed(clinic(), "visits", kind=["old" if i < 810 else "new" for i in range(900)])
    _ask(f"{COUNT} WHERE COUNT(visits.* WHERE visits.kind = 'old', -10, 0, days) > 0", tables, LIGHT)


def unknown_entity(place: Path) -> None:
    _ask("PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (991, 992)", options=LIGHT)


def _things() -> Tables:
    tables = clinic()
    tables["things"] = pa.table({"thing_id": range(4), "label": ["w", "x", "y", "z"]})
    return changed(tables, "visits", thing_id=[i % 4 for i in range(900)])


def no_candidates(place: Path) -> None:
    tables = _things()
    lately = [*tables["visits"].column("user_id").to_pylist()[:-8], *[3] * 8]
    query = "PREDICT LIST_DISTINCT(visits.thing_id, 0, 20, days) RANK TOP 2 FOR users.user_id = 3"
    excluding = "EXCLUDING (visits.thing_id, -5, 0, days)"
    _ask(f"{query} {excluding}", changed(tables, "visits", user_id=lately), "WITH (model = popularity, cache = off)")


def too_many_pairs(place: Path) -> None:
    with mock.patch("pql.engine.answers.scoring.MOST_PAIRS", 100):
        query = f"PREDICT BOOL(visits.thing_id, 0, 20, days) {HEAD}, things.thing_id"
        _ask(query, _things(), "WITH (model = popularity, cache = off)")


def nothing_to_check(place: Path) -> None:
    with pql.connect(clinic(visits=40, keys=[1])) as db:
        list(db.run(f"CHECK LEAKAGE PREDICT COUNT(visits.*, 0, 60, days) > 5 {HEAD} {FAST}"))


def no_anchors(place: Path) -> None:
    from databases import plan_by_hand, shop

    database = shop()
    text = "PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id"
    query = bind(parse_predict(text), database.catalog(), text=text)
    plan = plan_by_hand(query, [0, 10, 20], until=30)
    label_statement(replace(plan, split=replace(plan.split, anchors=()))).literal_text()


def incomplete_window(place: Path) -> None:
    with pql.connect(clinic()) as db:
        list(db.run(f"EVALUATE {COUNT} AT 2023-07-19"))


def bad_label_table(place: Path) -> None:
    with pql.connect(clinic()) as db:
        labels = {"user_id": [1, 2], "at": ["2023-03-01", None], "came": [1, 0]}
        db.fit(labels, entity="users.user_id", time="at", target="came")


def bad_bench_folder(place: Path) -> None:
    from pql.bench_folder import read_folder

    (place / "rel-shop").mkdir()
    read_folder(Path("rel-shop"))


def bad_fit_argument(place: Path) -> None:
    with pql.connect(clinic()) as db:
        labels = {"user_id": [1, 2], "at": ["2023-03-01", "2023-03-01"], "came": [1, 0]}
        db.fit(labels, entity="users.user_id", time="at", target="came", horizon="a while")


def bad_reason_argument(place: Path) -> None:
    with pql.connect(clinic()) as db:
        result = db.predict(
            "PREDICT COUNT(visits.*, 0, 30, days) FOR EACH users.user_id WITH (model = entity_mean, cache = off)"
        )
        result.importance("weekday")


SCENES = {
    scene.__name__: scene
    for scene in (
        no_data, insufficient_history, no_labels, too_few_labels, no_positive_labels, no_negative_labels, one_class,
        too_many_classes, no_examples, no_entities, unknown_entity, no_anchors, incomplete_window,
        no_candidates, too_many_pairs, nothing_to_check,
        bad_label_table, bad_fit_argument, bad_reason_argument, bad_bench_folder,
    )
}  # fmt: skip
