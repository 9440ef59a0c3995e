-- Fails, and with it whatever is built on churn_quality, where a simple rule tells as much as the model.
SELECT max(value) FILTER (role = 'model') AS model, max(value) FILTER (role = 'baseline') AS best_baseline
FROM {{ ref('churn_quality') }}
WHERE split = 'test' AND metric = 'auroc'
HAVING model IS NULL OR model <= best_baseline
