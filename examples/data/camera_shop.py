"""A camera shop of one's own making: the schema most shops have, and habits that are known because they were planted.

    customers(customer_id, name, country, joined_at)      categories(category_id, category_name)
    products(product_id, category_id, product_name, tier, price, cost)
    purchases(purchase_id, customer_id, product_id, purchased_at, quantity, amount)
    views(view_id, customer_id, product_id, viewed_at)    stock(product_id, units, counted_at)

What was planted, so that you can tell whether a model found it:

* Each customer buys at a rate of its own (gamma) until it leaves for good (exponential, a year and a half in the
  mean): churn and lifetime value. Two in three customers joined before the data's last year.
* A camera body leads to companions of its own system within about four weeks: a lens (45 %), a memory card (50 %), a bag (25 %):
  cross-sell. Each customer stays with one of two systems (their lenses fit no other), and has a favourite category.
* Seven in ten purchases were preceded by views of the same product in the six days before; as many views again
  lead to nothing.
* Those who buy much of the middle tier begin to look at premium products, and buy one in the weeks after: upsell.
* More is sold before Christmas and at weekends.

Everything is drawn from one seed: the same call gives the same rows.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

START = dt.datetime(2023, 1, 1)
CATEGORIES = ("body", "lens", "memory card", "bag", "tripod", "filter")
PRICES = (900.0, 450.0, 45.0, 80.0, 120.0, 40.0)
TIERS = ("entry", "middle", "premium")
DEAR = (0.6, 1.0, 2.2)
SYSTEMS = ("Alto", "Boreal")
COMPANIONS = ((1, 0.45), (2, 0.50), (3, 0.25))  # category, how likely after a body
DAY = 86400


def tables(customers: int = 600, days: int = 730, seed: int = 0, rate: float = 1.0) -> dict[str, pa.Table]:
    """The six tables as Arrow. `rate`: how much more (or less) everyone buys."""
    rng = np.random.default_rng(seed)
    products = _products(rng)
    joined = rng.integers(0, int(days * 0.67), customers) * DAY + rng.integers(0, DAY, customers)
    habit = rng.gamma(1.2, 1 / 45, customers) * rate  # purchases per day
    left = joined + rng.exponential(540, customers) * DAY
    system, favourite = rng.integers(0, 2, customers), rng.integers(1, len(CATEGORIES), customers)
    rising = rng.random(customers) < 0.3
    bought: list[tuple[int, int, int]] = []  # time, customer, product
    viewed: list[tuple[int, int, int]] = []
    for who in range(customers):
        _life_of_one(
            rng, who, products, joined[who], min(left[who], days * DAY), habit[who], system[who], favourite[who],
            rising[who], bought, viewed,
        )  # fmt: skip
    end = days * DAY
    bought = sorted(row for row in bought if row[0] < end)
    viewed = sorted(row for row in viewed if 0 <= row[0] < end)
    quantity = np.where(rng.random(len(bought)) < 0.12, 2, 1)
    price = products["price"][[row[2] for row in bought]]
    return {
        "customers": pa.table(
            {
                "customer_id": np.arange(customers) + 1001,
                "name": [f"Customer {i + 1001}" for i in range(customers)],
                "country": rng.choice(["DE", "FR", "IT", "PL"], customers, p=[0.4, 0.3, 0.2, 0.1]),
                "joined_at": _times(joined),
            }
        ),
        "categories": pa.table(
            {"category_id": np.arange(len(CATEGORIES)) + 1, "category_name": [c.title() for c in CATEGORIES]}
        ),
        "products": pa.table(
            {
                "product_id": np.arange(len(products["price"])) + 101,
                "category_id": products["category"] + 1,
                "product_name": products["name"],
                "tier": [TIERS[t] for t in products["tier"]],
                "price": products["price"],
                "cost": np.round(products["price"] * products["share"], 2),
            }
        ),
        "purchases": pa.table(
            {
                "purchase_id": np.arange(len(bought)) + 1,
                "customer_id": np.array([row[1] for row in bought]) + 1001,
                "product_id": np.array([row[2] for row in bought]) + 101,
                "purchased_at": _times([row[0] for row in bought]),
                "quantity": quantity,
                "amount": np.round(price * quantity, 2),
            }
        ),
        "views": pa.table(
            {
                "view_id": np.arange(len(viewed)) + 1,
                "customer_id": np.array([row[1] for row in viewed]) + 1001,
                "product_id": np.array([row[2] for row in viewed]) + 101,
                "viewed_at": _times([row[0] for row in viewed]),
            }
        ),
        "stock": pa.table(
            {
                "product_id": np.arange(len(products["price"])) + 101,
                "units": rng.choice([0, 2, 5, 20, 60], len(products["price"]), p=[0.15, 0.15, 0.2, 0.3, 0.2]),
                "counted_at": _times([end - 1] * len(products["price"])),
            }
        ),
    }


def _products(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Two systems, six categories, three tiers, two models of each: 72 products; columns by name."""
    rows = [(s, c, t, m) for s in range(2) for c in range(len(CATEGORIES)) for t in range(3) for m in range(2)]
    system, category, tier, _ = (np.array(column) for column in zip(*rows, strict=True))
    price = np.array(PRICES)[category] * np.array(DEAR)[tier] * rng.uniform(0.85, 1.15, len(rows))
    names = [f"{SYSTEMS[s]} {CATEGORIES[c].title()} {TIERS[t][0].upper()}{m + 1}" for s, c, t, m in rows]
    return {
        "system": system,
        "category": category,
        "tier": tier,
        "price": np.round(price, 2),
        "share": rng.uniform(0.5, 0.75, len(rows)),
        "name": np.array(names),
    }


