"""pql: SQL for the future. Point it at a relational database, ask what will happen, get a ranked table.

    import pql
    db = pql.connect("shop.duckdb")
    db.predict("PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id").show()

Importing this loads neither torch nor pandas nor duckdb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pql.language.errors import PqlError
    from pql.language.format import format
    from pql.language.parser import parse
    from pql.result import Predictions
    from pql.session import Session, connect

__version__ = "0.1.0"
__all__ = ["PqlError", "Predictions", "Session", "connect", "format", "parse"]

_HOMES = {
    "PqlError": "pql.language.errors",
    "Predictions": "pql.result",
    "Session": "pql.session",
    "connect": "pql.session",
    "format": "pql.language.format",
    "parse": "pql.language.parser",
}


if not TYPE_CHECKING:  # type checkers know the names above, and that there are no others

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            import importlib

            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'pql' has no attribute {name!r}")


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext pql`: the magics `%pql` and `%%pql`, which need IPython alone until they are used."""
    from pql.faces.cell_completion import matcher
    from pql.faces.magic import PqlMagics

    magics = PqlMagics(ipython)
    ipython.register_magics(magics)
    magics.matcher = matcher(magics.session_in_use)
    ipython.Completer.custom_matchers.append(magics.matcher)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext pql`: the databases that `%pql` has open are let go."""
    magics = ipython.magics_manager.registry.get("PqlMagics")
    if magics is not None:
        magics.close_all()
        ipython.Completer.custom_matchers.remove(magics.matcher)
        for kind in ("line", "cell"):
            ipython.magics_manager.magics[kind].pop("pql", None)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
