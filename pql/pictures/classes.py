"""Classes: which are taken for which."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pql.html import BLUE
from pql.pictures.axes import SMALL
from pql.pictures.bins import Floats
from pql.pictures.figure import Figure
from pql.pictures.svg import picture, rect, text, width_of

MOST = 8
_HIGH, _WIDE = 30.0, 400.0


def confusion(truth: Floats, chosen: Floats, name_of: Callable[[int], str], most: int = MOST) -> Figure:
    """Of each true class the share predicted as each: the commonest ones, the others together."""
    real, said = truth.astype(np.int64), chosen.astype(np.int64)
    codes, counts = np.unique(real, return_counts=True)
    kept = codes[np.argsort(-counts, kind="stable")][:most].tolist()
    beyond = bool((~np.isin(said[np.isin(real, kept)], kept)).any())
    heads = [name_of(code) for code in kept] + ["others"] * beyond
    rows = []
    for code in kept:
        mine = said[real == code]
        shares = [float((mine == other).mean()) for other in kept]
        rows.append((name_of(code), len(mine), shares + [1.0 - sum(shares)] * beyond))
    left = min(130.0, max([width_of(name) for name, _, _ in rows], default=0.0) + 16) + 56
    width = max(_WIDE, left + 34.0 * len(heads))
    wide, top = (width - left) / max(1, len(heads)), 44.0
    narrow = any(width_of(head, SMALL) > wide - 4 for head in heads)
    over = [*map(str, range(1, len(kept) + 1)), *["rest"] * beyond] if narrow else heads
    shapes = [text(0, 12, "true class, and its rows", size=SMALL, soft=True)]
    shapes.append(text(width, 12, "predicted as …", size=SMALL, anchor="end", soft=True))
    for j, head in enumerate(over):
        shapes.append(text(left + (j + 0.5) * wide, top - 9, head, size=SMALL, anchor="middle", most=wide - 4))
    for i, (name, count, shares) in enumerate(rows):
        y = top + i * _HIGH
        shapes.append(text(0, y + 19, f"{i + 1} {name}" if narrow else name, most=left - 56))
        shapes.append(text(left - 10, y + 19, f"{count:,}", size=SMALL, anchor="end", soft=True))
        for j, share in enumerate(shares):
            x = left + j * wide
            frame = "currentColor" if i == j else "none"
            depth, said_of = f"{0.06 + 0.5 * share:.2f}", f"{name} taken for {heads[j]}: {share:.1%}"
            shapes.append(
                rect(x + 1, y + 1, wide - 2, _HIGH - 2, fill=BLUE, rx=3.0, fill_opacity=depth, stroke=frame,
                     stroke_opacity="0.55", title=said_of)
            )  # fmt: skip
            if share >= 0.005:
                shapes.append(text(x + wide / 2, y + 19, f"{100 * share:.0f} %", anchor="middle", bold=i == j))
    told = "; ".join(
        f"{name} ({count:,}): " + ", ".join(f"{head} {share:.0%}" for head, share in zip(heads, shares, strict=True))
        for name, count, shares in rows
    )
    drawn = picture(width, top + len(rows) * _HIGH + 4, "Classes taken for each other", told, *shapes)
    left_out = f" The {len(kept)} commonest of {len(codes)} classes." if len(codes) > len(kept) else ""
    caption = f"Rows are true classes; in each, the share predicted as each. Framed: taken for what it is.{left_out}"
    return Figure("confusion", "Taken for", drawn, caption)
