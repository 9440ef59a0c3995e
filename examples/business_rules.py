"""Business rules over predictions: stock, price rules, a cap on discounts, at most one per category.

The query ranks what each customer will buy next; rules that concern single candidates stand in the query itself (CANDIDATES WHERE,
EXCLUDING), so that a product that can't be offered takes nobody's place. Rules that reach over customers or products are SQL over the
predictions. The data is made (`data/camera_shop.py`).

1. Nothing the customer owns, and no product below 30 (in the query).
2. Nothing that costs more than three times what the customer has paid at most.
3. Sold-out products are never offered, and each unit in stock is offered to at most four customers, those of the highest score first.
4. At most one product of each category and at most two offers for each customer.
5. A discount of 10 %, for products with a score below 0.02 of 20 %; never so much that less than 25 % of the price is left as margin; none at all
   where the customer looked at the product in the last week: it is likely to buy it anyway.

    $ python examples/business_rules.py

It prints:

    customer_id  product_id  product_name      category_id     price   score  discount
    ───────────  ──────────  ────────────────  ───────────  ────────  ──────  ────────
           1162         155  Boreal Bag E1               4   45.6400  0.1176    0.0370
           1420         163  Boreal Tripod M1            5    105.27  0.1107    0.1000
           1587         141  Boreal Body P1              1  2,022.49  0.1047    0.0940
           1016         158  Boreal Bag M2               4   87.1100  0.1014    0.1000
           1182         108  Alto Lens E2                2    288.59  0.0940    0.1000
           1295         157  Boreal Bag M1               4   78.8100  0.0940    0.1000
    … 451 rows in all

    on test                                map@12
    boosted         model                   0.295
    calendar        member                  0.064
    repeat          baseline                0.064
    popularity      baseline                0.064
    boosted beats the best baseline, repeat, on test: map@12 0.2945 against 0.06437.

    451 offers to 228 customers, 47 products,
    5 without a discount, none above 20%

Your own tables: the rules are plain SQL; change the numbers in RULES. Stock is a snapshot of today: USING keeps it out of the model,
which would otherwise learn from today's stock about yesterday's sales.
"""

from data import camera_shop
from data.quality import beside

import pql

NEXT = """
PREDICT LIST_DISTINCT(purchases.product_id, 0, 28, days) RANK TOP 12
FOR EACH customers.customer_id
WHERE COUNT(purchases.*, -120, 0, days) > 0
CANDIDATES WHERE products.price >= 30
EXCLUDING PURCHASED
USING customers, products, categories, purchases, views
"""

RULES = {"offers_per_unit": 4, "offers": 2, "discount_cap": 0.20, "margin": 0.25, "price_factor": 3}

OFFERS = f"""
WITH ranked AS ({NEXT}),
paid AS (SELECT customer_id, max(amount / quantity) AS most FROM purchases GROUP BY customer_id),
just_seen AS (
    SELECT DISTINCT customer_id, product_id FROM views
    WHERE viewed_at > (SELECT max(anchor) FROM ranked) - INTERVAL 7 DAY
),
fit AS (  -- rule 2, and what is sold out
    SELECT r.customer_id, r.product_id, r.score, p.category_id, p.price, p.cost, s.units, j.product_id IS NOT NULL AS seen
    FROM ranked AS r JOIN products AS p USING (product_id) JOIN stock AS s USING (product_id)
    JOIN paid USING (customer_id) LEFT JOIN just_seen AS j USING (customer_id, product_id)
    WHERE s.units > 0 AND p.price <= $price_factor * paid.most
),
one_each AS (  -- rule 4, first half
    FROM fit QUALIFY row_number() OVER (PARTITION BY customer_id, category_id ORDER BY score DESC, product_id) = 1
),
in_stock AS (  -- rule 3
    FROM one_each
    QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY score DESC, customer_id) <= $offers_per_unit * units
),
few AS (  -- rule 4, second half
    FROM in_stock QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY score DESC, product_id) <= $offers
),
wanted AS (  -- rule 5
    SELECT *, CASE WHEN seen THEN 0 WHEN score < 0.02 THEN 0.20 ELSE 0.10 END AS discount FROM few
)
SELECT customer_id, product_id, product_name, category_id, price, score,
       round(greatest(0, least(discount, $discount_cap, 1 - cost / price / (1 - $margin))), 3) AS discount
FROM wanted JOIN products USING (product_id, category_id, price, cost)
ORDER BY score DESC, customer_id, product_id
"""


def main() -> None:
    with pql.connect(camera_shop.tables()) as db:
        offers = db.sql(OFFERS, RULES)
        print(offers.text(limit=6))
        print()
        print(beside(offers.predictions[0].metrics))
        offers.to_parquet("offers.parquet")
        print()
        table = offers.to_arrow_table().to_pandas()
        print(f"{len(table)} offers to {table.customer_id.nunique()} customers, {table.product_id.nunique()} products,")
        print(f"{(table.discount == 0).sum()} without a discount, none above {table.discount.max():.0%}")


if __name__ == "__main__":
    main()
