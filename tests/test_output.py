"""The result table has the columns of LANGUAGE §6, ranked, with nobody lost."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from pql.engine.answers.output import NOT_ELIGIBLE, OK, UNKNOWN, Asked, Ranked, result_names, result_table, with_names
from pql.language.bound import TaskKind

DAY = 86_400_000_000


def plan(
    kind: TaskKind,
    *,
    alias: str | None = None,
    top_k: int | None = None,
    distribution: bool = False,
    interval: float | None = None,
):
    item = SimpleNamespace(key="item_id", column=SimpleNamespace(column="item_id"))
    return SimpleNamespace(
        task=SimpleNamespace(kind=kind, item=item, top_k=top_k),
        output=SimpleNamespace(alias=alias),
        query=SimpleNamespace(
            task=kind,
            distribution=distribution,
            quantiles=(),
            interval=interval,
            asks_pairs=False,
            syntax=SimpleNamespace(returning=None),
        ),
    )


def asked(n: int, status: tuple[str, ...] | None = None, key: str = "user_id") -> Asked:
    return Asked(pa.table({key: pa.array(np.arange(n) + 2**53)}), np.full(n, DAY), status)


def test_binary_is_ranked_by_probability_and_cut_at_the_threshold() -> None:
    table = result_table(plan(TaskKind.BINARY), asked(3), np.array([0.2, 0.9, 0.5]), threshold=0.5)
    assert table.column_names == ["user_id", "anchor", "probability", "prediction"]
    assert table.column("user_id").to_pylist() == [2**53 + 1, 2**53 + 2, 2**53]
    assert table.column("prediction").to_pylist() == [True, True, False]
    assert str(table.schema.field("anchor").type) == "timestamp[us]"


def test_those_who_cannot_be_scored_come_back_flagged() -> None:
    status = (UNKNOWN, OK, NOT_ELIGIBLE)
    table = result_table(plan(TaskKind.REGRESSION), asked(3, status), np.array([4.0]))
    assert table.column("status").to_pylist() == [OK, UNKNOWN, NOT_ELIGIBLE]
    assert table.column("prediction").to_pylist() == [4.0, None, None]


def test_bounds_stand_beside_the_prediction() -> None:
    scores = np.array([[4.0, 1.0, 9.0], [5.0, 2.0, 6.0]])
    table = result_table(plan(TaskKind.REGRESSION, interval=0.8), asked(2), scores)
    assert table.column_names == ["user_id", "anchor", "prediction", "lower", "upper"]
    assert table.column("lower").to_pylist() == [2.0, 1.0]


def test_the_alias_renames_the_prediction() -> None:
    table = result_table(plan(TaskKind.REGRESSION, alias="spend"), asked(1), np.array([4.0]))
    assert table.column_names == ["user_id", "anchor", "spend"]


def test_the_alias_names_the_items_of_a_list() -> None:
    ranked = Ranked(np.array([0, 0]), pa.array([7, 9]), np.array([0.9, 0.2]), np.array([1, 2]))
    table = result_table(plan(TaskKind.RANKING, alias="next"), asked(1), ranked)
    assert table.column_names == ["user_id", "anchor", "next", "score", "rank"]


def test_an_alias_called_like_another_column_leaves_no_name_twice() -> None:
    table = result_table(plan(TaskKind.BINARY, alias="probability"), asked(1), np.array([0.4]))
    assert table.column_names == ["user_id", "anchor", "probability", "probability_"]
    table = result_table(plan(TaskKind.REGRESSION, alias="Anchor"), asked(1), np.array([4.0]))
    assert table.column_names == ["user_id", "anchor", "Anchor_"]
    table = result_table(plan(TaskKind.BINARY, alias="status"), asked(1, status=("ok",)), np.array([0.4]))
    assert table.column_names == ["user_id", "anchor", "probability", "status", "status_"]


def test_a_key_called_like_one_of_ours_keeps_its_name() -> None:
    table = result_table(plan(TaskKind.REGRESSION), asked(1, key="prediction"), np.array([4.0]))
    assert table.column_names == ["prediction", "anchor", "prediction_"]
    assert result_names(("Anchor",), ("anchor",)) == {"anchor": "anchor_"}


def test_multiclass_gives_the_likeliest_class() -> None:
    scores = np.array([[0.1, 0.9], [0.6, 0.4]])
    table = result_table(plan(TaskKind.MULTICLASS), asked(2), scores, classes=pa.array(["a", "b"]))
    assert table.column("prediction").to_pylist() == ["b", "a"]
    assert table.column("probability").to_pylist() == [0.9, 0.6]


def test_a_distribution_has_one_row_per_class() -> None:
    scores = np.array([[0.1, 0.9]])
    table = result_table(plan(TaskKind.MULTICLASS, distribution=True), asked(1), scores, classes=pa.array(["a", "b"]))
    assert table.column("class").to_pylist() == ["b", "a"]


def test_ranked_items_keep_their_key_and_type() -> None:
    ranked = Ranked(np.array([0, 0, 1]), pa.array(["x", "y", "x"]), np.array([2.0, 1.0, 3.0]), np.array([1, 2, 1]))
    table = result_table(plan(TaskKind.RANKING), asked(3, (OK, NOT_ELIGIBLE, OK)), ranked)
    assert table.column_names == ["user_id", "anchor", "item_id", "score", "rank", "status"]
    assert table.column("user_id").to_pylist() == [2**53, 2**53, 2**53 + 2, 2**53 + 1]
    assert table.column("item_id").to_pylist() == ["x", "y", "x", None]


def test_names_stand_beside_ids_when_shown() -> None:
    table = pa.table({"item_id": [3, 1], "rank": [1, 2]})
    shown = with_names(table, {"item_id": (pa.array([1, 3]), pa.array(["one", "three"]), "name")})
    assert shown.column_names == ["item_id", "name", "rank"]
    assert shown.column("name").to_pylist() == ["three", "one"]


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.REGRESSION])
def test_nobody_at_all_is_an_empty_table(kind: TaskKind) -> None:
    assert result_table(plan(kind), asked(0), np.zeros(0)).num_rows == 0
