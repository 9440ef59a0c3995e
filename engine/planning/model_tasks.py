"""Which model answers which target: the one table that WITH (model = …), EXPLAIN and the errors go by."""

from __future__ import annotations

from dataclasses import dataclass

from pql.engine.planning.outcome import outcome_of
from pql.language import ast
from pql.language.bound import BoundQuery, TaskKind
from pql.language.errors import PqlError

_TRAINED = frozenset(TaskKind)
_NUMERIC = frozenset({TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.FORECAST})
_RANKING = frozenset({TaskKind.RANKING})
_VALUES = frozenset({TaskKind.BINARY, TaskKind.REGRESSION})
_SETS = frozenset({TaskKind.RANKING, TaskKind.MULTILABEL})


@dataclass(frozen=True, slots=True)
class Answers:
    """The kinds of targets a model answers. `timeless`: those without a window (a column's value) as well. `outcomes`:
    what yes/no and numeric targets may ask of the rows of their window (any, if None; see `outcome_of`)."""

    tasks: frozenset[TaskKind]
    timeless: bool = False
    outcomes: frozenset[str] | None = None


ANSWERS: dict[str, Answers] = {
    "boosted": Answers(_TRAINED, timeless=True),
    "gnn": Answers(_TRAINED, timeless=True),
    "instant": Answers(_NUMERIC | {TaskKind.MULTICLASS, TaskKind.MULTILABEL}, timeless=True),
    "linear": Answers(_VALUES, timeless=True),
    "rate": Answers(
        frozenset({TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL, TaskKind.TIME_TO_EVENT}), timeless=True
    ),
    "last_window": Answers(_NUMERIC | {TaskKind.MULTICLASS}),
    "entity_mean": Answers(_NUMERIC | {TaskKind.MULTICLASS}),
    "rfm": Answers(_VALUES, outcomes=frozenset({"none", "any", "count", "sum", "other"})),
    "bgnbd": Answers(_VALUES, outcomes=frozenset({"none", "any", "count", "sum"})),
    "interval": Answers(_RANKING | {TaskKind.BINARY, TaskKind.TIME_TO_EVENT}, outcomes=frozenset({"none", "any"})),
    "popularity": Answers(_SETS),
    "repeat": Answers(_SETS),
    "rules": Answers(_RANKING),
    "als": Answers(_RANKING),
    "two_tower": Answers(_RANKING),
}

# What a name stands for where the kind of target has a word of its own for it.
KNOWN_AS = {
    ("rate", TaskKind.MULTICLASS): "majority",
    ("rate", TaskKind.TIME_TO_EVENT): "kaplan_meier",
    ("last_window", TaskKind.MULTICLASS): "last_value",
    ("entity_mean", TaskKind.MULTICLASS): "entity_shares",
}


def answering(query: BoundQuery) -> tuple[str, ...]:
    """The models that can be asked to answer a query by name, in the order of the table."""
    return tuple(
        name
        for name, answers in ANSWERS.items()
        if query.task in answers.tasks
        and (answers.timeless or not query.is_static)
        and (answers.outcomes is None or query.task not in _VALUES or outcome_of(query.target) in answers.outcomes)
    )


def member_called(query: BoundQuery, model: str) -> str:
    """The member that is fitted where `model` is asked for. Raises PqlError `model_not_for_task` where it can't be."""
    able = answering(query)
    if model in able:
        return KNOWN_AS.get((model, query.task), model)
    where = next((o for o in query.syntax.options if o.name.text.lower() == "model"), None)
    fix = None
    if where is not None and where.value.span != ast.NOWHERE and query.text:
        fix = query.text[: where.value.span.start] + "auto" + query.text[where.value.span.end :]
    raise PqlError(
        "model_not_for_task",
        f"The model {model} can't answer {_kind(query)}.",
        span=where.span if where is not None else None,
        hint=f"For this target: auto, blend, {', '.join(able)}.",
        fix=fix,
    )


def _kind(query: BoundQuery) -> str:
    """The kind of a query's target, in words."""
    words = query.task.value.replace("_", " ")
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words} target{' without a window' if query.is_static else ''}"
