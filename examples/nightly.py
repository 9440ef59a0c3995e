"""A scheduled batch run: predict, keep the predictions, score the earlier ones against what came true, warn of drift.

    $ python nightly.py app.duckdb predictions.duckdb        # one night; --as-of 2024-09-01 for a night of the past
    $ python nightly.py --try                                # five nights over made data, the tracker broken before the last

Each run appends one row per subscriber to `predictions`, one to `runs`, and to `scores` one for each earlier run whose window has
passed by now. A second run of the same night appends nothing. Exit codes, for whatever starts it:

    0  all is well
    1  done, with warnings: stale data, drift of the inputs, a jump of the predictions, or predictions that came no truer than the rate
    2  failed: nothing was kept of this night

A line for cron, which mails what is printed wherever the exit code isn't 0 (`out` is a file):

    15 3 * * *  cd /srv/churn && .venv/bin/python nightly.py app.duckdb predictions.duckdb > out 2>&1 || mail -s churn ops < out

It prints:

    2024-08-01: 1101 predictions, mean 0.059
    on test                                 auroc
    instant         model                   0.875
    rate            baseline                0.500
    last_window     baseline                0.480
    entity_mean     baseline                0.528
    instant beats the best baseline, entity_mean, on test: auroc 0.8752 against 0.5276.
    exit code 0

    2024-09-01: 1150 predictions, mean 0.076
    on test                                 auroc
    instant         model                   0.860
    rate            baseline                0.500
    last_window     baseline                0.489
    entity_mean     baseline                0.529
    instant beats the best baseline, entity_mean, on test: auroc 0.8604 against 0.5286.
    drift of sessions per subscriber since 2024-08-01: 0.025
    expected to leave: 0.076 after 0.059 on 2024-08-01
    came true of 2024-08-01: auroc 0.867, brier 0.056 (the rate alone: 0.069); 0.059 expected to leave, 0.074 left
    exit code 0

    2024-10-01: 1190 predictions, mean 0.084
    on test                                 auroc
    instant         model                   0.803
    rate            baseline                0.500
    last_window     baseline                0.463
    entity_mean     baseline                0.494
    instant beats the best baseline, rate, on test: auroc 0.8028 against 0.5.
    drift of sessions per subscriber since 2024-08-01: 0.022
    expected to leave: 0.084 after 0.076 on 2024-09-01
    came true of 2024-09-01: auroc 0.811, brier 0.056 (the rate alone: 0.065); 0.076 expected to leave, 0.070 left
    exit code 0

    2024-11-01: 1088 predictions, mean 0.082
    on test                                 auroc
    instant         model                   0.884
    rate            baseline                0.500
    last_window     baseline                0.481
    entity_mean     baseline                0.523
    instant beats the best baseline, entity_mean, on test: auroc 0.8841 against 0.5233.
    drift of sessions per subscriber since 2024-08-01: 0.010
    expected to leave: 0.082 after 0.084 on 2024-10-01
    came true of 2024-10-01: auroc 0.907, brier 0.049 (the rate alone: 0.071); 0.084 expected to leave, 0.077 left
    exit code 0

    2024-11-28: 744 predictions, mean 0.164
    on test                                 auroc
    instant         model                   0.791
    rate            baseline                0.500
    last_window     baseline                0.500
    entity_mean     baseline                0.568
    instant beats the best baseline, entity_mean, on test: auroc 0.791 against 0.5676.
    drift of sessions per subscriber since 2024-08-01: 0.716
    expected to leave: 0.164 after 0.082 on 2024-11-01
    WARNING drift: sessions per subscriber, index 0.72 since 2024-08-01
    WARNING jump: 0.164 are expected to leave, 0.082 were on 2024-11-01
    exit code 1

Your own tables: change QUERY, ACTIVE (the inputs whose drift is watched: one number per entity) and CAME_TRUE (the truth of a window, in
plain SQL on purpose: it doesn't come from the code that it checks). The query trains on each night's data (the same data loads the
kept model); with CREATE MODEL and USING MODEL a model of your choice answers until you replace it.
"""

import argparse
import datetime as dt
import os
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
from data import subscribers
from data.quality import beside
from sklearn.metrics import brier_score_loss, roc_auc_score

import pql

