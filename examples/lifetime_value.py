"""Customer lifetime value: what will each customer spend in the next twelve months?

The data is made (`data/camera_shop.py`): customers, categories, products, purchases over five years, in which each customer
buys at a pace of its own until it leaves for good. The question is asked by the name of its target; the result says how it was read.
Besides the metrics, the example does what a marketing team would: it asks as of a year ago and looks how much of what then came
was spent by the tenth that was ranked first.

    $ python examples/lifetime_value.py

It prints:

    customer_id  name           anchor      prediction
    ───────────  ─────────────  ──────────  ──────────
           1690  Customer 1690  2028-01-01    6,134.15
           1349  Customer 1349  2028-01-01    4,636.16
           1246  Customer 1246  2028-01-01    4,558.67
           1761  Customer 1761  2028-01-01    4,488.77
           1728  Customer 1728  2028-01-01    4,401.46
    … 1,000 rows in all

    on test                                   mae               rmse           spearman
    instant         model                 392.011          1,324.432              0.693
    global_mean     baseline            1,550.561          2,010.212                  -
    global_median   baseline              549.000          1,895.606                  -
    last_window     baseline              750.501          1,803.344              0.633
    entity_mean     baseline            1,040.078          2,205.145              0.490
    instant beats the best baseline, global_median, on test: mae 392 against 549.

    A year ago, what share of what was then spent would the first tenth have held?
    first_tenth_by_prediction  first_tenth_by_last_year  spent_by_all
    ─────────────────────────  ────────────────────────  ────────────
                       0.6930                    0.6320    550,673.00

Your own tables: name your customer, product and order tables after USING, or write it in full,
`PREDICT SUM(purchases.amount, 0, 12, months) FOR EACH customers.customer_id`. It takes three years of data for a window of one; a
shorter one, such as `total_spend_6m`, needs less. `WITH (model = rfm)` is the classic by recency, frequency and money. Each prediction is near
the median of what may come: rank by it, but don't add it up into a budget.
"""

from data import camera_shop
from data.quality import beside

import pql

QUERY = "PREDICT total_spend_12m FOR customer USING customer, product, purchase, category WITH (model = instant)"

CAPTURED = f"""
WITH ranked AS (
    SELECT p.customer_id, p.prediction, ntile(10) OVER (ORDER BY p.prediction DESC, p.customer_id) AS tenth
    FROM ({QUERY.replace(" WITH", " AS OF 2026-12-31 WITH")}) AS p
), came AS (
    SELECT customer_id, sum(amount) AS spent FROM purchases
    WHERE purchased_at > TIMESTAMP '2026-12-31' AND purchased_at <= TIMESTAMP '2027-12-31' GROUP BY ALL
), before AS (
    SELECT customer_id, ntile(10) OVER (ORDER BY coalesce(sum(amount), 0) DESC, customer_id) AS tenth
    FROM ranked LEFT JOIN (FROM purchases WHERE purchased_at <= TIMESTAMP '2026-12-31'
                           AND purchased_at > TIMESTAMP '2025-12-31') USING (customer_id) GROUP BY customer_id
)
SELECT round(sum(spent) FILTER (ranked.tenth = 1) / sum(spent), 3) AS first_tenth_by_prediction,
       round(sum(spent) FILTER (before.tenth = 1) / sum(spent), 3) AS first_tenth_by_last_year,
       round(sum(spent)) AS spent_by_all
FROM ranked JOIN before USING (customer_id) LEFT JOIN came USING (customer_id)
"""


def main() -> None:
    with pql.connect(camera_shop.tables(customers=1000, days=1826)) as db:
        value = db.predict(QUERY)
        print(value.text(limit=5))
        print()
        print(beside(value.metrics, "rmse", "spearman"))
        print()
        print("A year ago, what share of what was then spent would the first tenth have held?")
        print(db.sql(CAPTURED).text())


if __name__ == "__main__":
    main()
