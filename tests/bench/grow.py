"""The shop grown 10 or 100 times: `python tests/bench/grow.py FACTOR FOLDER` writes its three tables as Parquet there.

Each of FACTOR copies has users, items and orders of its own, with shifted ids, other amounts and other times (users and
items up to ten days earlier, orders up to twelve hours later); a user buys three items of ten in another copy's range,
always the same ones. All of it follows from the ids alone. Where the shop isn't there, orders of the same shape are
made up first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

SHOP = Path(__file__).resolve().parents[3] / "shared" / "data" / "shop"
USERS, ITEMS, ORDERS = 5_000, 1_000, 200_000
SPARE = 10_000  # ids of one copy, users and items alike
TABLES = ("users", "items", "orders")


def grow(factor: int, folder: Path, shop: Path = SHOP) -> Path:
    """Write the grown shop into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder / ".spill")})
    made_up = not all((shop / f"{name}.parquet").is_file() for name in TABLES)
    for name, statement in _made_up().items():
        source = f"({statement})" if made_up else f"'{shop / name}.parquet'"
        con.execute(f"CREATE TABLE base_{name} AS SELECT * FROM {source}")
    con.execute(f"CREATE TABLE copies AS SELECT range AS copy FROM range({factor})")
    for name, statement in _grown(factor).items():
        con.execute(f"COPY ({statement}) TO '{folder / name}.parquet' (FORMAT parquet)")
    con.close()
    return folder


def _hash(text: str, modulus: int) -> str:
    """Whole numbers in 0 … modulus - 1 that look drawn, from a whole number."""
    return f"(((({text}) % 2147483647) * 48271 % 2147483647 * 16807 % 2147483647) >> 8) % {modulus}"


def _grown(factor: int) -> dict[str, str]:
    shifted = f"copy * {SPARE}"
    user, item = f"user_id + {shifted}", f"item_id + {shifted}"
    pair = "user_id * 7919 + item_id * 104729 + copy * 1299709"
    home = f"CASE WHEN {_hash(pair, 10)} < 3 THEN {_hash(f'{pair} + 17', factor)} ELSE copy END"
    one = f"order_id + copy * {ORDERS}"
    return {
        "users": f"SELECT {user} AS user_id, age, country, plan, "
        f"signup_at - to_days(CAST({_hash(user, 10)} AS INTEGER)) AS signup_at FROM copies, base_users ORDER BY 1",
        "items": f"SELECT {item} AS item_id, category, round(price * (0.9 + {_hash(item, 200)} / 1000), 2) AS price, "
        f"brand, created_at - to_days(CAST({_hash(f'{item} + 5', 10)} AS INTEGER)) AS created_at "
        "FROM copies, base_items ORDER BY 1",
        "orders": f"SELECT {one} AS order_id, {user} AS user_id, item_id + ({home}) * {SPARE} AS item_id, "
        f"ts + to_seconds(CASE WHEN copy = 0 THEN 0 ELSE {_hash(one, 43_200)} END) AS ts, qty, "
        f"round(amount * (0.9 + {_hash(f'{one} + 3', 200)} / 1000), 2) AS amount "
        "FROM copies, base_orders ORDER BY ts, 1",
    }


def _made_up() -> dict[str, str]:
    """A shop of the same shape: users with a rhythm and tastes of their own, popular items, seven hundred days."""
    day, taste = _hash("range * 31 + 7", 700), _hash("range * 13 + 5", USERS)
    user, item = _hash("range + 11", USERS), _hash("range + 1", ITEMS)
    liked = f"CAST((u * 37 + {_hash('range + 21', 12)} * 83) % {ITEMS} AS BIGINT)"
    since = "TIMESTAMP '2023-01-01'"
    return {
        "users": f"SELECT range AS user_id, 18.0 + {_hash('range', 60)} AS age, "
        f"'c' || {_hash('range + 9', 8)} AS country, ['free', 'plus', 'pro'][1 + {_hash('range + 4', 3)}] AS plan, "
        f"{since} + to_days(CAST({_hash('range + 2', 30)} AS INTEGER)) AS signup_at FROM range({USERS})",
        "items": f"SELECT range AS item_id, 'cat_' || {_hash('range', 12)} AS category, "
        f"1.5 + {_hash('range + 8', 8000)} / 100 AS price, 'b' || {_hash('range + 6', 40)} AS brand, "
        f"{since} AS created_at FROM range({ITEMS})",
        "orders": f"SELECT range AS order_id, least(u, {user}) AS user_id, least({liked}, {item}) AS item_id, "
        f"{since} + to_seconds(2678400 + {day} * 86400 + {_hash('range + 3', 86_400)}) AS ts, "
        f"1 + {_hash('range + 15', 4)} AS qty, 2.0 + {_hash('range + 19', 9000)} / 100 AS amount "
        f"FROM (SELECT range, {taste} AS u FROM range({ORDERS})) ORDER BY ts, 1",
    }


if __name__ == "__main__":
    grow(int(sys.argv[1]), Path(sys.argv[2]))
