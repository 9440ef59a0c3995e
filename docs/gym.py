"""Write the CSV folder that the tour and "how it works" read: `python docs/gym.py [FOLDER]` (default: gym).

A made-up gym: members, the classes it offers, their visits and their payments, over a year and a half. Members come and
go, have favourite classes and habits of their own. The same files on every machine.
"""

from __future__ import annotations

import csv
import datetime as dt
import random
import sys
from pathlib import Path

FIRST, LAST = dt.datetime(2024, 1, 1), dt.datetime(2025, 6, 1)
PRICES = {"basic": 20, "plus": 35, "premium": 60}
CLASSES = (
    ("Morning yoga", "yoga", 7, 12),
    ("Deep yoga", "yoga", 19, 15),
    ("Spinning", "cardio", 18, 10),
    ("Boxing", "cardio", 20, 14),
    ("Aqua fit", "pool", 9, 8),
    ("Lane swimming", "pool", 12, 6),
    ("Free weights", "strength", 17, 0),
    ("Kettlebell", "strength", 19, 9),
)
Row = tuple[object, ...]


def write(folder: Path, members: int = 400, seed: int = 3) -> Path:
    """The four files, in `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    people: list[Row] = []
    visits: list[Row] = []
    payments: list[Row] = []
    for member in range(1, members + 1):
        joined = FIRST + dt.timedelta(days=int(480 * draw.random() ** 1.5))
        plan = ("basic", "basic", "plus", "premium")[int(4 * draw.random())]
        city = ("Leeds", "York", "Hull")[int(3 * draw.random())]
        keen = 0.05 + 0.3 * draw.random() ** 2
        left = joined + dt.timedelta(days=60 + draw.expovariate(1 / (80 + 1500 * keen)))
        people.append((member, plan, city, 18 + int(50 * draw.random()), joined.date()))
        favourite = int(len(CLASSES) * draw.random())
        end = min(left, LAST)
        visits += _visits(draw, member, favourite, keen, joined, left)
        months = range(1 + max(0, (end - joined).days) // 30)
        payments += [(member, (joined + dt.timedelta(days=30 * i)).date(), PRICES[plan]) for i in months]
    visits.sort(key=lambda row: row[2])  # type: ignore[arg-type, return-value]
    payments.sort(key=lambda row: row[1])  # type: ignore[arg-type, return-value]
    offered = [(number, *about) for number, about in enumerate(CLASSES, 1)]
    _file(folder / "members.csv", "member_id,plan,city,age,joined", people)
    _file(folder / "classes.csv", "class_id,title,kind,hour,price", offered)
    _file(folder / "visits.csv", "visit_id,member_id,visited_at,class_id", _numbered(visits))
    _file(folder / "payments.csv", "payment_id,member_id,paid_on,amount", _numbered(payments))
    return folder


def _visits(
    draw: random.Random, member: int, favourite: int, keen: float, joined: dt.datetime, left: dt.datetime
) -> list[Row]:
    """The visits of one member, who comes less in the last six weeks before leaving."""
    rows: list[Row] = []
    day = joined
    while True:
        rate = keen if (left - day).days > 42 else keen / 3
        day += dt.timedelta(days=max(1, round(draw.expovariate(rate))))
        if day >= min(left, LAST):
            return rows
        offered = favourite if draw.random() < 0.6 else int(len(CLASSES) * draw.random())
        hour = CLASSES[offered][2]
        rows.append((member, day + dt.timedelta(hours=int(hour), minutes=int(15 * draw.random())), offered + 1))


def _numbered(rows: list[Row]) -> list[Row]:
    return [(number, *row) for number, row in enumerate(rows, 1)]


def _file(path: Path, header: str, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header.split(","))
        out.writerows(rows)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "gym"))
