"""From the tree to the bound query: every name resolved, every aggregate routed, the task decided.

Pure: it reads a catalog and never any rows. All independent faults are raised together as one PqlError.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pql.language import ast
from pql.language.aggregates import names_only
from pql.language.bind_options import bind_options
from pql.language.bound import BoundEntity, BoundQuery, Expression, TaskKind
from pql.language.catalog import Catalog, Table
from pql.language.clauses import (
    bind_as_of,
    bind_assuming,
    bind_ignoring,
    bind_levels,
    bind_moment,
    bind_using,
    bind_where,
    check_ignoring,
    check_using,
)
from pql.language.entities import bind_entity, bind_ids, bound_entity
from pql.language.errors import PqlError
from pql.language.named import MedianGap, defined_or_read
from pql.language.parameters import Parameters, fill
from pql.language.passages import bind_via, check_via
from pql.language.ranked import bind_ranked
from pql.language.repairs import as_error
from pql.language.routes import links_for
from pql.language.scope import Finding, Scope
from pql.language.targets import bind_pair, bind_target, is_static, without_missing
from pql.language.tasks import Task, decide
from pql.language.unquoted import with_backticks
from pql.language.unsupported import unsupported

Moments = Sequence[ast.Expression | dt.date | str]
_DEEPEST_REPAIR = 4


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What a binding is given beside the query and its text; the same when a corrected text is bound again."""

    catalog: Catalog
    params: Parameters
    as_of: dt.date | str | None
    targets: Mapping[str, ast.DefineTarget]
    evaluate_at: Moments
    median_gap_days: MedianGap | None


def bind(
    query: ast.Predict,
    catalog: Catalog,
    *,
    text: str,
    params: Parameters = None,
    as_of: dt.date | str | None = None,
    targets: Mapping[str, ast.DefineTarget] | None = None,
    evaluate_at: Moments = (),
    median_gap_days: MedianGap | None = None,
) -> BoundQuery:
    """The query resolved against `catalog`.

    text: the text `query` was parsed from, to which its spans refer. params: values of `:name` (a mapping) or `?`
    (a sequence). targets: targets made by DEFINE, by name. evaluate_at: the test anchors of EVALUATE … AT.
    median_gap_days: the median gap in days, rounded up, between an entity's rows of a fact table (called with the
    table and its foreign key column); without it the window of `next_…` is 14 days. Raises PqlError.
    """
    around = _Surroundings(catalog, params, as_of, targets or {}, evaluate_at, median_gap_days)
    return _bind(query, text, around, depth=0)


def _bind(query: ast.Predict, text: str, around: _Surroundings, *, depth: int) -> BoundQuery:
    scope = Scope(around.catalog, text, query)
    bound = _stages(scope, around)
    if bound is not None and not scope.findings:
        return bound

    def check(fixed: str) -> PqlError | None:
        return _fault_of(query, text, fixed, around, depth=depth + 1)

    names = [name for table in around.catalog.tables for name in (table.name, *(c.name for c in table.columns))]
    raise with_backticks(as_error(scope.findings, text, check), text, names, check)


def _fault_of(query: ast.Predict, text: str, fixed: str, around: _Surroundings, *, depth: int) -> PqlError | None:
    """The error of a corrected text, None if it binds."""
    from pql.language.parser import parse_script  # loads the parser's table, and only to check a repair

    none = PqlError("no_effect", "no repair was found")
    if depth > _DEEPEST_REPAIR or fixed == text:
        return none
    try:
        is_alone = not text[: query.span.start].strip() and not text[query.span.end :].strip("; \t\r\n")
        before = [query] if is_alone else [getattr(s, "query", s) for s in parse_script(text).statements]
        after = [getattr(s, "query", s) for s in parse_script(fixed).statements]
    except PqlError:
        return none
    if query not in before or len(before) != len(after):
        return none
    corrected = after[before.index(query)]
    if not isinstance(corrected, ast.Predict):
        return none
    try:
        _bind(corrected, fixed, around, depth=depth)
    except PqlError as error:
        return error
    return None


