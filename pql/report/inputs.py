"""Whether today is like the days it learnt from, what to know about the data, and how the page's figures were made."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pql.engine.quality.drift import BINS, LITTLE, MUCH, Drift, Shift
from pql.html import BLUE, GREY
from pql.pictures.axes import number, percent
from pql.pictures.svg import picture, rect
from pql.report.markup import Markup, facts, folded, moment, para, plural, section, table, tag

if TYPE_CHECKING:
    from pql.engine.answers.background import Background
    from pql.result import Predictions

MOST = 15


def drift(behind: Background) -> Markup:
    """The section on drift."""
    found = behind.drift
    if found is None:
        words = "There are too few rows on one of the two sides, or the model reads no features: nothing can be told."
        return section("drift", "Is today like the past?", para(words))
    much, some = found.count("much"), found.count("some")
    if much:
        words = f"{_of(much, len(found.shifts))} much: what was learnt may not hold there."
    elif some:
        words = f"{_of(some, len(found.shifts))} somewhat; none differs much."
    else:
        words = f"All {len(found.shifts)} inputs looked at are distributed as they were in training."
    rows = [
        (
            shift.feature,
            tag("span", found.level(shift), cls=f"badge {found.level(shift)}"),
            number(shift.psi, 3),
            number(shift.ks, 3),
            f"{number(shift.middle[0], 3)} → {number(shift.middle[1], 3)}",
            mini(shift),
        )
        for shift in found.shifts[:MOST]
    ]
    lists = behind.checked is not None and behind.checked.kind == "ranking"
    about = "Features of everybody's own history" if lists else "The model's weightiest inputs"
    heads = ("input", "shift", "PSI", "KS", "median", f"shares of {BINS} bins")
    return section(
        "drift",
        "Is today like the past?",
        para(words),
        table(heads, rows, right=(2, 3, 4)),
        para(_method(found), cls="quiet"),
        lead=f"{about} among the training examples, against those of whom is predicted for now.",
    )


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,} inputs {'differs' if count == 1 else 'differ'}"


def _method(found: Drift) -> str:
    return (
        f"{found.learnt:,} training examples and {found.asked:,} predicted rows, each as of its own anchor. PSI, the "
        f"population stability index, over tenths of the training examples: below {LITTLE:g} little, from {MUCH:g} on "
        f"much, each beyond the {number(found.chance, 2)} that so few rows have by chance. Inputs over the whole past "
        "(-INF) grow by themselves as time goes on. KS is the largest distance between the two cumulative shares. "
        "Bars: training behind, today in front."
    )


def mini(shift: Shift) -> Markup:
    """The two distributions as small bars, one in front of the other."""
    top = max(*shift.before, *shift.after) or 1.0
    width = 112 / len(shift.before)
    shapes = []
    for colour, shares, inset in ((GREY, shift.before, 0.0), (BLUE, shift.after, width * 0.28)):
        for i, share in enumerate(shares):
            x, wide, high = i * width + inset + 0.5, max(1.0, width - 2 * inset - 1), 24 * share / top
            pale = "0.45" if colour == GREY else None
            shapes.append(rect(x, 24 - high, wide, high, fill=colour, fill_opacity=pale))
    told = "; ".join(f"{percent(a)} then, {percent(b)} now" for a, b in zip(shift.before, shift.after, strict=True))
    return picture(112, 24, "Shares of bins in training and today", told, *shapes).plain()


def notes(result: Predictions) -> Markup:
    """The section on what to mind in the data."""
    plan = result.plan
    catalog = plan.query.catalog
    said = list(dict.fromkeys([*result.notes, *result.metrics.notes]))
    guessed = [link for link in plan.graph.links if link.evidence.source == "inferred"]
    items = [*said, *(warning for warning in catalog.warnings if warning not in said)]
    if guessed:
        items.append(
            f"{plural(len(guessed), 'link was', 'links were')} inferred from names and values: "
            + "; ".join(str(link) for link in guessed)
        )
    orphans = [link for link in plan.graph.links if link.evidence.orphans]
    items += [f"{link.evidence.orphans:,} rows of {link.child} point to no row of {link.parent}." for link in orphans]
    listed = tag("ul", *(tag("li", item) for item in items), cls="notes")
    content = listed if items else para("Nothing to mind was found.")
    return section("notes", "What to mind", content)


def made(result: Predictions) -> Markup:
    """The section on how it was made."""
    import platform

    plan, model = result.plan, result.model
    weights = ", ".join(f"{weight:.2f} {name}" for name, weight in model.weights.items()) or model.name
    took = sum(model.seconds.values())
    rows = [
        ("Answered by", str(model)),
        ("Weights", weights),
        ("Candidates", ", ".join(plan.model.members)),
        ("Baselines", ", ".join(plan.model.baselines)),
        ("Learnt by", f"head {plan.task.head}, loss {plan.task.loss}, chosen by {plan.task.metric} on validation"),
        ("Seed", plan.model.seed),
        ("Examples", f"at most {plan.model.max_examples:,}"),
        ("Budget", f"{plan.model.budget_seconds:g} s of work, counted in rows beforehand"),
        ("Refit", "on all labelled windows, after everything was measured" if plan.model.refit else "no"),
        ("Known until", moment(plan.split.prediction)),
        ("Model's key", tag("code", model.key)),
        ("Kept", "loaded, not trained again" if model.cached else "trained for this answer"),
        ("Seconds", f"{took:.1f} ({'this run; loaded' if model.cached else 'this run'})"),
        ("Versions", f"{_versions()}, Python {platform.python_version()}"),
    ]
    stages = [(name, f"{seconds:.2f}") for name, seconds in model.seconds.items()]
    options = [(f.name, _plain(getattr(plan.query.options, f.name))) for f in fields(plan.query.options)]
    return section(
        "made",
        "How it was made",
        facts(rows),
        folded("Seconds by stage", table(("stage", "seconds"), stages, right=(1,))) if stages else Markup(""),
        folded("All options", table(("option", "value"), options)),
    )


def _plain(value: Any) -> str:
    return "default" if value is None else str(value)


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("pql-engine", "duckdb", "lightgbm", "torch", "pyarrow", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
