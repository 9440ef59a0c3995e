"""Imports that a process of the command line is spared.

LightGBM imports scikit-learn, and with it scipy.stats, for its estimator classes alone; pyarrow and LightGBM import
pandas to know its frames, of which there are none here. All of them do without where these aren't installed, and so
they do here: a second of processor time less.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Spared(MetaPathFinder):
    """Refuses pandas, and scikit-learn while LightGBM looks whether it is there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "pandas" or (name == "sklearn" and _is_importing("lightgbm.compat")):
            raise ModuleNotFoundError(f"{name} is not looked for", name=name)
        return None


def _is_importing(name: str) -> bool:
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))


def spare_imports() -> None:
    """Hold for the rest of the process; for processes that are pql's own."""
    sys.meta_path.insert(0, _Spared())
