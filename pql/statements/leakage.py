"""CHECK LEAKAGE: the proof on the user's own data that nothing after an anchor reaches what is computed for it.

The query is answered three times at one anchor: over the data as it is, over the data without the rows that are known
later, and over the data in which those rows hold other values, lead elsewhere and are more. Plan, rows read, labels,
graph, features, metrics and predictions must be the same to the last bit. The data itself is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pql.language import ast
from pql.language.errors import PqlError
from pql.statements.leak_facts import Fact, facts_of
from pql.statements.leak_runs import Run, differences, run, short
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.backends.altered import LaterRows
    from pql.backends.base import Snapshot
    from pql.engine.planning.plan import Plan
    from pql.shown_table import Report

ALTERED = {"deleted": "every later row deleted", "scrambled": "every later row scrambled, and more of them"}
SEED = 20


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: what was altered, what was compared, how much of it, and whether it is the same."""

    altered: str
    compared: str
    size: str
    identical: bool


def check_leakage(work: Workspace, statement: ast.CheckLeakage, request: Request) -> Report:
    """The table of checks and facts, with a verdict.

    The anchor is the query's own if rows are later than it, else the test anchor, so that there is something to
    delete. The models are trained anew with at most 3 s of budget. Raises PqlError `nothing_to_check` where
    that anchor leaves too little to learn from.
    """
    from pql.engine.planning.anchors import show_time, to_datetime

    asked = work.with_defaults(statement.query)
    with work.listening() as events, work.snapshot() as snapshot:
        plan = _planned(work, snapshot, asked, request)
        moment, later = _anchor(snapshot, plan)
        query = short(asked, plan.query.options.budget_seconds)
        at = to_datetime(moment)
        try:
            with run(work, snapshot, query, request, at, events) as first:
                sizes = _sizes(first)
                checks = []
                for altered in ALTERED:
                    make = snapshot.without(later) if altered == "deleted" else snapshot.scrambled(later, SEED)
                    with make as other, run(work, other, query, request, at, events) as second:
                        found = differences(first, second)
                    checks += [Check(altered, what, sizes[what], same) for what, same in found.items()]
                facts = facts_of(first.plan, first.inside, later)
                model = str(first.model)
        except PqlError as error:
            if moment == plan.split.prediction:
                raise
            raise PqlError(
                "nothing_to_check",
                f"No row is later than the anchor, and at the test anchor, {show_time(moment)}, the query can't be "
                f"answered: {error.message}",
                span=statement.span,
                hint="Name an anchor with rows after it and enough before it: AS OF …",
            ) from error
    return _report(show_time(moment), model, checks, facts, later)


def _planned(work: Workspace, snapshot: Snapshot, query: ast.Predict, request: Request) -> Plan:
    from pql.pipeline import prepare

    infer = lambda until: work.catalog(snapshot, until)  # noqa: E731
    return prepare(snapshot, query, request.text, request.params, request.as_of, (), infer, targets=work.targets)


def _anchor(snapshot: Snapshot, plan: Plan) -> tuple[int, dict[str, LaterRows]]:
    """The anchor that was asked for if any row is later than it, else the newest test anchor; and the rows after it.

    Without AS OF no row of the target's tables is later than the prediction anchor.
    """
    from pql.engine.labels.later import later_rows

    later = later_rows(snapshot, plan.query.catalog, plan.split.prediction)
    if not later or (plan.query.as_of is not None and _count(later)):
        return plan.split.prediction, later
    earlier = plan.split.times("test")[-1:] or ((plan.split.test_from,) if plan.split.test_from is not None else ())
    if not earlier:
        return plan.split.prediction, later
    return earlier[0], later_rows(snapshot, plan.query.catalog, earlier[0])


def _count(later: Mapping[str, LaterRows]) -> int:
    return sum(int(rows.later.sum()) for rows in later.values())


def _sizes(first: Run) -> dict[str, str]:
    inside, plan = first.inside, first.plan
    edges = sum(len(edge.children) for edge in inside.graph.edges)
    features = inside.features
    return {
        "plan": f"{len(plan.split.anchors)} anchors, {len(plan.query.catalog.tables)} tables, all evidence",
        "rows": f"{sum(inside.history.sizes().values()):,} rows read",
        "labels": f"{len(inside.labels):,} labels",
        "graph": f"{sum(len(node) for node in inside.graph.nodes):,} nodes, {edges:,} edges with their times",
        "features": "" if features is None else f"{features.values.shape[0]:,} x {features.values.shape[1]} numbers",
        "metrics": f"{len(first.metrics.rows)} numbers",
        "predictions": f"{first.predictions.num_rows:,} rows",
    }


def _report(anchor: str, model: str, checks: list[Check], facts: list[Fact], later: Mapping[str, LaterRows]) -> Report:
    import pyarrow as pa

    from pql.shown_table import Report

    count = _count(later)
    leaks = [check for check in checks if not check.identical]
    lines: list[tuple[str, str, str, int | None, bool | None]] = [
        (f"{check.compared} with later rows {check.altered}", anchor, check.size, count, check.identical)
        for check in checks
    ]
    lines += [(fact.check, fact.subject, fact.finding, fact.rows, None) for fact in facts]
    columns = list(zip(*lines, strict=True))
    table = pa.table(
        {
            "check": pa.array(columns[0], pa.string()),
            "subject": pa.array(columns[1], pa.string()),
            "finding": pa.array(columns[2], pa.string()),
            "rows": pa.array(columns[3], pa.int64()),
            "identical": pa.array(columns[4], pa.bool_()),
        }
    )
    return Report(table, _text(anchor, model, checks, facts, count, leaks))


def _text(anchor: str, model: str, checks: list[Check], facts: list[Fact], count: int, leaks: list[Check]) -> str:
    from pql.table import text_table

    rows = [
        (what, next(c.size for c in checks if c.compared == what), *(_word(checks, name, what) for name in ALTERED))
        for what in dict.fromkeys(check.compared for check in checks)
    ]
    proof = text_table(("compared", "how much", "later rows deleted", "later rows scrambled"), rows)
    if leaks:
        changed = ", ".join(f"{check.compared} ({check.altered})" for check in leaks)
        verdict = f"LEAK: later rows change {changed}. This is a fault of pql: please report it."
    elif count:
        verdict = f"No leak: {count:,} rows after {anchor} change nothing, to the last bit."
    else:
        verdict = "Nothing to prove: no row is later than the anchor, and there is no earlier one to check at."
    warnings = [f"look at this: {fact.subject}: {fact.finding}" for fact in facts if fact.is_warning]
    counts = ["" if fact.rows is None else f"{fact.rows:,}" for fact in facts]
    shown = [(fact.check, fact.subject, rows) for fact, rows in zip(facts, counts, strict=True)]
    about = text_table(("in the data", "where", "rows"), shown, right=(False, False, True)).splitlines()
    width = max(len(line) for line in about)
    texts = ["what", "", *(fact.finding for fact in facts)]
    about = [f"{line:<{width}}  {text}".rstrip() for line, text in zip(about, texts, strict=True)]
    head = f"checked at {anchor}, with {count:,} rows after it; model: {model}"
    return "\n\n".join([head, proof, "\n".join(about), "\n".join([verdict, *warnings])])


def _word(checks: list[Check], altered: str, what: str) -> str:
    same = next(check.identical for check in checks if (check.altered, check.compared) == (altered, what))
    return "identical" if same else "DIFFERS"
