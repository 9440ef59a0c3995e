"""The model of churn_scores beside every baseline: one row per model and metric on the test window."""

QUERY = """
EVALUATE PREDICT COUNT(purchases.*, 0, 60, days) = 0 FOR EACH customers.customer_id
WHERE COUNT(purchases.*, -120, 0, days) > 0
WITH (model = instant)
"""


def model(dbt, session):
    import pql

    dbt.config(materialized="table")
    dbt.ref("churn_scores")  # after it, so that the model it kept is loaded
    tables = {
        "customers": dbt.source("shop", "customers").to_arrow_table(),
        "categories": dbt.source("shop", "categories").to_arrow_table(),
        "products": dbt.source("shop", "products").to_arrow_table(),
        "purchases": dbt.source("shop", "purchases").to_arrow_table(),
        "views": dbt.source("shop", "views").to_arrow_table(),
    }
    with pql.connect(tables) as db:
        answer = db.evaluate(QUERY)
    return answer.to_arrow_table()
