"""pql bench FOLDER: RelBench folders are read, learnt, measured under RelBench's names, and written in its format."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_tables import shop
from relbench_folder import TEST, VAL, write_folder

from pql.bench import Wanted, bench
from pql.bench_folder import DeclaredWorkspace, read_folder
from pql.bench_metrics import relbench_metrics
from pql.engine.graph.seeds import Ragged
from pql.faces.cli import main
from pql.language.errors import PqlError

FAST = {"model": "boosted"}

pytest.importorskip("yaml", reason="pyyaml reads the manifests")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("relbench") / "rel-shop")


def run(place: Path, capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as done:
        main(["bench", str(place), "--model", "boosted", "-q", *words])
    assert done.value.code == 0
    return capsys.readouterr().out


def test_every_task_is_measured_and_written(folder, tmp_path, capsys) -> None:
    shown = run(folder, capsys, "-o", str(tmp_path / "out"))
    assert "comes (binary), val, frozen: data up to 2023-01-16: 180 rows" in shown
    assert "no truth in test.parquet: predictions only" in shown
    assert "amount (regression), val, strictly earlier rows" in shown
    said = {(one["task"], one["split"]): one for one in json.loads((tmp_path / "out" / "metrics.json").read_text())}
    assert set(said[("comes", "val")]["mean"]["model"]) == {"roc_auc", "average_precision", "accuracy", "f1"}
    assert set(said[("orders", "val")]["mean"]["model"]) == {"mae", "rmse", "r2", "nmae"}
    assert "link_prediction_map" in said[("buys", "val")]["mean"]["popularity"]
    assert ("amount", "test") not in said
    for split in ("val", "test"):
        asked = pq.read_table(folder / "tasks" / "comes" / f"{split}.parquet")
        with (tmp_path / "out" / split / "rel-shop__comes.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ["customer_id", "at", "label"]
        assert [int(row["customer_id"]) for row in rows] == asked["customer_id"].to_pylist()
        assert all(0 <= float(row["label"]) <= 1 for row in rows)
    with (tmp_path / "out" / "test" / "rel-shop__buys.csv").open() as file:
        lists = [json.loads(row["item_id"]) for row in csv.DictReader(file)]
    assert all(len(one) == len(set(one)) == 3 for one in lists)


def test_seeds_give_a_mean_and_a_spread(folder, tmp_path, capsys) -> None:
    shown = run(folder, capsys, "orders", "--seeds", "2", "--split", "val", "--regime", "as-of", "-o", str(tmp_path))
    assert "as-of: 180 rows, 2 seeds" in shown
    assert " ± " in shown
    assert (tmp_path / "val-seed-1" / "rel-shop__orders.csv").is_file()


def test_the_manifest_alone_says_what_points_where(folder) -> None:
    from pql.backends.connect import open_backend

    declared = read_folder(folder)
    backend = open_backend(folder / "db")
    with backend.snapshot() as snapshot:
        catalog = DeclaredWorkspace(backend, declared).catalog(snapshot)
    assert [str(link) for link in catalog.links] == [
        "orders.customer_id -> customers.customer_id",
        "orders.item_id -> items.item_id",
    ]
    assert catalog.table("customers").clock.kind == "none"
    assert catalog.table("orders").clock.column == "ordered_at"
    assert declared.cuts == {"val": str(VAL.date()), "test": str(TEST.date())}


def scrambled_after(moment) -> dict[str, pa.Table]:
    """The shop with other customers, items and amounts in every order later than a moment."""
    tables = shop()
    orders = tables["orders"]
    late = orders["ordered_at"].to_numpy() > np.datetime64(moment)
    rng = np.random.default_rng(5)
    for name, high in (("customer_id", 60), ("item_id", 12), ("amount", 900), ("grade", 4)):
        values = orders[name].to_numpy().copy()
        values[late] = rng.integers(0, high, int(late.sum()))
        orders = orders.set_column(orders.column_names.index(name), name, pa.array(values))
    return {**tables, "orders": orders}


@pytest.mark.parametrize("task", ["comes", "buys"])
@pytest.mark.parametrize("regime", ["frozen", "as-of"])
def test_nothing_after_the_cut_or_the_anchor_is_seen(folder, tmp_path, task: str, regime: str) -> None:
    wanted = Wanted((task,), regime, splits=("val",), options=FAST)
    (plain,) = bench(folder, wanted)
    (moved,) = bench(write_folder(tmp_path / "rel-shop", scrambled_after(VAL)), wanted)
    before, after = plain.runs[0].table, moved.runs[0].table
    if regime == "frozen":
        assert before.equals(after)
        return
    first = np.array([moment <= VAL for moment in before["at"].to_pylist()])
    assert 0 < first.sum() < len(first)
    assert before.filter(pa.array(first)).equals(after.filter(pa.array(first)))
    assert not before.equals(after)


def test_what_is_configured_is_heeded(folder, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pql.toml").write_text('model = "entity_mean"\nseed = 5\nquiet = true\n')
    with pytest.raises(SystemExit):
        main(["bench", str(folder), "orders", "--split", "val", "--seeds", "2", "-o", str(tmp_path / "out")])
    said = capsys.readouterr()
    (one,) = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert [(run["seed"], run["model"]) for run in one["seeds"]] == [(5, "entity_mean"), (6, "entity_mean")]
    assert (said.err, (tmp_path / "out" / "val").is_dir(), (tmp_path / "out" / "val-seed-6").is_dir()) == (
        "",
        True,
        True,
    )
    monkeypatch.setenv("PQL_MODEL", "gnnn")
    with pytest.raises(SystemExit):
        main(["bench", str(folder), "orders"])
    assert "bad_config" in capsys.readouterr().err


def test_metrics_are_relbenchs() -> None:
    truth = Ragged(np.array([0, 2, 2, 5]), np.array([1, 4, 0, 2, 3]))
    lists = np.array([[1, 9, 4], [1, 2, 3], [7, 8, 0]])
    found = relbench_metrics("ranking", truth, lists)
    assert found["link_prediction_map"] == pytest.approx((((1 + 2 / 3) / 2) + (1 / 3) / 3) / 2)
    assert found["link_prediction_precision"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["link_prediction_recall"] == pytest.approx((1 + 1 / 3) / 2)
    binary = relbench_metrics("binary", np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.5, 0.9]))
    assert (binary["roc_auc"], binary["accuracy"], binary["f1"]) == (1.0, pytest.approx(2 / 3), 1.0)
    numbers = relbench_metrics("regression", np.array([1.0, 3.0]), np.array([2.0, 3.0]), train_std=2.0)
    assert (numbers["mae"], numbers["nmae"], numbers["r2"]) == (0.5, 0.25, 0.5)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda place: (place / "manifest.yaml").unlink(), "has no manifest.yaml"),
        (lambda place: (place / "manifest.yaml").write_text("tables: [", "utf-8"), "can't be read"),
        (lambda place: (place / "db" / "items.parquet").unlink(), "no db/items.parquet"),
        (lambda place: (place / "tasks" / "buys" / "val.parquet").unlink(), "has no val.parquet"),
        (lambda place: (place / "tasks" / "buys" / "manifest.yaml").write_text("task_type: poem"), "task_type 'poem'"),
    ],
)
def test_a_broken_folder_says_what_is_missing(tmp_path, break_it, says: str) -> None:
    place = write_folder(tmp_path / "rel-shop")
    break_it(place)
    with pytest.raises(PqlError) as caught:
        read_folder(place)
    assert caught.value.code == "bad_bench_folder"
    assert says in str(caught.value)


def test_an_unknown_task_names_the_nearest(folder) -> None:
    with pytest.raises(PqlError, match="Did you mean orders"):
        list(bench(folder, Wanted(("order",))))
