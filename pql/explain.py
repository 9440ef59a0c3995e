"""EXPLAIN: every part of a plan as text for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pql.bound_text import (
    as_json,
    bound_text,
    syntax_text,
    tree_text,
)
from pql.explain_sections import graph_lines, sections_of, when
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.labels.counts import LabelCount
    from pql.engine.planning.plan import Plan
    from pql.measured import Measured
    from pql.pictures.svg import Picture

PARTS = ("ast", "bound", "sql", "graph", "json")


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """A plan with its label SQL and label counts, after ANALYZE with what it took and gave; `str()` is the report."""

    plan: Plan
    statement_text: str | None = None
    label_counts: Sequence[LabelCount] | None = None
    part: str | None = None
    measured: Measured | None = None

    def __str__(self) -> str:
        if self.part == "json":
            return json.dumps(self.to_json(), indent=2, ensure_ascii=False)
        text = explain(self.plan, statement_text=self.statement_text, label_counts=self.label_counts, part=self.part)
        if self.measured is None:
            return text
        return "\n".join([text, "", "Measured", *(f"  {line}".rstrip() for line in self.measured.lines())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from pql.html_views import explanation_html

        return explanation_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def picture(self) -> Picture:
        """The database with what the query reads standing out: its entity, what it counts, the hops to the rest."""
        from pql.pictures.graph import graph_picture

        return graph_picture(self.plan.query.catalog, self.plan)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values (see `explain_json`); of one part only that, of ANALYZE also `measured`."""
        made = explain_json(self.plan, statement_text=self.statement_text, label_counts=self.label_counts)
        if self.part not in (None, "json"):
            made = {self.part: made[self.part]}
        return made if self.measured is None else {**made, "measured": self.measured.to_json()}


def explain(
    plan: Plan,
    *,
    statement_text: str | None = None,
    label_counts: Sequence[LabelCount] | None = None,
    part: str | None = None,
) -> str:
    """The report on a plan, or one part of it: ast, bound, sql, graph or json.

    `statement_text` is the label SQL with its values written out, `label_counts` what it gave. Raises `bad_option`
    for an unknown part.
    """
    if part is not None and part not in PARTS:
        raise PqlError(
            "bad_option_value",
            f"EXPLAIN has no part {part}",
            nearest=PARTS,
            hint="Leave the part out for the whole report.",
        )
    if part == "ast":
        return tree_text(plan.query.syntax)
    if part == "bound":
        return bound_text(plan.query)
    if part == "sql":
        return statement_text or ""
    if part == "json":
        made = explain_json(plan, statement_text=statement_text, label_counts=label_counts)
        return json.dumps(made, indent=2, ensure_ascii=False)
    if part == "graph":
        return "\n".join(graph_lines(plan))
    blocks = [
        title + "\n" + "\n".join(f"  {line}".rstrip() for line in lines)
        for title, lines in sections_of(plan, label_counts)
    ]
    if statement_text:
        blocks.append("Label SQL (runs as pasted into DuckDB, where the tables have these names)\n" + statement_text)
    return "\n\n".join(blocks)


def explain_json(
    plan: Plan, *, statement_text: str | None = None, label_counts: Sequence[LabelCount] | None = None
) -> dict[str, Any]:
    """A plan as JSON values; times are ISO text, what doesn't apply is null.

    query, reading: the text in its canonical form, and the full one a named target was read as. ast, bound: the
    trees, every node an object with its `node`. task: kind, head, loss, metric, reason, item, top_k. eligibility:
    who has a row at an anchor, in words. split: kind (anchors, row_time, hashed), prediction, width, step, lags,
    encoder_cut, valid_from, test_from, anchors [{time, role}], notes. regime:
    kind, known, low, high (µs), tables, why. graph: tables [{name, columns, why}], links,
    hops, neighbors, co_occurrence, left_out {name: reason}. model: name, members, baselines and the work they get.
    output: keys, columns, order, top_k. labels: [{split, anchors, examples, undefined, …}]. sql: the label SQL
    with its values written out. warnings: texts.
    """
    split = plan.split
    return {
        "query": syntax_text(plan.query),
        "reading": plan.query.reading,
        "ast": as_json(plan.query.syntax),
        "bound": as_json(plan.query),
        "task": as_json(plan.task),
        "eligibility": plan.eligibility,
        "split": {
            "kind": split.kind,
            "prediction": when(split.prediction),
            "width": split.width_text,
            "step": split.step_text,
            "lags": split.lags,
            "encoder_cut": when(split.encoder_cut),
            "valid_from": None if split.valid_from is None else when(split.valid_from),
            "test_from": None if split.test_from is None else when(split.test_from),
            "anchors": [{"time": when(anchor.time), "role": anchor.role} for anchor in split.anchors],
            "notes": list(split.notes),
        },
        "regime": as_json(plan.regime),
        "graph": {
            **as_json(plan.graph),
            "links": [str(link) for link in plan.graph.links],
            "left_out": dict(plan.graph.left_out),
        },
        "model": as_json(plan.model),
        "output": as_json(plan.output),
        "labels": None if label_counts is None else [as_json(count) for count in label_counts],
        "sql": statement_text,
        "warnings": list(plan.warnings),
    }
