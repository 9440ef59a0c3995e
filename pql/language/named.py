"""Named targets: those made by DEFINE, and the transparent reading of `next_product` or `total_spend_12m`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pql.language import ast
from pql.language.aggregates import names_only
from pql.language.catalog import Catalog, Table
from pql.language.errors import PqlError
from pql.language.format import format as written
from pql.language.measures import Measure, by_name, by_synonym, numbers_of
from pql.language.names import listed, look_up, nearest
from pql.language.routes import upward
from pql.language.scope import Scope, canonical, is_clocked, knows_column, singulars

MedianGap = Callable[[str, str], int]
DAYS_WITHOUT_DATA = 14
ITEMS = 10
_MISTYPED = 0.8  # a name this much like a column's is that column, mistyped; any other is a target nobody defined

_UNITS = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
_PREFIXES = {
    "total": "SUM",
    "sum": "SUM",
    "avg": "AVG",
    "mean": "AVG",
    "average": "AVG",
    "count": "COUNT",
    "max": "MAX",
    "min": "MIN",
}
_NEXT = re.compile(r"next_(\w+)", re.IGNORECASE)
_CHURN = re.compile(r"churn(?:ed|s)?_(\d{1,5})([dwmy])", re.IGNORECASE)
_OVER = re.compile(r"(\w+)_(\d{1,5})([dwmy])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a target was read as: the query with the real target and its text; None where it stands as written."""

    query: ast.Predict | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class _Meaning:
    target: ast.Expression
    tasks: tuple[ast.TaskClause, ...] = ()


def defined_or_read(
    scope: Scope, targets: Mapping[str, ast.DefineTarget], median_gap_days: MedianGap | None
) -> Reading | None:
    """The reading of a named target; an empty one for any other target; None where a fault was noted."""
    node = scope.query.target
    if not isinstance(node, ast.ColumnName) or node.table is not None:
        return Reading()
    found = _followed(scope, node, targets)
    if found is None:
        return None
    name, defined, tasks = found
    if defined is not None and not _is_bare(defined.target):
        return _as_reading(scope, _Meaning(defined.target, tasks), node.span)
    if knows_column(scope, name):
        return Reading() if defined is None else _as_reading(scope, _Meaning(defined.target, tasks), node.span)
    meanings = _meanings(scope, name, median_gap_days)
    if meanings is None:
        everywhere = {column.name for table in scope.catalog.tables for column in table.columns}
        if defined is None and nearest(name, everywhere, cutoff=_MISTYPED):
            return Reading()  # a mistyped column: said where columns are bound
        meanings = []
    meanings = [replace(meaning, tasks=tasks or meaning.tasks) for meaning in meanings]
    unique = {written(meaning.target): meaning for meaning in meanings}
    if len(unique) == 1:
        return _as_reading(scope, next(iter(unique.values())), node.span)
    if unique:
        shown = tuple(unique)
        message = f"the name {name} may mean {' or '.join(shown)}"
        edits = scope.replaced(node.span, shown[0])
        scope.fault("ambiguous_target", message, node.span, hint="write the one you mean", edits=edits, near=shown)
        return None
    able = _examples(scope)
    near = nearest(name, targets)
    hint = f"from these tables could be read: {listed(able)}" if able else "write the target as an aggregate"
    message = f"the name {name} is neither a column, nor a defined target, nor a name that can be read as one"
    edits = scope.replaced(node.span, near[0]) if near else ()
    scope.fault("unknown_target", message, node.span, hint=hint, edits=edits, near=near)
    return None


