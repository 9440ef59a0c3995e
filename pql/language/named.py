"""Named targets: those made by DEFINE, and the transparent reading of `next_product` or `total_spend_12m`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pql.language import ast
from pql.language.scope import Scope

MedianGap = Callable[[str, str], int]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a target was read as: the query with the real target and its text; None where it stands as written."""

    query: ast.Predict | None = None
    text: str | None = None


def defined_or_read(
    scope: Scope, targets: Mapping[str, ast.DefineTarget], median_gap_days: MedianGap | None
) -> Reading | None:
    """The reading of a named target; an empty one for any other target; None where a fault was noted."""
    return Reading()
