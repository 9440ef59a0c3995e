"""PREDICT inside SQL: what is at risk in each country, and whom should we call first?

A query in brackets stands wherever SQL has a table. Here two stand in common table expressions, are joined with each other and with
the tables they were made from, grouped, filtered by a parameter, and written to a Parquet file. The data is made (`data/camera_shop.py`).

    $ python examples/predict_in_sql.py

It prints:

    country  customers   leave   at_risk
    ───────  ─────────  ──────  ────────
    DE              78  0.4700  2,062.00
    FR              78  0.4200  2,590.00
    IT              44  0.4000  1,323.00
    PL              28  0.4300    822.00

    Leaves:
    on test                                 auroc
    instant         model                   0.800
    rate            baseline                0.500
    last_window     baseline                0.673
    entity_mean     baseline                0.721
    instant beats the best baseline, entity_mean, on test: auroc 0.7998 against 0.7209.
    Spends:
    on test                                   mae
    instant         model                 489.079
    global_mean     baseline              686.759
    global_median   baseline              597.423
    last_window     baseline              572.650
    entity_mean     baseline              526.566
    instant beats the best baseline, entity_mean, on test: mae 489.1 against 526.6 (within the noise: the 95 % interval of the difference is -93 to +27).

    name           country  leaves  days_since_view
    ─────────────  ───────  ──────  ───────────────
    Customer 1576  FR       0.9500               85
    Customer 1340  FR       0.9200              325
    Customer 1430  FR       0.8800               55
    Customer 1095  FR       0.8500               86
    Customer 1011  FR       0.8300               95

    rows
    ────
     228
    quality: instant beats the best baseline, entity_mean, on test: auroc 0.7998 against 0.7209.
    note: A small model, fitted at query time on 1,000 of 1,873 training examples.

Your own tables: any SELECT of DuckDB's will do. All of a statement reads one moment of the data; a query that stands there twice is answered
once. `result.predictions` holds each query's predictions with their metrics: the SQL hides a model that lost to its baseline, so look.
"""

from data import camera_shop
from data.quality import beside

import pql

LEAVES = """PREDICT COUNT(purchases.*, 0, 60, days) = 0 FOR EACH customers.customer_id
           WHERE COUNT(purchases.*, -120, 0, days) > 0 USING customers, products, categories, purchases, views
           WITH (model = instant)"""
SPENDS = """PREDICT SUM(purchases.amount, 0, 60, days) FOR EACH customers.customer_id
           WHERE COUNT(purchases.*, -120, 0, days) > 0 USING customers, products, categories, purchases, views
           WITH (model = instant)"""

BY_COUNTRY = f"""
WITH leaves AS ({LEAVES}), spends AS ({SPENDS})
SELECT country, count(*) AS customers, round(avg(leaves.probability), 2) AS leave,
       round(sum(leaves.probability * spends.prediction)) AS at_risk
FROM leaves JOIN spends USING (customer_id, anchor) JOIN customers USING (customer_id)
GROUP BY country ORDER BY country
"""

CALL = f"""
WITH leaves AS ({LEAVES}), last_seen AS (SELECT customer_id, max(viewed_at) AS looked FROM views GROUP BY customer_id)
SELECT c.name, c.country, round(leaves.probability, 2) AS leaves, date_diff('day', looked, anchor) AS days_since_view
FROM leaves JOIN customers AS c USING (customer_id) LEFT JOIN last_seen USING (customer_id)
WHERE leaves.probability > $risk AND c.country = $country
ORDER BY leaves.probability DESC, c.name LIMIT 5
"""


def main() -> None:
    with pql.connect(camera_shop.tables()) as db:
        risk = db.sql(BY_COUNTRY)
        print(risk.text())
        print()
        for question, one in zip(("Leaves:", "Spends:"), risk.predictions, strict=True):
            print(question)
            print(beside(one.metrics))
        print()
        print(db.sql(CALL, {"risk": 0.5, "country": "FR"}).text())
        written = db.run(f"COPY ({LEAVES}) TO 'leaves.parquet' (COMPRESSION zstd)")
        print()
        print(written[0])


if __name__ == "__main__":
    main()
