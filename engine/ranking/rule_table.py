"""Association rules as a table for people and programs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.graph.key_index import parent_rows
from pql.engine.models.rules import Rules

AND = " & "


def rule_table(rules: Rules, names: tuple[pa.Array, pa.Array] | None = None) -> pa.Table:
    """One row per rule, the surest first: antecedent (its items joined by &), consequent, support, confidence, lift and
    count. `names`: ids and their names; they make the columns antecedent_name and consequent_name.
    """
    order = np.lexsort((rules.consequent, rules.antecedent[:, 0], -rules.trust))
    antecedent, consequent = rules.antecedent[order], rules.consequent[order]
    values = rules.values if rules.values is not None else pa.array(rules.items)
    columns: dict[str, pa.Array] = {"antecedent": _joined(values, antecedent)}
    titles = None if names is None else _titles(values, *names)
    if titles is not None:
        columns["antecedent_name"] = _joined(titles, antecedent)
    columns["consequent"] = values.take(pa.array(consequent))
    if titles is not None:
        columns["consequent_name"] = titles.take(pa.array(consequent))
    columns |= {name: pa.array(getattr(rules, name)[order]) for name in ("support", "confidence", "lift", "count")}
    return pa.table(columns)


def _joined(values: pa.Array, antecedent: NDArray[np.int64]) -> pa.Array:
    words = ["" if value is None else str(value) for value in values.to_pylist()]
    return pa.array([AND.join(words[i] for i in pair if i >= 0) for pair in antecedent.tolist()], pa.string())


def _titles(values: pa.Array, ids: pa.Array, names: pa.Array) -> pa.Array:
    """The name of each value, else the value as text."""
    at = parent_rows([pa.chunked_array([values])], [pa.chunked_array([ids])])
    known = names.to_pylist()
    return pa.array(
        [
            str(value) if i < 0 or known[i] is None else known[i]
            for value, i in zip(values.to_pylist(), at, strict=True)
        ],
        pa.string(),
    )
