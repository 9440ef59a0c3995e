"""Words that the prompt colours and completes beside those of the grammar."""

from __future__ import annotations

import re

from pql.language.options import MODELS

SQL_WORDS = frozenset(
    re.findall(
        r"\w+",
        "ALL AND ANY AS ASC BETWEEN BY CASE CAST COPY CREATE CROSS DESC DESCRIBE DISTINCT ELSE END EXCEPT EXCLUDE "
        "EXISTS FALSE FILTER FIRST FROM FULL GROUP HAVING IN INNER INTERSECT INTERVAL IS JOIN LAST LEFT LIKE ILIKE "
        "LIMIT NOT NULL NULLS OFFSET ON OR ORDER OUTER OVER PARTITION PIVOT QUALIFY REPLACE RIGHT SELECT SUMMARIZE "
        "TABLE THEN TO TRUE UNION UNPIVOT USING VALUES WHEN WHERE WINDOW WITH",
    )
)
SQL_STARTS = ("SELECT", "FROM", "WITH", "SUMMARIZE", "VALUES")
OPTION_VALUES = {
    "model": MODELS,
    "cache": ("on", "off", "refresh"),
    "refit": ("true", "false"),
    "first_seen": ("true", "false"),
    "co_occurrence": ("true", "false"),
    "budget": ("'10 s'", "'1 min'", "'5 min'"),
}
