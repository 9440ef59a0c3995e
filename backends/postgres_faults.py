"""What PostgreSQL says when it refuses, as coded errors without a password."""

from __future__ import annotations

import re
from typing import Any

from pql.backends.location import Location
from pql.language.errors import PqlError

_REFUSED = re.compile(
    r"authentication failed|no password supplied|pg_hba|role .* does not exist|too many (connections|clients)",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"database .* does not exist", re.IGNORECASE)
_MISWRITTEN = re.compile(r"invalid (URI|percent|connection option|port number)|missing \"=\" after", re.IGNORECASE)
_PREFIX = re.compile(r"^(connection failed: )?(connection to server .*? failed: )?((FATAL|ERROR): +)?")
_ENDED = ("57P01", "57P02", "57P03", "08006", "08003")


def said(error: BaseException, place: Location) -> str:
    """The first line of what the server says, without a password."""
    diagnosis: Any = getattr(error, "diag", None)
    text = getattr(diagnosis, "message_primary", None) or str(error).strip().split("\n")[0]
    return place.hide(_PREFIX.sub("", text))


def refusal(error: BaseException, place: Location, *, is_connecting: bool = False, is_lost: bool = False) -> PqlError:
    """The error to raise in place of the driver's, which may hold the address.

    is_connecting: there was no connection yet. is_lost: there is none any more.
    """
    text, state = said(error, place), str(getattr(error, "sqlstate", None) or "")
    if is_connecting:
        return _of_connecting(text, state, str(error), place)
    if is_lost or state in _ENDED:
        return PqlError(
            "source_unreachable",
            f"the server {place.shown} closed the connection: {text}",
            hint="Run it again: what was read before is kept.",
        )
    if state == "42501":
        return PqlError(
            "source_refused", f"the server {place.shown} refuses: {text}", hint="Ask for the right to read it."
        )
    return PqlError(
        "source_unreadable", f"the database {place.shown} can't be read: {text}", hint="See what psql says of it."
    )


def _of_connecting(text: str, state: str, whole: str, place: Location) -> PqlError:
    if _MISWRITTEN.search(whole):
        return PqlError(
            "unsupported_source",
            f"the address {place.shown} can't be read: {text}",
            hint="Write postgresql://user:password@host:5432/database; ?schema= and ?tables= say what is read.",
        )
    if state == "3D000" or _UNKNOWN.search(whole):
        return PqlError(
            "source_not_found",
            f"there is no such database at {place.shown}: {text}",
            hint="List the server's databases with psql -l.",
        )
    if state.startswith("28") or _REFUSED.search(whole):
        return PqlError(
            "source_refused",
            f"the server {place.shown} refuses the connection: {text}",
            hint="See that user and password are right; PGPASSWORD or ~/.pgpass keep a password out of the address.",
        )
    return PqlError(
        "source_unreachable",
        f"the server {place.shown} can't be reached: {text}",
        hint="See that host and port are right and that the server is running.",
    )
