"""Where a database is, from a URL, without what may not be shown: passwords reach the driver and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from pql.language.errors import PqlError

_SECRET = {"password", "sslpassword", "passfile"}
_SHORT = 4  # characters; a shorter password is hidden only where it stands as one


@dataclass(frozen=True, slots=True)
class Location:
    """A URL for the driver (`address`, never to be shown), and what of it is said to people and kept (`shown`).

    schemas, tables: what the URL limits the session to; none for all.
    """

    address: str
    shown: str
    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Location({self.shown!r})"

    def hide(self, message: str) -> str:
        """A message without the passwords of the URL."""
        for secret in self.secrets:
            message = message.replace(f":{secret}@", ":***@")
            if len(secret) >= _SHORT:
                message = message.replace(secret, "***")
        return message


def shown_source(source: str) -> str:
    """A source as named by the user, without the password that an address may hold."""
    if "://" not in source:
        return source
    scheme, _, rest = source.partition("://")
    before, at, after = rest.rpartition("@")
    user = before.partition(":")[0]
    shown = f"{scheme}://{user}{at}{after}" if at else source
    return re.sub(r"(?i)([?&](?:ssl)?password=)[^&]*", r"\1***", shown)


def location(text: str) -> Location:
    """The location that a `postgresql://user:password@host:port/database?schema=a,b&tables=c` names.

    PqlError unsupported_source, which shows nothing of what may be a password.
    """
    scheme = text.partition("://")[0]
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _unreadable(scheme) from None
    if parts.fragment or "@" in parts.path or "@" in (parts.netloc.rpartition("@")[0]):
        raise _unreadable(scheme)
    settings = parse_qsl(parts.query, keep_blank_values=True)
    said = dict(settings)
    schemas, tables = (_listed(said.get(name, "")) for name in ("schema", "tables"))
    passed = [(name, value) for name, value in settings if name not in ("schema", "tables")]
    address = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(passed), ""))
    password = parts.password or ""
    secrets = {password, unquote(password), *(value for name, value in passed if name in _SECRET)} - {""}
    user = f"{parts.username}@" if parts.username else ""
    where = f"{parts.hostname or said.get('host', '')}{f':{port}' if port else ''}"
    shown = f"postgresql://{user}{where}{parts.path}"
    return Location(address, shown, schemas, tables, tuple(sorted(secrets, key=len, reverse=True)))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _unreadable(scheme: str) -> PqlError:
    return PqlError(
        "unsupported_source",
        f"the {scheme}:// address can't be read",
        hint="Write postgresql://user:password@host:5432/database; in a password @ is %40, / is %2F, # is %23",
    )