def check_definition(
    made: ast.DefineTarget, catalog: Catalog, targets: Mapping[str, ast.DefineTarget], text: str
) -> None:
    """Refuse a DEFINE that no query could use: unknown tables or columns, names that lead in a circle.

    `targets` are those known already. Raises PqlError `cyclic_target`, `unknown_target`, or that of the name.
    """
    scope = Scope(catalog, text, ast.Predict(made.target, ()))
    names_only(scope, made.target)
    if _is_bare(made.target) and not scope.findings:
        assert isinstance(made.target, ast.ColumnName)
        found = _followed(scope, made.target, {**targets, made.name.text: made})
        if found is not None and not (knows_column(scope, found[0]) or has_a_reading(found[0])):
            everywhere = {*targets, *(column.name for table in catalog.tables for column in table.columns)}
            message = f"{found[0]} is neither a column, nor a defined target, nor a name that can be read as one"
            hint = "write the target as an aggregate: COUNT(orders.*, 0, 30, days)"
            near = nearest(found[0], everywhere)
            scope.fault("unknown_target", message, made.target.span, hint=hint, near=near)
    if scope.findings:
        raise PqlError.of([finding.fault for finding in scope.findings], text)


def has_a_reading(name: str) -> bool:
    """True for names in one of the forms that are read without a definition: `next_…`, `churn_90d`, `…_12m`."""
    return any(form.fullmatch(name) for form in (_NEXT, _CHURN, _OVER))


def _is_bare(node: ast.Expression) -> bool:
    return isinstance(node, ast.ColumnName) and node.table is None


def _followed(
    scope: Scope, node: ast.ColumnName, targets: Mapping[str, ast.DefineTarget]
) -> tuple[str, ast.DefineTarget | None, tuple[ast.TaskClause, ...]] | None:
    """The name where definitions of names by names end, the last definition on the way, the first task said."""
    name = node.column.text
    trail: list[str] = []
    last: ast.DefineTarget | None = None
    tasks: tuple[ast.TaskClause, ...] = ()
    while (defined := look_up(name, targets).name) is not None:
        if defined in trail:
            circle = " -> ".join([*trail, defined])
            hint = "DROP TARGET one of them, and define it by what is to be predicted"
            scope.fault(
                "cyclic_target", f"the target {node.column.text} is defined by itself: {circle}", node.span, hint=hint
            )
            return None
        trail.append(defined)
        last = targets[defined]
        tasks = tasks or last.tasks
        if not _is_bare(last.target):
            break
        assert isinstance(last.target, ast.ColumnName)
        name = last.target.column.text
    return name, last, tasks


def _as_reading(scope: Scope, meaning: _Meaning, span: ast.Span) -> Reading:
    target = _placed(meaning.target, span)
    tasks = scope.query.tasks or tuple(_placed(task, span) for task in meaning.tasks)
    query = replace(scope.query, target=target, tasks=tasks)
    return Reading(query, written(query))


def _placed(node: Any, span: ast.Span) -> Any:
    """The node with every place in it set to `span`: that of the name that stands for it."""
    if isinstance(node, ast.Span):
        return span
    if isinstance(node, tuple):
        return tuple(_placed(item, span) for item in node)
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return node
    return replace(node, **{f.name: _placed(getattr(node, f.name), span) for f in dataclasses.fields(node)})


def _meanings(scope: Scope, name: str, median_gap_days: MedianGap | None) -> list[_Meaning] | None:
    """Every way the name can be read; None if it has none of the forms."""
    if found := _NEXT.fullmatch(name):
        return _next(scope, found[1], median_gap_days)
    if found := _CHURN.fullmatch(name):
        n, unit = int(found[1]), _UNITS[found[2].lower()]
        exists = [_aggregate("EXISTS", _star(fact.name), n, unit) for fact in _facts(scope)]
        return [_Meaning(ast.Not(one)) for one in exists]
    if found := _OVER.fullmatch(name):
        return _measured(scope, found[1], int(found[2]), _UNITS[found[3].lower()])
    return None


# ---------------------------------------------------------------- the pieces


def _identifier(name: str) -> ast.Identifier:
    return ast.Identifier(name)


def _column(table: str, column: str) -> ast.ColumnName:
    return ast.ColumnName(_identifier(table), _identifier(column))


def _star(table: str) -> ast.Star:
    return ast.Star(_identifier(table))


def _aggregate(function: str, argument: ast.Expression, n: int, unit: str) -> ast.Aggregate:
    return ast.Aggregate(function, argument, None, ast.Window(0, n, unit))


