-- Whom to write to: those likely to leave who were worth most, with what they looked at last.
-- depends_on: {{ ref('churn_quality') }} (not made where its test fails)
WITH worth AS (
    SELECT customer_id, sum(amount) AS spent FROM {{ source('shop', 'purchases') }} GROUP BY customer_id
), looked AS (
    SELECT customer_id, arg_max(product_id, viewed_at) AS product_id FROM {{ source('shop', 'views') }} GROUP BY customer_id
)
SELECT c.customer_id, c.name, s.probability, w.spent, p.product_name AS looked_at
FROM {{ ref('churn_scores') }} AS s
JOIN {{ source('shop', 'customers') }} AS c USING (customer_id)
JOIN worth AS w USING (customer_id)
LEFT JOIN looked USING (customer_id)
LEFT JOIN {{ source('shop', 'products') }} AS p USING (product_id)
WHERE s.probability > 0.5
ORDER BY s.probability * w.spent DESC
