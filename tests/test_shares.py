"""Entity shares: how often each class came in the entity's own past, as of the anchor and no later."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import pql
from pql.engine.features.past import Facts
from pql.engine.graph.seeds import Seeds
from pql.engine.models.shares import SharesFitted, SharesModel, counts

SCHEMA = """
create table codes as select 'c' || i as code, timestamp '2020-01-01' as since from range(40) t(i);
create table patients as select i as id, timestamp '2023-01-01' as joined from range(120) t(i);
create table visits as
  select i as visit, (i * 7) % 120 as patient, timestamp '2023-01-01' + interval (i * 3) hour as at,
         'c' || (((i * 7) % 120) + case when hash(i) % 3 = 0 then 1 else 0 end) % 40 as code
  from range(2400) t(i);
"""
QUERY = "PREDICT FIRST(visits.code, 0, 30, days) FOR EACH patients.id AS OF 2023-10-01"
LATER = """
delete from visits where "at" > timestamp '2023-10-01' and visit % 2 = 0;
update visits set code = 'c0' where "at" > timestamp '2023-10-01';
"""


def facts() -> Facts:
    """Entity 0: a, b, b, NULL; entity 1: none; entity 2: c (no class of training)."""
    times = np.array([1, 2, 5, 6, 3])
    kinds = np.array([0, 1, 1, -1, 2])
    starts, moment = np.array([0, 4, 4, 5]), np.arange(6)
    return Facts(starts, times, moment, None, 10, 0.0, "other", np.arange(5), kinds, pa.array(["a", "b", "c"]))


def test_rows_count_up_to_the_anchor_and_less_the_older_they_are() -> None:
    past = facts().behind(Seeds(np.array([0, 0, 0, 1, 2]), np.array([0, 2, 9, 9, 9])))
    assert counts(past, ("b", "a"), 1.0).tolist() == [[0, 0], [1, 1], [2, 1], [0, 0], [0, 0]]
    assert counts(past, ("b", "a"), 0.5)[2].tolist() == [0.5 + 0.25, 0.125]
    assert counts(past.take(np.array([2])), ("b", "a"), 1.0).tolist() == [[2, 1]]


def test_a_state_gives_the_same_shares_again() -> None:
    made = SharesFitted(np.array([0.25, 0.75]), ("a", "b"), 0.9, 3.0)
    again = SharesModel().restore(made.state())
    assert (again.classes, again.keep, again.doubt, again.base.tolist()) == (("a", "b"), 0.9, 3.0, [0.25, 0.75])


@pytest.fixture
def path(tmp_path):
    with duckdb.connect(str(tmp_path / "clinic.duckdb")) as con:
        con.execute(SCHEMA)
    return str(tmp_path / "clinic.duckdb")


def test_with_many_classes_an_entitys_own_past_answers(path) -> None:
    found = pql.connect(path).predict(f"{QUERY} WITH (model=boosted, budget='1 s')")
    assert found.metrics.value("entity_shares", "test", "accuracy") > 0.5
    assert found.metrics.value("majority", "test", "accuracy") < 0.1


def test_later_rows_change_nothing_and_the_reason_is_said(path) -> None:
    query = f"{QUERY} WITH (model=entity_mean, cache='off')"
    with pql.connect(path) as db:
        first = db.predict(query)
        before = first.to_arrow_table()
        assert "how often it was so before" in first.why(1).sentences[0]
    with duckdb.connect(path) as con:
        con.execute(LATER)
    with pql.connect(path) as db:
        assert db.predict(query).to_arrow_table().equals(before)
