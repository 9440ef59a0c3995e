"""The columns of a result, by kind of target, and the order of its rows (LANGUAGE §6)."""

from __future__ import annotations

from pql.engine.planning.bounds import bounds_of, probability_alone
from pql.engine.planning.plan import Output
from pql.language.bound import BoundQuery, TaskKind

ORDER = {
    TaskKind.BINARY: "highest probability first",
    TaskKind.REGRESSION: "largest prediction first",
    TaskKind.MULTICLASS: "highest probability first",
    TaskKind.MULTILABEL: "best first within each entity",
    TaskKind.RANKING: "best first within each entity",
    TaskKind.FORECAST: "by entity, then step",
    TaskKind.TIME_TO_EVENT: "soonest first",
}


def plan_output(query: BoundQuery) -> Output:
    """The columns of the result (LANGUAGE §6). A key called like one of ours keeps its name, ours gets a `_`."""
    keys = query.entity.keys
    if query.pair is not None and query.top_k is None:
        keys = _apart(keys, query.pair.keys)
    item = _item_name(query)
    theirs = _apart(keys, (item,) if item is not None else ())
    named = "probability" if probability_alone(query) else "prediction"
    ours = [query.alias if name == named and query.alias else name for name in _columns(query)]
    taken = {name.lower() for name in theirs}
    columns = list(keys)
    item_column = theirs[-1] if item is not None else keys[-1] if query.asks_pairs else None
    for name in ours:
        if name is _ITEM:
            columns.append(str(item_column))
            continue
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        columns.append(name)
    return Output(
        keys=keys,
        columns=tuple(columns),
        order=ORDER[TaskKind.BINARY if query.asks_pairs else query.task],
        top_k=query.top_k,
        item_column=item_column,
        has_status=query.ids is not None,
        alias=query.alias,
    )


_ITEM = "\0item"  # stands for the item's column, whose name the data gives


def _columns(query: BoundQuery) -> tuple[str, ...]:
    status = ("status",) if query.ids is not None else ()
    return ("anchor", *_task_columns(query), *status)


def _task_columns(query: BoundQuery) -> tuple[str, ...]:
    kind = query.task
    if kind is TaskKind.BINARY:
        return ("probability",) if probability_alone(query) else ("probability", "prediction")
    if kind is TaskKind.REGRESSION:
        return ("prediction", *bounds_of(query).names)
    if kind is TaskKind.MULTICLASS:
        return ("class", "probability") if query.distribution else ("prediction", "probability")
    if query.asks_pairs:
        return ("probability", "prediction")
    if kind in (TaskKind.MULTILABEL, TaskKind.RANKING):
        item = _ITEM if _item_name(query) is not None else "class"
        return (item, "score", "rank", *(("candidates",) if query.has_rules else ()))
    if kind is TaskKind.FORECAST:
        return ("step", "window_start", "window_end", "prediction", *bounds_of(query).names)
    return ("median", "probability", "prediction")


def _item_name(query: BoundQuery) -> str | None:
    """What the column of a list's items is called: as AS says, else as the key of the item's table, else as the column
    whose values are the items."""
    if query.item is None or query.task not in (TaskKind.RANKING, TaskKind.MULTILABEL) or query.asks_pairs:
        return None
    return query.alias or query.item.key or query.item.column.column


def _apart(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Both lists, the names of the second with `_` behind them where the first has them already."""
    names = list(first)
    for name in second:
        while name.lower() in {other.lower() for other in names}:
            name += "_"
        names.append(name)
    return tuple(names)
