"""Markup that is safe to show: no cell, name or note is ever more than text."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hostile_texts import PAYLOADS, assert_only_ours

from pql import html


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_hostile_text_stays_text_wherever_it_stands(payload: str) -> None:
    made = html.page(
        payload,
        html.heading(payload, id_=payload),
        html.table([payload, "n"], [[payload, 1], [{payload: payload}, [payload]]], caption=payload),
        html.notes([payload]),
        html.facts([(payload, payload)]),
        html.text_block(payload),
        html.folded(payload, html.line(payload)),
    )
    found = assert_only_ours(made)
    assert "script" not in found.elements
    if "alert(1)" in payload:
        assert "alert(1)" in found.text


def test_an_element_escapes_all_but_markup() -> None:
    assert html.element("b", "<", html.element("i", ">"), title='"') == '<b title="&quot;">&lt;<i>&gt;</i></b>'
    assert html.element("rect", x=1.0, stroke_width=float("nan"), fill=None) == '<rect x="1" stroke-width="0"></rect>'
    assert html.join(["<", html.Html("<b></b>")], " & ") == "&lt; &amp; <b></b>"


def test_a_table_is_shown_as_in_a_terminal_with_numbers_to_the_right() -> None:
    data = pa.table({"name": ["a" * 60, None], "n": [1, 2], "at": [dt.datetime(2024, 1, 2), None], "x": [0.5, 1234.5]})
    made = html.arrow_table(data)
    assert f'<td class="pql-long" title="{"a" * 60}">{"a" * 47}…</td>' in made
    assert '<td class="pql-right">1,234.50</td>' in made
    assert '<td class="pql-short">2024-01-02</td>' in made
    assert "<td></td>" in made


def test_a_long_table_says_how_long_it_is() -> None:
    data = pa.table({"n": list(range(100))})
    made = html.arrow_table(data, limit=10)
    assert made.count("<tr>") == 11
    assert "10 of 100 rows" in made
    assert "rows" not in html.arrow_table(data, limit=100)


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    made = html.page("t", html.line("x"))
    assert "default-src &#x27;none&#x27;" in made
    for outside in ("http://", "https://", "url(", "@import", "<script", "<link"):
        assert outside not in made
