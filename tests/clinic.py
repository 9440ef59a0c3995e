"""A small clinic, asked through the front door: what every answer and every error promises is held here."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import pql
from pql.language.errors import PqlError

START = dt.datetime(2023, 1, 1)
DAYS = 200
FAST = "WITH (model = boosted, anchors = 3, refit = off, cache = off)"
COUNT = "PREDICT COUNT(visits.*, 0, 20, days) FOR EACH users.user_id"
SPEND = "PREDICT SUM(visits.amount, 0, 20, days) FOR EACH users.user_id"

Tables = dict[str, pa.Table]


def clinic(keys: list[Any] | None = None, visits: int = 900, seed: int = 0) -> Tables:
    """Users and their visits; every user has some."""
    rng = np.random.default_rng(seed)
    keys = list(range(30)) if keys is None else keys
    who = np.concatenate([np.arange(len(keys)), rng.integers(0, len(keys), visits - len(keys))])
    when = np.sort(rng.integers(0, DAYS * 86400, visits))
    return {
        "users": pa.table({"user_id": pa.array(keys), "age": rng.integers(18, 80, len(keys))}),
        "visits": pa.table(
            {
                "visit_id": np.arange(visits),
                "user_id": pa.array([keys[i] for i in who]),
                "at": pa.array([START + dt.timedelta(seconds=int(s)) for s in when], pa.timestamp("us")),
                "amount": np.round(rng.gamma(2.0, 10.0, visits), 2),
                "kind": [("check", "repair", "sale")[i % 3] for i in range(visits)],
            }
        ),
    }


def changed(tables: Tables, name: str, **columns: Any) -> Tables:
    """The same with columns of one table replaced or added."""
    table = tables[name]
    for column, values in columns.items():
        values = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
        at = table.schema.get_field_index(column)
        table = table.append_column(column, values) if at < 0 else table.set_column(at, column, values)
    return {**tables, name: table}


def predict(source: Any, query: str, options: str = FAST) -> pql.Predictions:
    """The answer, held to what every answer promises."""
    with pql.connect(source) as db:
        result = db.predict(f"{query} {options}")
    table = result.to_arrow_table()
    assert len(table) > 0
    flagged = table.column("status").to_pylist() if "status" in table.column_names else ["ok"] * len(table)
    scored = pa.array([status == "ok" for status in flagged])
    for name in table.column_names[table.column_names.index("anchor") :]:
        column = table.column(name).filter(scored)
        assert column.null_count == 0, name
        if pa.types.is_floating(column.type):
            assert np.isfinite(np.array(column)).all(), name
    if "rank" not in table.column_names:
        keys = list(
            zip(
                *(table.column(n).to_pylist() for n in table.column_names[: table.column_names.index("anchor")]),
                strict=True,
            )
        )
        assert len(set(keys)) == len(keys)
    return result


def fault(source: Any, query: str, options: str = FAST) -> PqlError:
    """The coded error, held to what every error promises."""
    with pql.connect(source) as db, pytest.raises(PqlError) as caught:
        db.predict(f"{query} {options}")
    assert caught.value.code
    assert caught.value.hint or caught.value.fix
    assert "Traceback" not in str(caught.value)
    return caught.value


def ids(result: pql.Predictions) -> set[Any]:
    return {row[0] for row in result}