HORIZON = 30  # days
QUERY = f"""
PREDICT COUNT(sessions.*, 0, {HORIZON}, days) = 0 FOR EACH subscribers.subscriber_id
WHERE COUNT(sessions.*, -21, 0, days) > 0 WITH (model = instant)
"""
NEWEST = "SELECT max(started_at) FROM sessions"
ACTIVE = """
SELECT count(*)::DOUBLE FROM sessions
WHERE started_at > $anchor::TIMESTAMP - INTERVAL 30 DAY AND started_at <= $anchor GROUP BY subscriber_id ORDER BY 1
"""
CAME_TRUE = f"""
SELECT p.probability, NOT EXISTS (
    FROM sessions AS s WHERE s.subscriber_id = p.subscriber_id
    AND s.started_at > p.anchor AND s.started_at <= p.anchor + INTERVAL {HORIZON} DAY
) AS left_us
FROM store.predictions AS p WHERE p.anchor = $anchor ORDER BY p.subscriber_id
"""
STALE = dt.timedelta(days=2)
DRIFTED = 0.2  # population stability index: below 0.1 nothing, above 0.2 look at it
JUMP = 1.5  # the mean prediction against that of the last run: each night's model is its own, so shapes aren't compared

TABLES = """
CREATE TABLE IF NOT EXISTS store.predictions (anchor TIMESTAMP, subscriber_id BIGINT, probability DOUBLE);
CREATE TABLE IF NOT EXISTS store.runs (
    anchor TIMESTAMP PRIMARY KEY, run_at TIMESTAMP, model VARCHAR, metric VARCHAR, model_value DOUBLE,
    baseline VARCHAR, baseline_value DOUBLE, mean_probability DOUBLE, input_quantiles DOUBLE[], warnings VARCHAR[]
);
CREATE TABLE IF NOT EXISTS store.scores (
    anchor TIMESTAMP PRIMARY KEY, n BIGINT, auroc DOUBLE, brier DOUBLE, brier_of_rate DOUBLE, mean_probability DOUBLE, rate DOUBLE
);
"""


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def stability(before: list[float], values: np.ndarray) -> float:
    """The population stability index of `values` against the quantiles of an earlier night, over its deciles."""
    edges = np.unique(before[9:-1:10])
    then, now = (
        np.maximum(np.bincount(np.searchsorted(edges, v), minlength=len(edges) + 1) / len(v), 1e-3)
        for v in (np.asarray(before), values)
    )
    return float(((now - then) * np.log(now / then)).sum())


def quantiles(values: np.ndarray) -> list[float]:
    """A hundred quantiles: enough of a night for later ones to be compared with."""
    return [float(v) for v in np.quantile(values, np.linspace(0.005, 0.995, 100))]


def one_night(con: duckdb.DuckDBPyConnection, data: str, as_of: dt.datetime | None) -> list[str]:
    """Predict, append, score, compare. Returns the warnings."""
    newest = con.execute(NEWEST).fetchone()[0]  # type: ignore[index]
    anchor = as_of or dt.datetime.combine(newest.date() + dt.timedelta(days=1), dt.time())
    warnings = []
    now = as_of or utc_now()
    if now - newest > STALE:
        warnings.append(f"stale: the newest session is of {newest:%Y-%m-%d %H:%M}, {(now - newest).days} days ago")
    if con.execute("FROM store.runs WHERE anchor = $a", {"a": anchor}).fetchall():
        print(f"{anchor:%Y-%m-%d} has been predicted; nothing is appended")
        return warnings
    with pql.connect(data) as db:
        result = db.predict(QUERY, as_of=anchor)
    predicted = result.to_arrow_table()  # noqa: F841  (read by DuckDB)
    p = result.to_arrow_table()["probability"].to_numpy()
    inputs = np.array([row[0] for row in con.execute(ACTIVE, {"anchor": anchor}).fetchall()])
    print(f"{anchor:%Y-%m-%d}: {len(result)} predictions, mean {p.mean():.3f}")
    print(beside(result.metrics))

    first = con.execute("SELECT anchor, input_quantiles FROM store.runs ORDER BY anchor LIMIT 1").fetchone()
    last = con.execute("SELECT anchor, mean_probability FROM store.runs ORDER BY anchor DESC LIMIT 1").fetchone()
    if first and last:
        psi = stability(first[1], inputs)
        print(f"drift of sessions per subscriber since {first[0]:%Y-%m-%d}: {psi:.3f}")
        print(f"expected to leave: {p.mean():.3f} after {last[1]:.3f} on {last[0]:%Y-%m-%d}")
        if psi > DRIFTED:
            warnings.append(f"drift: sessions per subscriber, index {psi:.2f} since {first[0]:%Y-%m-%d}")
        if not 1 / JUMP < p.mean() / last[1] < JUMP:
            warnings.append(f"jump: {p.mean():.3f} are expected to leave, {last[1]:.3f} were on {last[0]:%Y-%m-%d}")
    warnings += score_earlier(con, anchor)

    metrics = result.metrics
    rival = metrics.best_baseline("test") or ""
    con.execute("INSERT INTO store.predictions SELECT anchor, subscriber_id, probability FROM predicted")
    con.execute(
        "INSERT INTO store.runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            anchor, utc_now(), result.model.name, metrics.metric, metrics.value(result.model.name, "test"),
            rival, metrics.value(rival, "test"), float(p.mean()), quantiles(inputs), warnings,
        ],
    )  # fmt: skip
    return warnings