def _facts(scope: Scope) -> tuple[Table, ...]:
    """The clocked tables, of USING if given, whose rows point to the entity; the nearest ones."""
    assert scope.entity is not None
    lengths: dict[str, int] = {}
    for table in scope.catalog.tables:
        if not is_clocked(table) or (scope.using is not None and table.name not in scope.using):
            continue
        routes = upward(table.name, scope.entity.name, scope.links)
        if routes and routes[0]:
            lengths[table.name] = len(routes[0])
    least = min(lengths.values(), default=0)
    return tuple(scope.catalog.table(name) for name, length in lengths.items() if length == least)


def _next(scope: Scope, word: str, median_gap_days: MedianGap | None) -> list[_Meaning]:
    """`next_product`: the ranking of the foreign key to products in the facts of the entity."""
    assert scope.entity is not None
    found = look_up(word, [table.name for table in scope.catalog.tables], plurals=True).name
    if found is None:
        return []
    item = canonical(scope, scope.catalog.table(found))
    reached = []
    for fact in _facts(scope):
        for route in upward(fact.name, item.name, scope.links):
            home = upward(fact.name, scope.entity.name, scope.links)
            if route and route not in home:
                reached.append((len(route), fact, route))
    least = min((length for length, _, _ in reached), default=0)
    meanings = []
    for length, fact, route in reached:
        if length == least:
            link = route[-1].link
            home_link = upward(fact.name, scope.entity.name, scope.links)[0][0].link
            days = DAYS_WITHOUT_DATA
            if median_gap_days is not None:
                days = max(1, median_gap_days(fact.name, home_link.child_columns[0]))
            target = _aggregate("LIST_DISTINCT", _column(link.child, link.child_columns[0]), days, "days")
            meanings.append(_Meaning(target, (ast.RankTop(ITEMS),)))
    return meanings


def _measured(scope: Scope, words: str, n: int, unit: str) -> list[_Meaning]:
    """`total_spend_12m`: an aggregate of the measure's column, or the number of rows of a table."""
    facts = _facts(scope)
    prefix, _, rest = words.partition("_")
    function = _PREFIXES.get(prefix.lower()) if rest else None
    whole = by_name(scope, facts, words)
    if whole:
        return [_summed("SUM", measure, n, unit) for measure in whole]
    name = rest if function is not None else words
    tables = [fact for fact in facts if singulars(fact.name) & singulars(name)]
    if tables and function in (None, "COUNT", "SUM"):
        return [_Meaning(_aggregate("COUNT", _star(table.name), n, unit)) for table in tables]
    if function == "COUNT":
        hits = [(fact.name, look_up(name, [c.name for c in fact.columns]).name) for fact in facts]
        return [_Meaning(_aggregate("COUNT", _column(t, c), n, unit)) for t, c in hits if c is not None]
    measures = by_name(scope, facts, name) or by_synonym(scope, facts, name)
    return [_summed(function or "SUM", measure, n, unit) for measure in measures]


def _summed(function: str, measure: Measure, n: int, unit: str) -> _Meaning:
    value: ast.Expression = _column(measure.table, measure.column)
    if measure.pieces is not None:
        value = ast.Arithmetic("*", value, _column(measure.fact, measure.pieces))
    return _Meaning(_aggregate(function, value, n, unit))


def _singular(name: str) -> str:
    """The form of a table's name that stands in `next_…`: races -> race, boxes -> box, categories -> category."""
    low = name.lower()
    if low.endswith(("us", "is", "ss")):
        return low
    if low.endswith("ies") and len(low) > 4:
        return low[:-3] + "y"
    return low[:-2] if low.endswith(("ses", "xes", "zes", "ches", "shes")) else low.removesuffix("s")


def _examples(scope: Scope) -> tuple[str, ...]:
    """Names that would be read, from the tables at hand."""
    assert scope.entity is not None
    names: list[str] = []
    for fact in _facts(scope):
        for link in scope.links:
            if link.child == fact.name and link.parent != scope.entity.name:
                names.append(f"next_{_singular(link.parent)}")
        names += [f"total_{column.name}_30d" for column in numbers_of(scope, fact)]
    return tuple(dict.fromkeys([*names, *(["churn_30d"] if names else [])]))
