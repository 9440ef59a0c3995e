"""Errors of sources, data, models and files: each is played, has its code and says what it said when last looked at."""

from __future__ import annotations

import tomllib

import pytest
from error_examples import RENEW, SAID
from scenes import scenes, shown

KEPT = {e["code"]: e["says"] for e in tomllib.loads(SAID.read_text("utf-8"))["said"] if "text" not in e}


@pytest.mark.parametrize("code", scenes())
def test_a_scene_has_its_code_a_hint_and_its_golden_message(code: str) -> None:
    says = shown(code)
    assert says.startswith(f"{code}: ")
    assert "\n  hint: " in says
    assert says == KEPT.get(code), f"run `{RENEW}` and look at the difference"