def score_earlier(con: duckdb.DuckDBPyConnection, now: dt.datetime) -> list[str]:
    """Score each run whose window has passed and that has no score yet, against what came true."""
    warnings = []
    passed = con.execute(
        f"SELECT anchor FROM store.runs ANTI JOIN store.scores USING (anchor) "
        f"WHERE anchor + INTERVAL {HORIZON} DAY <= $now ORDER BY anchor",
        {"now": now},
    ).fetchall()
    for (anchor,) in passed:
        rows = con.execute(CAME_TRUE, {"anchor": anchor}).fetchnumpy()
        p, left = np.asarray(rows["probability"]), np.asarray(rows["left_us"]).astype(bool)
        rate = left.mean()
        auroc = float(roc_auc_score(left, p)) if 0 < rate < 1 else float("nan")
        brier, of_rate = float(brier_score_loss(left, p)), float(rate * (1 - rate))
        con.execute(
            "INSERT INTO store.scores VALUES (?, ?, ?, ?, ?, ?, ?)",
            [anchor, len(p), auroc, brier, of_rate, float(p.mean()), float(rate)],
        )
        print(
            f"came true of {anchor:%Y-%m-%d}: auroc {auroc:.3f}, brier {brier:.3f} (the rate alone: {of_rate:.3f}); "
            f"{p.mean():.3f} expected to leave, {rate:.3f} left"
        )
        if brier >= of_rate:
            warnings.append(
                f"no skill: of {anchor:%Y-%m-%d}, brier {brier:.3f} against {of_rate:.3f} of the rate alone"
            )
    return warnings


def run(data: str, store: str, as_of: dt.datetime | None = None) -> int:
    """One night, with its exit code."""
    try:
        with duckdb.connect() as con:
            con.execute(f"ATTACH '{data.replace(chr(39), chr(39) * 2)}' AS data (READ_ONLY)")
            con.execute(f"ATTACH '{store.replace(chr(39), chr(39) * 2)}' AS store")
            con.execute("USE data")
            con.execute("BEGIN")
            con.execute(TABLES)
            warnings = one_night(con, data, as_of)
            con.execute("COMMIT")
    except (pql.PqlError, duckdb.Error) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 2
    for warning in warnings:
        print(f"WARNING {warning}")
    return 1 if warnings else 0


def try_it() -> int:
    """Five nights over made data; on the last the tracker has lost most sessions for three weeks."""
    code = 0
    with tempfile.TemporaryDirectory() as folder:
        data, store = os.path.join(folder, "app.duckdb"), os.path.join(folder, "predictions.duckdb")
        with duckdb.connect(data) as con:
            for name, table in subscribers.tables(days=335, lost=0.7, lost_from=309).items():
                con.register("made", table)
                con.execute(f"CREATE TABLE {name} AS FROM made")
                con.unregister("made")
        for night in ("2024-08-01", "2024-09-01", "2024-10-01", "2024-11-01", "2024-11-28"):
            code = run(data, store, dt.datetime.fromisoformat(night))
            print(f"exit code {code}\n")
    return code


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Predict churn, keep it, and score what was predicted before.")
    parser.add_argument("data", nargs="?", help="the DuckDB file that is read")
    parser.add_argument("store", nargs="?", help="the DuckDB file of predictions, runs and scores; made if need be")
    parser.add_argument("--as-of", type=dt.datetime.fromisoformat, help="the night, if it isn't the newest")
    parser.add_argument("--try", dest="trial", action="store_true", help="five nights over made data")
    chosen = parser.parse_args(arguments)
    if chosen.trial:
        return try_it()
    if not chosen.store:
        parser.error("a data file and a store, or --try")
    if not Path(chosen.data).exists():
        print(f"FAILED: there is no file {chosen.data}", file=sys.stderr)
        return 2
    return run(chosen.data, chosen.store, chosen.as_of)


if __name__ == "__main__":
    sys.exit(main())
