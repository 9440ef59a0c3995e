"""A short form of `print(result.metrics)`: the model beside every baseline, on test rows alone."""

from __future__ import annotations

from typing import Any


def beside(metrics: Any, *others: str) -> str:
    """One line per model and baseline with the choosing metric and `others`, and the verdict below."""
    names = (metrics.metric, *others)
    roles = {row.model: row.role for row in metrics.rows}
    lines = [f"{'on test':<16}{'':<10}" + "".join(f"{name:>19}" for name in names)]
    for model in metrics.models():
        values = (metrics.value(model, "test", name) for name in names)
        cells = "".join(f"{'-' if value != value else format(value, ',.3f'):>19}" for value in values)
        lines.append(f"{model:<16}{roles[model]:<10}{cells}")
    return "\n".join([*lines, metrics.verdict()])
