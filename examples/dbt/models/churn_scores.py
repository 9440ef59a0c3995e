"""How likely each active customer is to buy nothing in the next 60 days: one row per customer."""

QUERY = """
PREDICT COUNT(purchases.*, 0, 60, days) = 0 FOR EACH customers.customer_id
WHERE COUNT(purchases.*, -120, 0, days) > 0
WITH (model = instant)
"""


def model(dbt, session):
    import pql

    dbt.config(materialized="table")
    # The tables by name, and nothing else: a table of earlier predictions in the same database is no data to learn from.
    tables = {
        "customers": dbt.source("shop", "customers").to_arrow_table(),
        "categories": dbt.source("shop", "categories").to_arrow_table(),
        "products": dbt.source("shop", "products").to_arrow_table(),
        "purchases": dbt.source("shop", "purchases").to_arrow_table(),
        "views": dbt.source("shop", "views").to_arrow_table(),
    }
    with pql.connect(tables) as db:
        answer = db.predict(QUERY)
    return answer.to_arrow_table()
