"""The plan of a question whose labels the user brings: as a query would be planned, but for its target and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pql.backends.overrides import find_name
from pql.engine.own.items import Way, ways_of
from pql.engine.planning.anchors import MAX_LAGS
from pql.engine.planning.plan import Anchor, Plan, Regime, Split
from pql.engine.planning.planned_graph import plan_graph
from pql.engine.planning.planned_model import plan_model
from pql.engine.planning.planned_output import plan_output
from pql.engine.planning.planner import plan_task
from pql.engine.planning.statistics import Span
from pql.language import ast
from pql.language.bind_options import OPTION_NAMES, bind_options
from pql.language.bound import BoundEntity, BoundQuery, ColumnRef, Constant, Expression, TaskKind
from pql.language.catalog import Catalog, Table
from pql.language.errors import PqlError
from pql.language.names import listed, nearest
from pql.language.options import Duration, Options
from pql.language.parser import parse
from pql.language.scope import Scope, quoted

DEFAULT_TOP_K = 10
LAGGED = (TaskKind.BINARY, TaskKind.REGRESSION)  # whose earlier labels are features
FRESH = 4  # horizons that the newest known label may be old, to be a feature beside a history that ends at the anchor
NO_HORIZON = Duration(30, "days")  # of rankings, whose items are met over a window that nothing says


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a label table. `entity` is written `table.key`, `items` likewise; `options` are those of WITH.

    split: own (the label table has the anchors), row_time or hashed (the labels are a column of the entity's own rows,
    known at the row's own time, or at any).
    """

    entity: str
    target: str
    kind: TaskKind
    horizon: Duration | None = None
    items: str | None = None
    top_k: int | None = None
    ignoring: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    split: str = "own"

    @property
    def static(self) -> bool:
        """Whether the labels are a column of the entity's own rows."""
        return self.split != "own"

    @property
    def text(self) -> str:
        """The question as a query would be written."""
        asked = f"PREDICT {quoted(self.target)} FOR EACH {'.'.join(quoted(part) for part in self.entity.split('.'))}"
        options = ", ".join(f"{name} = {_written(value)}" for name, value in self.options)
        return f"{asked} WITH ({options})" if options else asked


@dataclass(frozen=True, slots=True)
class Extent:
    """What the plan knows of the examples: how many there are, the last training anchor and the last of all (µs).

    `width` (µs): how long the labels' window is, or as good as. `asked` (µs): from the first validation anchor to the
    last, which is how old the newest known label may be.
    """

    examples: int
    last_train: int
    last: int
    width: int | None = None
    asked: int = 0


def plan_own(
    question: Question, catalog: Catalog, spans: Mapping[str, Span], extent: Extent, regime: Regime | None = None
) -> Plan:
    """Graph, model and output of the question. `spans`: rows of every table at or before the last anchor. `regime`:
    of the rows to be predicted, where they are known.

    Raises PqlError `unknown_table`, `unknown_column`, `bad_fit_argument`, `unknown_option`, `bad_option_value`,
    `not_supported`.
    """
    query = bind_own(question, catalog)
    split = Split(
        kind=question.split,
        anchors=(Anchor(extent.last, "predict"),),
        prediction=extent.last,
        width_text="" if question.horizon is None else str(question.horizon),
        lags=_lags(question, extent, regime),
        encoder_cut=extent.last_train,
        width=extent.width,
        notes=("the label table says who trains and validates, and at which moments",),
    )
    rows = {table.name: spans[table.name].rows if table.name in spans else table.rows for table in catalog.tables}
    graph, warnings = plan_graph(query, rows)
    rows[query.entity.table] = extent.examples
    model = plan_model(query, split, graph, rows, regime)
    return Plan(
        query=query,
        task=plan_task(query),
        split=split,
        graph=graph,
        model=model,
        output=plan_output(query),
        eligibility="the rows of the label table",
        regime=regime or Regime(),
        warnings=tuple(dict.fromkeys((*query.warnings, *warnings))),
    )


def _lags(question: Question, extent: Extent, regime: Regime | None) -> int:
    """How many earlier labels are features: none where they are much older than the histories beside them."""
    if question.split != "own" or question.kind not in LAGGED or question.horizon is None:
        return 0
    is_fresh = extent.asked <= FRESH * (extent.width or 0)
    return MAX_LAGS if is_fresh or (regime is not None and regime.known is not None) else 0


