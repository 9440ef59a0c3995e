"""A small folder in RelBench's format, written by the tests: a shop, a task of every kind."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from label_tables import START, anchors, labels, shop

VAL, TEST = START + dt.timedelta(days=380), START + dt.timedelta(days=480)

MANIFEST = f"""
name: rel-shop
manifest_version: 1
val_timestamp: {VAL.date()}
test_timestamp: '{TEST.date()}'
a_key_of_later_versions: {{deep: [1, 2]}}
tables:
  customers: {{pkey: customer_id, time_col: null, fkeys: {{}}}}
  items: {{pkey: item_id, time_col: null}}
  orders:
    pkey: order_id
    time_col: ordered_at
    fkeys: {{customer_id: customers, item_id: items}}
"""

ENTITY = "entity_table: customers\nentity_col: customer_id\ntarget_col: label\ntime_col: at\ntimedelta: 30 days\n"
TASKS = {
    "comes": f"name: comes\nkind: forecast\ntask_type: binary_classification\n{ENTITY}sql: SELECT 1\n",
    "orders": f"name: orders\nkind: forecast\ntask_type: regression\n{ENTITY}unheard_of: 3\n",
    "buys": (
        "name: buys\nkind: forecast\ntask_type: recommendation\nsrc_entity_table: customers\n"
        "src_entity_col: customer_id\ndst_entity_table: items\ndst_entity_col: item_id\ntime_col: at\n"
        "timedelta: 30 days\neval_k: 3\n"
    ),
    "amount": (
        "name: amount\nkind: autocomplete\ntask_type: regression\nentity_table: orders\ntarget_col: amount\n"
        "remove_columns:\n- - orders\n  - grade\n"
    ),
}


def write_folder(place: Path, tables: dict[str, pa.Table] | None = None) -> Path:
    """The folder, from the shop or from other rows of it; the labels are always those of the shop."""
    whole = shop()
    tables = whole if tables is None else tables
    (place / "db").mkdir(parents=True)
    (place / "manifest.yaml").write_text(MANIFEST, "utf-8")
    for name, table in tables.items():
        pq.write_table(table, place / "db" / f"{name}.parquet")
    when = {"train": anchors(60, 350), "val": anchors(380, 440), "test": anchors(480, 540)}
    for task, manifest in TASKS.items():
        folder = place / "tasks" / task
        folder.mkdir(parents=True)
        (folder / "manifest.yaml").write_text(manifest, "utf-8")
        for split, moments in when.items():
            rows = _own_rows(whole, split) if task == "amount" else _rows(whole, task, moments)
            if task == "amount" and split == "test":
                continue
            if split == "test":
                rows = rows.drop_columns(["label" if task != "buys" else "item_id"])
            pq.write_table(rows, folder / f"{split}.parquet")
    return place


def _rows(tables: dict[str, pa.Table], task: str, moments: list[dt.datetime]) -> pa.Table:
    kind = {"comes": "any", "orders": "orders", "buys": "items"}[task]
    rows = labels(tables, moments, kind)
    return rows.rename_columns(["customer_id", "at", "item_id"]) if task == "buys" else rows


def _own_rows(tables: dict[str, pa.Table], split: str) -> pa.Table:
    orders = tables["orders"]
    times = orders["ordered_at"].to_numpy().astype("datetime64[us]")
    val, test = np.datetime64(VAL), np.datetime64(TEST)
    inside = times < val if split == "train" else (times >= val) & (times < test)
    return orders.filter(pa.array(inside)).select(["ordered_at", "order_id", "amount"])
