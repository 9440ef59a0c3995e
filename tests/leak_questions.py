"""One question of every task about the shop of `worlds`."""

from __future__ import annotations

TASKS = {
    "binary": "PREDICT COUNT(orders.*, 0, 21, days) = 0 FOR EACH customers.customer_id",
    "filtered": "PREDICT COUNT(orders.* WHERE orders.channel = 'web', 0, 21, days) > 1 FOR EACH customers.customer_id "
    "WHERE COUNT(orders.*, -60, 0, days) > 0",
    "regression": "PREDICT SUM(order_lines.amount, 0, 21, days) FOR EACH customers.customer_id",
    "forecast": "PREDICT SUM(order_lines.amount, 0, 7, days) FORECAST 3 TIMEFRAMES FOR EACH customers.customer_id",
    "time_to": "PREDICT TIME_TO(orders.* WHERE orders.channel = 'web', 0, 21, days) FOR EACH customers.customer_id",
    "multiclass": "PREDICT LAST(orders.channel, 0, 21, days) FOR EACH customers.customer_id",
    "multilabel": "PREDICT LIST_DISTINCT(products.category, 0, 21, days) CLASSIFY FOR EACH customers.customer_id",
    "ranking": "PREDICT LIST_DISTINCT(order_lines.product_id, 0, 21, days) RANK TOP 5 FOR EACH customers.customer_id",
    "values": "PREDICT LIST_DISTINCT(products.category, 0, 21, days) RANK TOP 2 FOR EACH customers.customer_id",
    "static": "PREDICT customers.segment FOR EACH customers.customer_id",
    "assumed": "PREDICT SUM(order_lines.amount, 0, 21, days) FOR EACH customers.customer_id "
    "ASSUMING COUNT(orders.* WHERE orders.channel = 'web', 0, 14, days) > 0",
    "edited": "PREDICT COUNT(orders.*, 0, 21, days) = 0 FOR EACH customers.customer_id "
    "ASSUMING customers.segment = 'unheard of'",
    "clockless": "PREDICT products.category FOR EACH products.product_id",
}
