"""Cross-sell: which product will each customer buy next?

The data is made (`data/camera_shop.py`): customers, categories, products, purchases and views of a camera shop, where a camera body
leads to a lens, a memory card and a bag of its system within weeks. The question is asked by the name of its target; what it was
read as (the window is the median time between two purchases) is shown with the result. A second question asks for what is new to
each customer alone, at most one of each category: that is what a "goes well with it" mail wants.

    $ python examples/next_product.py

It prints:

    read as: PREDICT LIST_DISTINCT(purchases.product_id, 0, 12, days) RANK TOP 10 FOR customer USING customer, product, purchase, category
    customer_id  name           anchor      product_id  product_name            score  rank
    ───────────  ─────────────  ──────────  ──────────  ─────────────────────  ──────  ────
           1001  Customer 1001  2024-12-31         163  Boreal Tripod M1       0.0159     1
           1001  Customer 1001  2024-12-31         145  Boreal Lens M1         0.0112     2
           1001  Customer 1001  2024-12-31         143  Boreal Lens E1         0.0112     3
           1001  Customer 1001  2024-12-31         149  Boreal Memory Card E1  0.0085     4
           1001  Customer 1001  2024-12-31         157  Boreal Bag M1          0.0083     5
    … 6,000 rows in all
    quality: boosted beats the best baseline, repeat, on test: map@10 0.3504 against 0.2685.

    on test                                map@10          recall@10                mrr
    boosted         model                   0.350              0.703              0.419
    calendar        member                  0.157              0.369              0.183
    repeat          baseline                0.268              0.599              0.334
    popularity      baseline                0.154              0.345              0.181
    boosted beats the best baseline, repeat, on test: map@10 0.3504 against 0.2685.

    New to the customer, one of each category:
    customer_id  name           anchor      product_id  product_name            score  rank  candidates
    ───────────  ─────────────  ──────────  ──────────  ─────────────────────  ──────  ────  ──────────
           1001  Customer 1001  2024-12-31         145  Boreal Lens M1         0.0311     1          64
           1001  Customer 1001  2024-12-31         157  Boreal Bag M1          0.0195     2          64
           1001  Customer 1001  2024-12-31         149  Boreal Memory Card E1  0.0172     3          64
           1013  Customer 1013  2024-12-31         113  Alto Memory Card E1    0.0259     1          60
           1013  Customer 1013  2024-12-31         127  Alto Tripod M1         0.0171     2          60
           1013  Customer 1013  2024-12-31         103  Alto Body M1           0.0141     3          60
    … 606 rows in all

    on test                                 map@3
    boosted         model                   0.197
    calendar        member                  0.058
    repeat          baseline                0.058
    popularity      baseline                0.058
    boosted beats the best baseline, repeat, on test: map@3 0.1975 against 0.05822.

Your own tables: name the tables of customers, products and orders after USING (singular or plural), or write it in full:
`PREDICT LIST_DISTINCT(orders.product_id, 0, 14, days) RANK TOP 5 FOR EACH customers.customer_id`. The baseline `repeat` (what
each customer bought most) is hard to beat where people buy the same again and again, as in a grocery: look at it before you trust the model.
"""

from data import camera_shop
from data.quality import beside

import pql

NEXT = "PREDICT next_product FOR customer USING customer, product, purchase, category"

NEW = """
PREDICT LIST_DISTINCT(purchases.product_id, 0, 28, days) RANK TOP 3
FOR EACH customers.customer_id
WHERE COUNT(purchases.*, -90, 0, days) > 0
EXCLUDING PURCHASED
AT MOST 1 PER products.category_id
"""


def main() -> None:
    with pql.connect(camera_shop.tables()) as db:
        bought = db.predict(NEXT)
        print(bought.shown(limit=5))
        print()
        print(beside(bought.metrics, "recall@10", "mrr"))
        print()
        print("New to the customer, one of each category:")
        new = db.predict(NEW)
        print(new.text(limit=6))
        print()
        print(beside(new.metrics))


if __name__ == "__main__":
    main()
