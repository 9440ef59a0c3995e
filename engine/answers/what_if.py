"""What if the entity's own row read otherwise: the graph that the prediction reads under `ASSUMING column = constant`.

The rows of all scored entities are edited together, in the graph alone: nothing is learnt from what is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.graph.build import moments, numbers, reverse
from pql.engine.graph.key_index import parent_rows
from pql.engine.graph.temporal import NEVER, NodeColumn, TemporalGraph
from pql.engine.planning.assuming import Assignment, assignments
from pql.language.catalog import Stype
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.answers.output import Ranked
    from pql.engine.graph.seeds import Seeds
    from pql.engine.planning.plan import Plan


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
