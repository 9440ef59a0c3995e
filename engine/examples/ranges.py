"""What the columns hold that a condition compares, for an error about one that is never or always met."""

from __future__ import annotations

import numpy as np

from pql.engine.graph.temporal import TemporalGraph
from pql.language.bound import BoundAggregate, Call, ColumnRef, Constant, Expression
from pql.language.catalog import Stype

_COMPARED = frozenset({"=", "!=", "<", "<=", ">", ">=", "between"})


def ranges(target: Expression, graph: TemporalGraph | None) -> str:
    """`visits.fee lies between 2 and 90; ` of the number columns that are compared with constants; else nothing."""
    found = dict.fromkeys(_compared(target))
    said = [] if graph is None else [one for column in found if (one := _range(*column, graph)) is not None]
    return "".join(f"{one}; " for one in said)


def _compared(node: Expression | None) -> list[tuple[str, str]]:
    if isinstance(node, BoundAggregate):
        return [*_compared(node.where), *_compared(node.argument)]
    if not isinstance(node, Call):
        return []
    found = [pair for argument in node.args for pair in _compared(argument)]
    if node.op in _COMPARED and any(isinstance(argument, Constant) for argument in node.args):
        found += [(one.table, one.column) for one in node.args if isinstance(one, ColumnRef)]
    return found


def _range(table: str, column: str, graph: TemporalGraph) -> str | None:
    try:
        held = graph.nodes[graph.index(table)].column(column)
    except KeyError:
        return None
    if held.stype is not Stype.NUMBER or np.isnan(held.data).all():
        return None
    return f"{table}.{column} lies between {np.nanmin(held.data):,.10g} and {np.nanmax(held.data):,.10g}"
