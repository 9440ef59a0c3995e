"""Where things are kept for this user."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder of kept models and of the prompt's history: `$PQL_HOME`, else in the user's data folder."""
    if told := os.environ.get("PQL_HOME"):
        return Path(told).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "pql"