def _life_of_one(rng, who, products, begin, end, habit, system, favourite, rising, bought, viewed) -> None:  # type: ignore[no-untyped-def]
    """One customer's purchases and views, appended to `bought` and `viewed`."""
    moment, middle, premium_from = float(begin), 0, None
    while True:
        busy = 1.6 if _day(moment) in (11, 12) else 1.0
        moment += rng.exponential(1 / (habit * busy)) * DAY
        if moment >= end:
            break
        weekday = (START + dt.timedelta(seconds=moment)).weekday()
        if weekday < 5 and rng.random() < 0.3:  # put off to the Saturday
            moment += (5 - weekday) * DAY
        premium = premium_from is not None and moment > premium_from and rng.random() < 0.6
        tier = 2 if premium else int(rng.random() < 0.55)
        category = favourite if rng.random() < 0.5 else int(rng.choice(6, p=[0.16, 0.2, 0.24, 0.14, 0.12, 0.14]))
        middle += tier == 1
        _buy(rng, who, products, moment, system, category, tier, bought, viewed)
        if category == 0:
            for companion, chance in COMPANIONS:
                if rng.random() < chance:
                    after = moment + rng.uniform(2, 28) * DAY
                    if after < end:
                        _buy(rng, who, products, after, system, companion, tier, bought, viewed)
        if rising and middle >= 3 and premium_from is None:  # begins to look at premium, and buys weeks after
            premium_from = moment + 10 * DAY
            for _ in range(int(rng.integers(4, 9))):
                product = _pick(rng, products, system, int(rng.choice([0, 1, favourite])), 2)
                viewed.append((int(moment + rng.uniform(1, 40) * DAY), who, product))


def _buy(rng, who, products, moment, system, category, tier, bought, viewed) -> None:  # type: ignore[no-untyped-def]
    product = _pick(rng, products, system, category, tier)
    bought.append((int(moment), who, product))
    if rng.random() < 0.7:
        for _ in range(int(rng.integers(1, 3))):
            viewed.append((int(moment - rng.uniform(0.02, 6) * DAY), who, product))
    if rng.random() < 0.7:  # looks at something, which comes to nothing
        other = _pick(rng, products, system, int(rng.integers(0, 6)), int(rng.integers(0, 2)))
        viewed.append((int(moment + rng.uniform(1, 40) * DAY), who, other))


def _pick(rng: np.random.Generator, products: dict[str, np.ndarray], system: int, category: int, tier: int) -> int:
    fits = (products["system"] == system) & (products["category"] == category) & (products["tier"] == tier)
    return int(rng.choice(np.nonzero(fits)[0], p=[0.7, 0.3]))


def _day(moment: float) -> int:
    return (START + dt.timedelta(seconds=moment)).month


def _times(seconds) -> pa.Array:  # type: ignore[no-untyped-def]
    return pa.array([START + dt.timedelta(seconds=int(s)) for s in seconds], pa.timestamp("us"))
