"""A tree with some of its nodes replaced; nothing is copied where nothing changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from pql.language.ast import Literal, Span


def rewrite(node: Any, change: Callable[[Any], Any]) -> Any:
    """`node` with `change` applied to every node below it and then to itself; tuples are followed."""
    if isinstance(node, tuple):
        items = tuple(rewrite(item, change) for item in node)
        return items if any(new is not old for new, old in zip(items, node, strict=True)) else node
    if isinstance(node, Span | Literal | type) or not dataclasses.is_dataclass(node):
        return node
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(node):
        before = getattr(node, field.name)
        after = rewrite(before, change)
        if after is not before:
            changes[field.name] = after
    return change(dataclasses.replace(node, **changes) if changes else node)  # type: ignore[type-var]
