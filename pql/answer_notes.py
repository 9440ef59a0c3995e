"""What to mind of an answer, in sentences: the plan's warnings, what was assumed and what that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pql.engine.answers.kept import KeptModel
    from pql.engine.answers.what_if import Moved, WhatIf
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.planning.plan import Plan
    from pql.result import ModelInfo

FEW = 30  # examples of a split, below which its metrics say little
TELLING = {"spearman": 0.95, "auroc": 0.99, "accuracy": 0.98}  # on test: better than a missing value is guessed


def notes_of(plan: Plan, model: KeptModel, info: ModelInfo, *, early: int = 0) -> tuple[str, ...]:
    """What to mind of any answer. `early`: rows that are left out for want of earlier ones."""
    notes = [*plan.warnings, *model.trained.notes]
    if early:
        notes.append(
            f"{early:,} rows are left out: there are too few earlier ones to learn from. Asked for, they show."
        )
    if plan.query.is_static and _nearly_restated(model):
        columns = ", ".join(name for name, _ in model.trained.importance[:3])
        notes.append(
            f"The value asked for is nearly restated by others ({columns}): where those are filled in together "
            "with it, IGNORING leaves them out."
        )
    if info.stopped:
        notes.append("The training was stopped early: the same query may answer better. The model isn't kept.")
    return tuple(notes)


def assumed_notes(plan: Plan, labels: LabelTable) -> tuple[str, ...]:
    """What ASSUMING states of the future, and for how many rows it came about; of columns, when it is read."""
    from pql.bound_text import expression_text
    from pql.engine.labels.counts import count_labels
    from pql.engine.planning.assuming import assumed_future

    if plan.query.assuming is None:
        return ()
    text = expression_text(plan.query.assuming)
    if assumed_future(plan.query) is None:
        return (f"Assuming {text} edits what is read at the prediction: the metrics are those without it.",)
    counts = count_labels(labels, plan)
    met = [f"{c.examples + c.undefined:,} of {c.examples + c.undefined + c.unassumed:,} {c.split}" for c in counts]
    scarce = [f"{c.examples:,} {c.split}" for c in counts if c.examples < FEW]
    few = f" So few rows ({', '.join(scarce)}) measure little: loosen it to know more." if scarce else ""
    return (
        f"Assuming {text}: it came about for {', '.join(met)} rows, which alone are learnt from and measured on. "
        f"Everybody eligible is scored as if it did: a conditional distribution, not the effect of a cause.{few}",
    )


def what_if_notes(plan: Plan, changed: WhatIf, difference: Moved) -> tuple[str, ...]:
    """For how many of the scored entities the assumption changed the input, and the answer."""
    from pql.bound_text import expression_text

    assert plan.query.assuming is not None
    held = f"{changed.already:,} of the {changed.n:,} rows scored hold it anyway; "
    found = f"Assuming {expression_text(plan.query.assuming)}: {held if changed.already else ''}"
    if not difference.changed:
        unused = "" if changed.already == changed.n else ": the model does not use what was assumed"
        return (f"{found}no answer changed{unused}.",)
    by = "" if difference.by is None else f", on average by {difference.by:+.4g}"
    return (f"{found}{difference.changed:,} of {difference.n:,} answers changed{by}.",)


def _nearly_restated(model: KeptModel) -> bool:
    metrics = model.trained.metrics
    values = [metrics.value(model.trained.name, "test", name) for name in TELLING]
    return bool(model.trained.importance) and any(v > t for v, t in zip(values, TELLING.values(), strict=True))
