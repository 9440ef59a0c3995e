"""Markup that is safe to show: every text is escaped where it enters an element, and nothing else makes markup.

Cells, names and notes come from the user's data. `element` escapes all that isn't `Html` already; control characters
and marks that turn the direction of writing are shown as signs, as in a terminal. No scripts, no outside resources.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pql.table import cell, escaped

if TYPE_CHECKING:
    import pyarrow as pa

SHORT = 24  # characters of a cell that stays on one line
LONGEST = 400  # characters of a cell's full text, which its title shows
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_VOID = frozenset({"br", "col", "hr", "meta"})

# The colours of figures stand out from white and from black (3:1), those that carry white text 4.5:1 from it.
BLUE, ORANGE, GREEN, RED, GREY, VIOLET = "#2d78c4", "#bd6412", "#2c8450", "#cf4646", "#7a7f87", "#8a63c9"

STYLE = f"""
.pql{{--pql-paper:var(--jp-layout-color0,var(--vscode-editor-background,var(--pql-page,#fff)));
color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit));
font-family:var(--jp-content-font-family,var(--vscode-font-family,system-ui,sans-serif));
font-size:13px;line-height:1.45;max-width:100%}}
.pql .pql-scroll{{overflow-x:auto;max-width:100%}}
.pql .pql-table{{border-collapse:collapse;border:0;margin:.4em 0;width:auto;table-layout:auto;font-size:inherit}}
.pql .pql-table caption{{text-align:left;font-weight:600;padding:.2em 0;caption-side:top;color:inherit}}
.pql .pql-table th,.pql .pql-table td{{padding:.22em .8em;text-align:left;vertical-align:top;border:0;max-width:34em;
overflow-wrap:break-word;white-space:pre-wrap;color:inherit}}
.pql .pql-table thead th{{border-bottom:1px solid rgba(128,128,128,.55);font-weight:600;overflow-wrap:normal}}
.pql .pql-table tbody tr{{background:transparent}}
.pql .pql-table tbody tr:nth-child(even){{background:rgba(128,128,128,.09)}}
.pql .pql-table .pql-right{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
.pql .pql-table .pql-best{{font-weight:700}}
.pql .pql-table .pql-short{{white-space:pre}}
.pql .pql-table .pql-long{{min-width:14em}}
.pql .pql-soft{{opacity:.78}}
.pql p.pql-line{{margin:.25em 0}}
.pql h2.pql-head{{font-size:1.15em;font-weight:600;margin:.9em 0 .3em}}
.pql .pql-note{{border-left:3px solid {ORANGE};padding-left:.6em}}
.pql .pql-fault{{border-left:3px solid {RED};padding-left:.6em}}
.pql details>summary{{cursor:pointer;margin:.4em 0}}
.pql pre.pql-text{{font-family:var(--jp-code-font-family,var(--vscode-editor-font-family,ui-monospace,monospace));
font-size:12px;line-height:1.35;margin:.3em 0;padding:0;white-space:pre;overflow-x:auto;background:transparent;
color:inherit;border:0}}
.pql dl.pql-facts{{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:.4em 0}}
.pql dl.pql-facts dt{{font-weight:600}}
.pql dl.pql-facts dd{{margin:0;overflow-wrap:anywhere}}
.pql svg.pql-picture{{max-width:100%;height:auto;display:block;margin:.4em 0}}
.pql .pql-figures{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22em),1fr));gap:1em 1.8em}}
.pql .pql-figures svg.pql-picture{{width:100%;max-width:34em}}
.pql figure.pql-figure{{margin:0;min-width:0}}
.pql p.pql-head{{font-weight:600;font-size:1.05em}}
"""

PAGE_STYLE = """
:root{color-scheme:light dark;--pql-page:#fff;--pql-ink:#1c2024}
@media (prefers-color-scheme:dark){:root{--pql-page:#15181c;--pql-ink:#e6e8ea}}
body{background:var(--pql-page);color:var(--pql-ink);margin:0}
main.pql{font-size:15px;max-width:70em;margin:0 auto;padding:1em;box-sizing:border-box}
main.pql h1{font-size:1.5em;line-height:1.2;margin:.4em 0}
"""


class Html(str):
    """Markup whose texts are escaped: made by the functions of this module alone."""

    __slots__ = ()


def visible(value: Any) -> str:
    """A value as one text; control characters, marks of direction and lone surrogates are written as escapes."""
    return escaped(str(value))


def escape(value: Any) -> Html:
    """A value as text that is only text, between tags and within quotes."""
    return value if isinstance(value, Html) else Html(html.escape(visible(value), quote=True))


def join(parts: Iterable[Any], between: str = "") -> Html:
    """Parts one after another, those that aren't markup escaped."""
    return Html(escape(between).join(escape(part) for part in parts))


def element(tag: str, *children: Any, **attributes: Any) -> Html:
    """`<tag attribute="…">children</tag>`, all but `Html` escaped.

    An attribute's `_` stands for `-`, a last one for nothing (`class_`); None leaves it out. Of a float three decimals.
    """
    assert _NAME.fullmatch(tag), tag
    made = [tag]
    for name, value in attributes.items():
        written = name.rstrip("_").replace("_", "-")
        assert _NAME.fullmatch(written), name
        if value is not None:
            text = number(value) if isinstance(value, float) else escape(value)
            made.append(f'{written}="{text}"')
    start = f"<{' '.join(made)}>"
    return Html(start if tag in _VOID else f"{start}{join(child for child in children if child is not None)}</{tag}>")


def number(value: float) -> str:
    """A coordinate: at most two decimals, never `nan` or `inf`."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"


def style(text: str = STYLE) -> Html:
    """A `<style>` of the program's own text: nothing of the user's may be in it."""
    assert "</" not in text
    return Html(f"<style>{text}</style>")


# ------------------------------------------------------------ pieces


def table(
    columns: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    right: Sequence[bool] | None = None,
    caption: str | None = None,
    best: Iterable[int] = (),
) -> Html:
    """Columns and rows as a table that scrolls by itself where it is too wide.

    Values are shown as in a terminal (`pql.table.cell`), the full text of one that is cut as its title; `Html` stands
    as it is. `right` marks columns of numbers, `best` the rows to stand out.
    """
    right = right or [False] * len(columns)
    bold = frozenset(best)

    def made(tag: str, value: Any, to_right: bool, strong: bool) -> Html:
        shown = value if isinstance(value, Html) else cell(value)
        long = not to_right and not isinstance(value, Html) and len(shown) > SHORT
        short = not to_right and len(shown) <= SHORT and not shown.isalnum() and bool(shown)
        classes = (
            " ".join(["pql-right"] * to_right + ["pql-best"] * strong + ["pql-short"] * short + ["pql-long"] * long)
            or None
        )
        return element(tag, shown, class_=classes, title=_title(value))

    heads = [made("th", name, to_right, False) for name, to_right in zip(columns, right, strict=True)]
    lines = [
        element("tr", *(made("td", value, to_right, i in bold) for value, to_right in zip(row, right, strict=True)))
        for i, row in enumerate(rows)
    ]
    parts = [
        element("caption", caption) if caption is not None else None,
        element("thead", element("tr", *heads)),
        element("tbody", *lines),
    ]
    return element("div", element("table", *parts, class_="pql-table"), class_="pql-scroll")


def _title(value: Any) -> str | None:
    """The full text of a cell that is shown shorter."""
    if isinstance(value, Html) or not isinstance(value, str) or cell(value) == visible(value):
        return None
    text = visible(value[: LONGEST + 1])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def arrow_table(data: pa.Table, *, limit: int = 20, total: int | None = None, caption: str | None = None) -> Html:
    """The first `limit` rows of an Arrow table, and how many there are in all (`total`)."""
    import pyarrow as pa

    head = data.slice(0, limit)
    right = [
        pa.types.is_integer(f.type) or pa.types.is_floating(f.type) or pa.types.is_decimal(f.type) for f in data.schema
    ]
    columns = [column.to_pylist() for column in head.columns]
    made = table(data.column_names, list(zip(*columns, strict=True)), right=right, caption=caption)
    total = data.num_rows if total is None else total
    return join([made, line(f"{limit:,} of {total:,} rows", soft=True)]) if total > limit else made


def line(*parts: Any, soft: bool = False) -> Html:
    """One paragraph."""
    return element("p", *parts, class_="pql-line pql-soft" if soft else "pql-line")


def notes(texts: Iterable[Any]) -> Html:
    """What is to be minded, one paragraph each."""
    return join(element("p", "note: ", text, class_="pql-line pql-note") for text in texts)


def heading(text: Any, *, id_: str | None = None) -> Html:
    """The head of a section."""
    return element("h2", text, class_="pql-head", id=id_)


def facts(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """Names and what they are, beside each other."""
    return element(
        "dl", *(part for name, value in pairs for part in (element("dt", name), element("dd", value))),
        class_="pql-facts",
    )  # fmt: skip


def text_block(text: str) -> Html:
    """Text of several lines, aligned as in a terminal."""
    return element("pre", Html("\n".join(escape(part) for part in text.split("\n"))), class_="pql-text")


def folded(summary: Any, *parts: Any, open_: bool = False) -> Html:
    """What is shown when one asks for it."""
    return element("details", element("summary", summary), *parts, open="" if open_ else None)


def fragment(*parts: Any) -> Html:
    """A piece for a notebook: it takes the notebook's colours."""
    return element("div", style(), *parts, class_="pql")


def page(title: str, *parts: Any, more_style: str = "") -> Html:
    """A whole document, light or dark as the reader's browser is, that fetches nothing and runs nothing."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        style(STYLE + PAGE_STYLE + more_style),
    )
    body = element("body", element("main", element("h1", title), *parts, class_="pql"))
    return Html(f"<!doctype html>\n{element('html', head, body, lang='en')}\n")
