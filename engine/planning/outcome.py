"""What a target asks of the rows of its window: that there are any or none, their count, their sum."""

from __future__ import annotations

from pql.engine.planning.planned_graph import aggregates
from pql.language.bound import BoundAggregate, Call, Constant, Expression

_NONE = {("=", 0), ("<", 1), ("<=", 0)}


_ANY = {("!=", 0), (">", 0), (">=", 1)}


def outcome_of(target: Expression) -> str | None:
    """What a target asks of the rows of one future window: that there are none or any, their count or sum, or
    something other; None where it has no such window."""
    found = aggregates(target)
    if not found or found[0].window.start is None or found[0].window.start < 0:
        return None
    if any(not step.up for step in found[0].route):
        return None
    if isinstance(target, BoundAggregate):
        return {"COUNT": "count", "SUM": "sum", "EXISTS": "any"}.get(target.function, "other")
    if len(found) > 1 or not isinstance(target, Call):
        return "other"
    inner = target.args[0]
    if target.op == "not":
        return {"none": "any", "any": "none"}.get(outcome_of(inner) or "", "other")
    if isinstance(inner, BoundAggregate) and inner.function == "COUNT" and len(target.args) == 2:
        bound = target.args[1].value if isinstance(target.args[1], Constant) else None
        if isinstance(bound, int | float):
            return "none" if (target.op, bound) in _NONE else "any" if (target.op, bound) in _ANY else "other"
    return "other"
