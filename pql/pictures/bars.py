"""Amounts as bars, the largest first: what weighs most, the parts of a blend."""

from __future__ import annotations

from collections.abc import Sequence

from pql.html import BLUE
from pql.pictures.axes import percent, said
from pql.pictures.svg import Picture, picture, rect, text, width_of

_WIDTH, _ROW, _TOP = 640.0, 24.0, 34.0
MOST = 20


def bars_picture(
    title: str,
    names: Sequence[str],
    amounts: Sequence[float],
    *,
    share: bool = False,
    width: float = _WIDTH,
    titled: bool = True,
) -> Picture:
    """A bar per name, none below nought; at most 20 of them. share: amounts are parts of 1, shown in per cent.
    titled: with its title over it."""
    pairs = sorted(zip(names, amounts, strict=True), key=lambda pair: -pair[1])
    shown = pairs[:MOST]
    edge, top = (14.0, _TOP) if titled else (0.0, 4.0)
    wide = min(max((width_of(name) for name, _ in shown), default=0.0), 0.45 * width)
    left, right = edge + wide + 12, width - 62
    most = max((amount for _, amount in shown), default=0.0)
    shapes = [text(14, 20, title, size=13, bold=True, most=width - 28)] if titled else []
    for i, (name, amount) in enumerate(shown):
        y = top + i * _ROW
        length = (right - left) * max(amount, 0.0) / most if most > 0 else 0.0
        shapes.append(text(edge, y + 16, name, most=wide))
        shapes.append(rect(left, y + 4, max(length, 1.0), _ROW - 8, fill=BLUE, rx=2.0, title=name))
        shapes.append(text(left + length + 6, y + 16, percent(amount) if share else said(amount), size=11))
    bottom = top + len(shown) * _ROW
    if len(pairs) > MOST:
        shapes.append(text(edge, bottom + 16, f"… {len(pairs):,} in all", size=11, soft=True))
        bottom += 18
    told = "; ".join(f"{name} {amount:.4g}" for name, amount in shown)
    return picture(width, bottom + 14, title, told, *shapes)
