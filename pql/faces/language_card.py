"""The language on one page, for those who write queries without having read the documentation: agents above all."""

from __future__ import annotations

CARD = """\
# PQL in one page

A query says what to predict, for whom, and the rest is decided by the engine (`explain` shows it):

    PREDICT target FOR EACH entity_table.key [WHERE condition] [ASSUMING condition] [RETURN …] [AS OF date] [WITH (…)]

The examples stand on customers(customer_id, city, age), orders(order_id, customer_id, product_id, ordered_at, amount),
products(product_id, category). Names are found without regard to case; odd ones stand in backticks. Links between
tables are known (`list_tables`, `describe`), so nothing is joined. Where a table has two links to another, a clause
says by which its rows count: `VIA matches.home`.

## Targets: AGG(table.column [WHERE condition], start, end, unit)

The window (start, end] is counted from the moment of prediction: 0 to 30 is the next 30 days, -60 to 0 the last 60.
AGG: COUNT SUM AVG MIN MAX MEDIAN STDDEV COUNT_DISTINCT FIRST LAST EXISTS LIST_DISTINCT.
Units: seconds minutes hours days weeks months years.

    PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id
    PREDICT SUM(orders.amount, 0, 90, days) FOR EACH customers.customer_id
    PREDICT COUNT(orders.* WHERE products.category = 'wine', 0, 30, days) > 0 FOR EACH customers.customer_id
    PREDICT FIRST(orders.product_id, 0, 30, days) FOR EACH customers.customer_id
    PREDICT LIST_DISTINCT(orders.product_id, 0, 30, days) RANK TOP 5 FOR EACH customers.customer_id
    PREDICT TIME_TO(orders.*, 0, 180, days) FOR EACH customers.customer_id
    PREDICT SUM(orders.amount, 0, 7, days) FOR EACH products.product_id FORECAST 4 TIMEFRAMES
    PREDICT customers.age FOR EACH customers.customer_id WHERE customers.age IS NULL

A condition (= 0, > 100) makes it yes or no, with a probability. A plain column is predicted where it is missing.

## For whom, and when

    PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR customers.customer_id IN (1, 2)
    PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WHERE COUNT(orders.*, -60, 0, days) > 0
    PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WHERE customers.city = 'Bern'
    PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id AS OF 2024-12-01

WHERE says who is asked about and learnt from; for churn ask only about the active ones, as above. AS OF is the moment
of prediction, without it the newest row. No row later than that is read.

## The rest

    PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id RETURN INTERVAL 0.9
    PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id ASSUMING customers.city = 'Bern'
    PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = instant)
    PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (budget = '30 s', seed = 1)

WITH (model = …): auto (a blend, the default), instant (seconds), boosted, gnn, and baselines such as entity_mean.

`EXPLAIN PREDICTION PREDICT …` gives the reasons of the predictions instead, a row each.

## Reading an answer

- A row per entity, the likeliest or largest first: key, anchor (the moment), then probability and prediction, or the
  value; of rankings also rank and score.
- `quality` compares the model with the best baseline on held-out moments: where the baseline wins, or the difference is
  within the noise, say so.
- Probabilities are calibrated; they are no effects of causes.
- An error has a code, a place, a hint and often a `fix`, which validates: send that.
"""


def queries() -> list[str]:
    """The examples of the page."""
    return [line.strip() for line in CARD.splitlines() if line.startswith("    PREDICT") and "[" not in line]
