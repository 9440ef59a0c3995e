"""ASSUMING in its two readings: a future that training examples are chosen by, or the entity's own row read otherwise.

A condition on future windows belongs to the labels (`label_sql`). `entity.column = constant` belongs to the prediction
alone: the model is the one of the query without it, and reads a graph in which the rows of the scored entities hold the
constant. All scored entities are edited together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.language.bound import BoundAggregate, BoundQuery, Call, ColumnRef, Constant, Expression
from pql.language.catalog import Stype
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.examples import Seeds
    from pql.engine.graph import NodeColumn, TemporalGraph
    from pql.engine.output import Ranked
    from pql.engine.plan import GraphPlan, Plan


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


# ---------------------------------------------------------------- at planning


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


# ---------------------------------------------------------------- at the prediction


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The graph with the seeds' own rows as assumed, and how many of `n` rows held all of it already."""

    graph: TemporalGraph
    n: int
    already: int


def what_if(graph: TemporalGraph, plan: Plan, seeds: Seeds) -> WhatIf:
    """The graph in which the rows of `seeds` hold what the query's ASSUMING sets.

    Raises `unknown_entity` where a foreign key is set to an id that no row has.
    """
    rows = np.unique(seeds.rows)
    same = np.ones(len(rows), dtype=bool)
    for one in assignments(plan.query):
        node = graph.nodes[graph.entity]
        places = [i for i, column in enumerate(node.columns) if column.name == one.column.column]
        if places:
            column = _set(node.columns[places[0]], rows, one)
            same &= _equal(node.columns[places[0]].data[rows], column.data[rows])
            columns = (*node.columns[: places[0]], column, *node.columns[places[0] + 1 :])
            nodes = (*graph.nodes[: graph.entity], replace(node, columns=columns), *graph.nodes[graph.entity + 1 :])
            graph = replace(graph, nodes=nodes)
        else:
            graph, kept = _pointed(graph, rows, one)
            same &= kept
    return WhatIf(graph, len(rows), int(same.sum()))


def _set(column: NodeColumn, rows: NDArray[np.int64], one: Assignment) -> NodeColumn:
    """The column with one value in `rows`; a category or text that no row has is appended to its values."""
    from pql.engine.build import moments, numbers

    data = column.data.copy()
    if column.stype is Stype.NUMBER:
        data[rows] = numbers(pa.array([one.value]))[0]
        return replace(column, data=data)
    if column.stype is Stype.TIMESTAMP:
        data[rows] = moments(pa.array([one.value]))[0]
        return replace(column, data=data)
    if one.value is None:
        data[rows] = -1
        return replace(column, data=data)
    values = pa.array([], pa.string()) if column.values is None else column.values
    wanted = _typed(one, values.type)
    place = pc.index_in(wanted, value_set=values)[0].as_py()
    data[rows] = len(values) if place is None else place
    return replace(column, data=data, values=pa.concat_arrays([values, wanted]) if place is None else values)


def _typed(one: Assignment, kind: pa.DataType) -> pa.Array:
    """The constant as an array of one value of a column's own type."""
    for made in (lambda: pa.array([one.value], kind), lambda: pa.array([one.value]).cast(kind)):
        try:
            return made()
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            continue
    try:
        return pa.array([str(one.value)]).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise PqlError(
            "type_mismatch",
            f"{one.value!r} is no value of {one.name}, which holds {kind}",
            span=one.column.span,
            hint="write the constant as the column has its values",
        ) from error


def _pointed(graph: TemporalGraph, rows: NDArray[np.int64], one: Assignment) -> tuple[TemporalGraph, NDArray[np.bool_]]:
    """The graph in which `rows` point to the row whose key is the constant, and which of them did before."""
    from pql.engine.build import reverse
    from pql.engine.graph import NEVER
    from pql.engine.key_index import parent_rows

    edges, kept = list(graph.edges), np.ones(len(rows), dtype=bool)
    for i, edge in enumerate(edges):
        link = edge.link
        if link is None or edge.child != graph.entity or link.child_columns != (one.column.column,):
            continue
        target, parent = -1, graph.nodes[edge.parent]
        if one.value is not None:
            keys = parent.keys.column(link.parent_columns[0])
            wanted = pa.chunked_array([_typed(one, keys.type)])
            target = int(parent_rows([wanted], [keys], parent.time != NEVER)[0])
            if target < 0:
                raise PqlError(
                    "unknown_entity",
                    f"no row of {parent.name} has the id {one.value}, which ASSUMING gives {one.name}",
                    span=one.column.span,
                    hint="name an id that the data holds by the anchor, or IS NULL for none",
                )
        parent_of = edge.parent_of.copy()
        kept &= parent_of[rows] == target
        parent_of[rows] = target
        back = reverse(parent_of, graph.nodes[edge.child].time, parent.time)
        edges[i] = replace(edge, parent_of=parent_of, indptr=back[0], children=back[1], times=back[2])
    return replace(graph, edges=tuple(edges)), kept


def _equal(before: NDArray, after: NDArray) -> NDArray[np.bool_]:
    same = before == after
    return same | (np.isnan(before) & np.isnan(after)) if before.dtype.kind == "f" else same


# ---------------------------------------------------------------- what it changed


@dataclass(frozen=True, slots=True)
class Moved:
    """Of how many of `n` entities the answer changed; `by`: the mean change of a single score, else None."""

    n: int
    changed: int
    by: float | None


def moved(before: NDArray[np.float64] | Ranked, after: NDArray[np.float64] | Ranked, seeds: Seeds) -> Moved:
    """How the answer with the assumption differs from the one without it."""
    n = len(seeds)
    if not isinstance(before, np.ndarray):
        assert not isinstance(after, np.ndarray)
        lists: list[dict[int, list[tuple[object, float]]]] = [{}, {}]
        for found, ranked in zip(lists, (before, after), strict=True):
            scores = ranked.score.tolist()
            for seed, item, score in zip(ranked.position.tolist(), ranked.items.to_pylist(), scores, strict=True):
                found.setdefault(seed, []).append((item, score))
        return Moved(n, sum(lists[0].get(i) != lists[1].get(i) for i in range(n)), None)
    assert isinstance(after, np.ndarray)
    differs = before != after if before.ndim == 1 else (before != after).any(axis=1)
    by = float(np.mean(after - before)) if before.ndim == 1 and n else None
    return Moved(n, int(differs.sum()), by)
