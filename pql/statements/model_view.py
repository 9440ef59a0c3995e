"""What a kept model is: DESCRIBE MODEL, SHOW METRICS FOR MODEL, SHOW RULES FOR MODEL."""

from __future__ import annotations

import datetime as dt
import textwrap
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.statements.models import about_version
from pql.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.engine.answers.kept import KeptModel
    from pql.engine.answers.registry import Version
    from pql.engine.models.rules import Rules
    from pql.shown_table import Report

MOST_IMPORTANT = 10


def describe_model(work: Workspace, name: ast.Identifier) -> Report:
    """The current version of a model (query, data, members, metrics, importance) and a list of all versions.

    As a table: one row per fact, with its `part`, `name` and `value` as text. Raises PqlError `unknown_model`,
    `model_corrupt`.
    """
    import pyarrow as pa

    from pql.shown_table import Report

    version = work.registry.find(name.text)
    versions = [one for one in work.registry.versions() if one.name == version.name]
    model, about = _loaded(work, version)
    facts = [
        ("model", "name", version.name),
        ("model", "version", f"{version.number} of {len(versions)}"),
        ("model", "query", version.query),
        *(("model", what, text) for what, text in _made(version, about)),
        *(("member", member, f"{weight:.3f}") for member, weight in sorted(model.weights.items(), key=_heaviest)),
        *(("importance", feature, f"{share:.3f}") for feature, share in model.trained.importance[:MOST_IMPORTANT]),
        *(("metric", f"{r.model}, {r.split}, {r.metric}", f"{r.value:.6g}") for r in model.trained.metrics.rows),
        *(("version", str(one.number), _version_text(work, one)) for one in versions),
    ]
    columns = list(zip(*facts, strict=True))
    table = pa.table({n: pa.array(c, pa.string()) for n, c in zip(("part", "name", "value"), columns, strict=True)})
    return Report(table, _text(facts, model))


def show_metrics(work: Workspace, name: ast.Identifier) -> Report:
    """The metrics of a model's current version beside every baseline, as EVALUATE gave them when it was made."""
    from pql.result import metrics_table
    from pql.shown_table import Report

    model, _ = _loaded(work, work.registry.find(name.text))
    metrics = model.trained.metrics
    return Report(metrics_table(metrics), str(metrics))


def show_rules(work: Workspace, name: ast.Identifier) -> Report:
    """The rules a model has learnt, the surest first: who had the antecedent had the consequent as well.

    Names stand beside the items where their table has them. Raises PqlError `no_rules` where the model has none,
    `unknown_model`.
    """
    from pql.engine.ranking.rule_table import rule_table
    from pql.engine.ranking.trained import TrainedRanker
    from pql.shown_table import Report

    version = work.registry.find(name.text)
    model, about = _loaded(work, version)
    if isinstance(model.trained, TrainedRanker) and model.trained.rules is not None:
        rules = model.trained.rules
        return Report(rule_table(rules, _names_of(work, rules, about)))
    raise PqlError(
        "no_rules",
        f"The model {version.name!r} has no rules to show: it is {model.trained.name}.",
        span=name.span,
        hint=f"DESCRIBE MODEL {version.name} shows its members and what it goes by; WITH (model = rules) learns rules.",
    )


def _names_of(work: Workspace, rules: Rules, about: dict[str, Any]) -> tuple[pa.Array, pa.Array] | None:
    """The ids and names of the items of rules, as known when the model was made; None where they have no names."""
    from pql.engine.graph.names import lookup_names

    if rules.source is None or rules.values is None:
        return None
    until = int(about["until"])
    try:
        with work.snapshot() as snapshot:
            found = lookup_names(snapshot, work.catalog(snapshot, until), *rules.source, rules.values.type, until)
    except KeyError:  # the table is gone
        return None
    return None if found is None else found[:2]


def _loaded(work: Workspace, version: Version) -> tuple[KeptModel, dict[str, Any]]:
    from pql.engine.answers.kept import restore

    found = work.registry.get(version.key)
    if found is None:
        raise PqlError(
            "model_corrupt",
            f"The kept files of the model {version.name!r} are gone.",
            hint=f"CREATE OR REPLACE MODEL {version.name} AS PREDICT … trains it again.",
        )
    return restore(found[0], version.key), found[1]


def _heaviest(pair: tuple[str, float]) -> tuple[float, str]:
    return -pair[1], pair[0]


def _made(version: Version, about: dict[str, Any]) -> list[tuple[str, str]]:
    """When and from what a version was made, as far as it is known."""
    made = dt.datetime.fromtimestamp(version.made, dt.UTC)
    facts = [("made", f"{made:%Y-%m-%d %H:%M:%S} UTC"), ("key", version.key)]
    if "task" in about:
        facts.append(("task", str(about["task"])))
    if "until" in about:
        from pql.engine.planning.anchors import show_time

        facts.append(("trained as of", show_time(about["until"])))
    if "data" in about:
        rows = ", ".join(f"{table} {count:,}" for table, count in about.get("rows", {}).items())
        facts += [("data", str(about["data"])), ("rows", rows)]
    return facts


def _version_text(work: Workspace, version: Version) -> str:
    made = dict(_made(version, about_version(work, version)))
    until = f"trained as of {made['trained as of']}, " if "trained as of" in made else ""
    return f"{until}made {made['made']}{', current' if version.current else ''}: {version.query}"


def _text(facts: list[tuple[str, str, str]], model: KeptModel) -> str:
    titles = {"model": "Model", "member": "Members", "importance": "Importance", "version": "Versions"}
    blocks = []
    for part, title in titles.items():
        rows = [(name, value) for kind, name, value in facts if kind == part]
        if not rows:
            continue
        width = max(len(name) for name, _ in rows)
        lines = [textwrap.indent(value, " " * (width + 4)).strip() for _, value in rows]
        shown = [f"  {name:<{width}}  {line}" for (name, _), line in zip(rows, lines, strict=True)]
        blocks.append("\n".join([title, *shown]))
    blocks.insert(2, "Metrics\n" + textwrap.indent(str(model.trained.metrics), "  "))
    return "\n\n".join(blocks)