def bind_own(question: Question, catalog: Catalog) -> BoundQuery:
    """The question resolved against the catalog."""
    text = question.text
    syntax = parse(text)
    assert isinstance(syntax, ast.Predict)
    table, key = entity_of(question.entity, catalog)
    ignoring = frozenset(_column(name, catalog) for name in question.ignoring)
    item, target = None, _target(question, catalog.table(table))
    if question.kind is TaskKind.RANKING:
        item, target = ranked_ways(question, catalog, table, ignoring)[0]
    return BoundQuery(
        syntax=syntax,
        text=text,
        catalog=catalog,
        entity=BoundEntity(table, (key,)),
        target=target,
        is_static=question.static,
        task=question.kind,
        reason="the labels are given",
        item=item,
        top_k=(question.top_k or DEFAULT_TOP_K) if item is not None else None,
        ignoring=ignoring,
        options=_options(catalog, text, syntax),
    )


def entity_of(name: str, catalog: Catalog) -> tuple[str, str]:
    """The table and the key that `table.key` means; `table` alone means its key. Raises PqlError."""
    table_name, _, column = name.rpartition(".") if "." in name else (name, "", "")
    wanted = find_name(table_name, [t.name for t in catalog.tables], code="unknown_table", what="table")
    table = catalog.table(wanted)
    if table.key is None or len(table.key.columns) != 1:
        raise PqlError(
            "bad_fit_argument",
            f"{table.name} has no key of one column",
            hint=f"db.key('{table.name}.column') declares one.",
        )
    key = table.key.columns[0]
    if column and column.lower() != key.lower():
        names = [c.name for c in table.columns]
        find_name(column, names, code="unknown_column", what="column", where=f" in {table.name}")
        raise PqlError(
            "bad_fit_argument",
            f"the key of {table.name} is {key}, not {column}",
            hint=f"Write {table.name}.{key}, or declare another key with db.key('{table.name}.{column}').",
        )
    return table.name, key


def items_of(catalog: Catalog, target: str) -> str | None:
    """`table.key` of the one table whose key is called like the target; None where there is none or several."""
    found = [
        f"{table.name}.{table.key.columns[0]}"
        for table in catalog.tables
        if table.key is not None and len(table.key.columns) == 1 and table.key.columns[0].lower() == target.lower()
    ]
    return found[0] if len(found) == 1 else None


def _target(question: Question, table: Table) -> Expression:
    """The column that the labels are, where they are one of the entity's table; else a stand-in that reads nothing."""
    if question.static and table.has(question.target):
        column = table.column(question.target)
        return ColumnRef(table.name, column.name, column.type, column.stype)
    return Constant(None, None)


def ranked_ways(question: Question, catalog: Catalog, entity: str, ignoring: frozenset[tuple[str, str]]) -> list[Way]:
    """The items, and the facts in which entities may have met them, the nearest table first."""
    name = question.items or items_of(catalog, question.target)
    if name is None:
        raise PqlError(
            "bad_fit_argument",
            f"lists are ranked as keys of a table, and {question.target} doesn't say of which",
            hint="Name the table's key: items='products.product_id'",
        )
    table, key = entity_of(name, catalog)
    return ways_of(catalog, entity, table, key, question.horizon or NO_HORIZON, ignoring)


def _column(name: str, catalog: Catalog) -> tuple[str, str]:
    """(table, column) of a name written `table.column`."""
    table, _, column = name.rpartition(".")
    if not table:
        raise PqlError(
            "bad_fit_argument", f"{name!r} names no table and column", hint="Write ignoring=['table.column', …]."
        )
    found = catalog.table(find_name(table, [t.name for t in catalog.tables], code="unknown_table", what="table"))
    names = [c.name for c in found.columns]
    return found.name, find_name(column, names, code="unknown_column", what="column", where=f" in {found.name}")


def _options(catalog: Catalog, text: str, syntax: ast.Predict) -> Options:
    scope = Scope(catalog, text, syntax)
    options = bind_options(scope, syntax.options)
    if scope.findings:
        raise PqlError.of([finding.fault for finding in scope.findings], text)
    return options


def known_options(given: Mapping[str, Any], others: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """The keywords that are options of WITH, as pairs. Raises PqlError `bad_fit_argument` for one that is none."""
    for name in given:
        if name not in OPTION_NAMES:
            near = nearest(name, (*OPTION_NAMES, *others))
            hint = f"did you mean {near[0]}?" if near else f"the options are {listed(OPTION_NAMES, limit=30)}"
            raise PqlError("bad_fit_argument", f"fit() has no argument {name}", hint=hint, nearest=near)
    return tuple(given.items())


def _written(value: object) -> str:
    """An option's value as it stands in a query."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, str | Duration):
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)
