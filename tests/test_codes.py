"""The registry of error codes is whole: what is raised is listed, and what is listed is raised."""

from __future__ import annotations

import re

from raised_codes import hintless, raised

from pql.language import codes

# Codes that are put together from parts where they are raised.
SPELT = {"unclosed_string", "unclosed_comment", "unclosed_name", "no_positive_labels", "no_negative_labels"}


def test_every_code_that_is_raised_is_registered() -> None:
    missing = {code: place for code, place in raised().items() if code not in codes.CODES}
    assert not missing, (
        'Register these codes: add a line `"code": "What it means."` to a group of pql/language/codes.py for '
        + ", ".join(f"{code} (raised in {place})" for code, place in missing.items())
    )


def test_every_registered_code_is_raised_somewhere() -> None:
    idle = set(codes.CODES) - set(raised()) - SPELT
    assert not idle, f"nothing raises {sorted(idle)}: remove them from pql/language/codes.py"


def test_codes_have_one_form_and_a_meaning() -> None:
    assert len(codes.CODES) == sum(map(len, codes.GROUPS.values())), "a code stands in one group"
    for code, meaning in codes.CODES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert re.fullmatch(r"[-A-Z].*\.", meaning)
        assert len(meaning) < 120


def test_there_are_many() -> None:
    assert len(codes.CODES) >= 70


def test_every_place_that_raises_says_what_would_do() -> None:
    without = hintless()
    assert not without, f"give these a hint=…, a phrase of what would do: {without}"
