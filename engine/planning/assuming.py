"""ASSUMING in its two readings: a future that training examples are chosen by, or the entity's own row read otherwise.

A condition on future windows belongs to the labels (`label_sql`). `entity.column = constant` belongs to the prediction
alone (`what_if`): the model is the one of the query without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pql.language.bound import BoundAggregate, BoundQuery, Call, ColumnRef, Constant, Expression
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.planning.plan import GraphPlan


@dataclass(frozen=True, slots=True)
class Assignment:
    """`column = value` of the entity's own row; None is NULL."""

    column: ColumnRef
    value: object

    @property
    def name(self) -> str:
        return f"{self.column.table}.{self.column.column}"


def assumed_future(query: BoundQuery) -> Expression | None:
    """The condition on future windows that training examples must meet, if the query assumes one."""
    return query.assuming if any(isinstance(node, BoundAggregate) for node in _nodes(query.assuming)) else None


def assignments(query: BoundQuery) -> tuple[Assignment, ...]:
    """The columns that the query sets at the prediction, in the order of the text."""
    return () if assumed_future(query) is not None else tuple(_assignments(query.assuming))


def _nodes(expression: Expression | None) -> Iterator[Expression]:
    if expression is not None:
        yield expression
    if isinstance(expression, Call):
        for argument in expression.args:
            yield from _nodes(argument)


def _assignments(node: Expression | None) -> Iterator[Assignment]:
    if isinstance(node, ColumnRef):
        yield Assignment(node, True)
    elif isinstance(node, Call):
        columns = [argument for argument in node.args if isinstance(argument, ColumnRef)]
        constants = [argument.value for argument in node.args if isinstance(argument, Constant)]
        if node.op == "and":
            for argument in node.args:
                yield from _assignments(argument)
        elif node.op == "=":
            yield Assignment(columns[0], constants[0])
        else:  # NOT of a boolean column, or IS NULL
            yield Assignment(columns[0], False if node.op == "not" else None)


def check_assignments(query: BoundQuery, graph: GraphPlan) -> None:
    """Raises `no_effect` for a column that no model reads, `assuming_static` for one that can't be set."""
    for one in assignments(query):
        ref, table = one.column, query.catalog.table(query.entity.table)
        if ref.route:
            raise PqlError(
                "assuming_static",
                f"{one.name} is a column of a row that {table.name} points to; ASSUMING sets columns of its own row",
                span=ref.span,
                hint="set the column that points there, or WHERE chooses by it",
            )
        if any(t.name == table.name and any(c.name == ref.column for c in t.columns) for t in graph.tables):
            continue
        foreign = [link for link in query.catalog.links_from(table.name) if ref.column in link.child_columns]
        if any(link in graph.links and len(link.child_columns) == 1 for link in foreign):
            continue
        why = dict(graph.left_out).get(one.name, "")
        if ref.column in query.entity.keys:
            why = "it is the key that tells the entities apart"
        elif table.clock.kind == "own" and ref.column == table.clock.column:
            why = "it is the row's clock, which says when the row is known"
        elif any(len(link.child_columns) > 1 for link in foreign):
            why = "it is a part of a key of several columns"
        elif foreign:
            why = f"it points to {foreign[0].parent}, which the graph leaves out; USING takes it in"
        raise PqlError(
            "no_effect",
            f"the model doesn't read {one.name}{f': {why}' if why else ''}. A value assumed of it would change nothing",
            span=ref.span,
            hint="EXPLAIN lists the columns that are read",
        )
