"""Upsell: which customers will go over to the premium tier, and with which product?

The data is made (`data/camera_shop.py`). Only customers who never bought premium are asked about: the WHERE with -INF holds at
every moment the model learns from, so that it learns the first step up, not the habit. Planted is that those who step up look at
premium products for some weeks before: the reasons reach down to those very views.

    $ python examples/upsell.py

It prints:

    customer_id  steps_up  product_name            price  rank
    ───────────  ────────  ─────────────────────  ──────  ────
           1559    0.5600  Alto Memory Card P1    109.79     1
           1559    0.5600  Alto Tripod P1         278.69     2
           1598    0.4100  Boreal Memory Card P1  110.18     1
           1598    0.4100  Boreal Lens P1         908.97     2
           1045    0.2700  Alto Bag P1            185.01     1
           1045    0.2700  Alto Memory Card P1    109.79     2
    … 20 rows in all

    Who steps up:
    on test                                 auroc  average_precision              brier
    boosted         model                   0.988              0.257              0.004
    rate            baseline                0.500              0.005              0.005
    last_window     baseline                0.500              0.005              0.005
    entity_mean     baseline                0.500              0.005              0.005
    boosted beats the best baseline, rate, on test: auroc 0.9884 against 0.5.
    95 % interval of the auroc: 0.974 to 0.998, from 607 customers

    With which product:
    on test                                 map@2
    blend           model                   0.448
    boosted         member                  0.464
    calendar        member                  0.123
    repeat          baseline                0.321
    popularity      baseline                0.123
    blend beats the best baseline, repeat, on test: map@2 0.4481 against 0.3214.

    Why the first of them:
    customer_id 1559: 55.7%, from 0.5% that all begin with; raised most by how often tier of products of its views is premium in the last 120 days (47%; latest products 111, 2 days before), the largest price of products of its views (2,225; products 106, 6 days before) and the largest cost of products of its views (1,666; products 106, 6 days before).

Your own tables: any condition on the products (`products.price > 500`, `plans.level = 'pro'`) may stand in the window, and the
same one in the WHERE with `-INF, 0`. Such events are rare, one in a hundred here: look at the average precision and at the
interval before you believe an AUROC.
"""

from data import camera_shop
from data.quality import beside

import pql

WHO = """
PREDICT EXISTS(purchases.* WHERE products.tier = 'premium', 0, 30, days)
FOR EACH customers.customer_id
WHERE COUNT(purchases.*, -180, 0, days) > 0
  AND COUNT(purchases.* WHERE products.tier = 'premium', -INF, 0, days) = 0
USING customers, products, categories, purchases, views
WITH (model = boosted)
"""

WHAT = """
PREDICT BOOL(purchases.product_id, 0, 60, days) RANK TOP 2
FOR EACH customers.customer_id, products.product_id
CANDIDATES WHERE products.tier = 'premium'
USING customers, products, categories, purchases, views
"""

OFFERS = f"""
SELECT who.customer_id, round(who.probability, 2) AS steps_up, products.product_name, products.price, what.rank
FROM ({WHO}) AS who
JOIN ({WHAT}) AS what USING (customer_id)
JOIN products USING (product_id)
WHERE who.probability > 0.05
ORDER BY who.probability DESC, who.customer_id, what.rank
"""


def main() -> None:
    with pql.connect(camera_shop.tables(customers=1500)) as db:
        offers = db.sql(OFFERS)
        print(offers.text(limit=6))
        who, what = offers.predictions
        print()
        print("Who steps up:")
        print(beside(who.metrics, "average_precision", "brier"))
        auroc = next(row for row in who.metrics.rows if (row.role, row.split, row.metric) == ("model", "test", "auroc"))
        print(f"95 % interval of the auroc: {auroc.low:.3f} to {auroc.high:.3f}, from {auroc.n} customers")
        print()
        print("With which product:")
        print(beside(what.metrics))
        print()
        print("Why the first of them:")
        print(who.why(1).sentences[0])


if __name__ == "__main__":
    main()