def _stages(scope: Scope, around: _Surroundings) -> BoundQuery | None:
    """Every stage in turn; None where faults were noted in the scope."""
    filled, faults = fill(scope.query, around.params)
    scope.findings += [Finding(fault) for fault in faults]
    scope.query = filled
    entity, second = _entities(scope)
    ignoring = bind_ignoring(scope)
    scope.links = links_for(scope.catalog, entity.name if entity else None, ignoring=ignoring)
    using = bind_using(scope)
    scope.using = None if using is None else frozenset(using)
    scope.via = bind_via(scope, scope.query.via or ())
    options = bind_options(scope, scope.query.options)
    as_of = bind_as_of(scope, around.as_of)
    moments = [bind_moment(scope, at, "AT") for at in around.evaluate_at]
    if entity is None:
        _names_alone(scope)
        return None
    reading = defined_or_read(scope, around.targets, around.median_gap_days)
    if reading is None:
        bind_where(scope, entity.name)
        return None
    if reading.query is not None:
        scope.query = reading.query
    target = bind_target(scope, entity.name)
    task, pair = None, None
    if target is not None:
        target, task, pair = _task(scope, target, second)
    where = bind_where(scope, entity.name)
    static = target is not None and is_static(scope, target)
    where, missing_only = without_missing(where, target if static else None)
    if missing_only:
        scope.warnings.append("rows without the value asked for are scored; those with one teach")
    assuming = bind_assuming(scope, entity.name, is_static=static)
    ids = bind_ids(scope, entity)
    kind = None if task is None else task.kind
    ranked = bind_ranked(scope, None if task is None else task.item, kind, target)
    levels = bind_levels(scope, kind)
    if target is not None:
        check_using(scope, using)
        check_ignoring(scope, using)
        check_via(scope, scope.via, scope.query.via or ())
    if scope.findings or target is None or task is None:
        return None
    returning = scope.query.returning
    form = None if returning is None else returning.form
    return BoundQuery(
        syntax=scope.query,
        text=scope.text,
        catalog=scope.catalog,
        entity=bound_entity(entity),
        target=target,
        is_static=static,
        task=TaskKind.BINARY if pair is not None and task.top_k is None else task.kind,
        reason=task.reason,
        item=task.item,
        pair=pair,
        top_k=task.top_k,
        where=where,
        missing_only=missing_only,
        assuming=assuming,
        ids=ids,
        using=using,
        as_of=as_of,
        evaluate_at=tuple(moment for moment in moments if moment is not None),
        forecast_steps=task.steps,
        ignoring=ignoring,
        via=scope.via,
        candidates=ranked.candidates,
        excluding=ranked.excluding,
        at_most=ranked.at_most,
        quantiles=levels if form == "quantiles" else (),
        interval=levels[0] if form == "interval" and levels else None,
        alias=None if scope.query.alias is None else scope.query.alias.text,
        using_model=None if scope.query.using_model is None else scope.query.using_model.text,
        distribution=form == "distribution",
        options=options,
        reading=reading.text,
        warnings=tuple(dict.fromkeys(scope.warnings)),
    )


def _entities(scope: Scope) -> tuple[Table | None, Table | None]:
    entities = scope.query.entities
    first = bind_entity(scope, entities[0])
    if first is not None and first.key is not None:
        scope.entity = first
    second = None
    if len(entities) > 1:
        scope.is_pair = True
        second = bind_entity(scope, entities[1])
    if len(entities) > 2:
        message = f"{len(entities)} entities are named; one or two can be asked about"
        scope.fault("pair_mismatch", message, entities[2].span, hint="keep two")
    return scope.entity, second


def _names_alone(scope: Scope) -> None:
    """Without an entity: the names of target and filters, so that their faults are reported at once."""
    for node in (scope.query.target, scope.query.where, scope.query.assuming):
        if node is not None:
            names_only(scope, node)


def _task(
    scope: Scope, target: Expression, second: Table | None
) -> tuple[Expression | None, Task | None, BoundEntity | None]:
    if not scope.is_pair:
        return target, decide(scope, target, is_static=is_static(scope, target)), None
    found = bind_pair(scope, second, target)
    if found is None:
        return None, None, None
    paired, pair, task = found
    return paired, task, pair


__all__ = ["bind", "unsupported"]
