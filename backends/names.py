"""What names say: words of a name, singular forms, id suffixes, and how far a column's name belongs to a table's."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_IRREGULAR = {"people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot"}
_INVARIANT = {"series", "species", "news", "status", "address", "business", "class", "bus", "gas", "analysis", "campus"}
_PREFIXES = {"dim", "fact", "fct", "tbl", "stg", "raw", "src", "vw", "v", "t"}
ID_WORDS = frozenset({"id", "ids", "uuid", "guid", "key", "pk", "fk", "sk"})
CODE_WORDS = frozenset({"code", "no", "nr", "nbr", "num", "number", "sku", "upc", "ean", "isbn", "ref"})
ROLES_OF_SELF = frozenset(
    {"parent", "manager", "supervisor", "boss", "referrer", "referred", "reply", "previous", "prev", "predecessor",
     "root", "reports", "mentor", "original", "ancestor", "next", "successor", "mother", "father"}
)  # fmt: skip


def words(name: str) -> tuple[str, ...]:
    """The lower-case words of a name: `homeTeam_ID` is (home, team, id)."""
    return tuple(word.lower() for word in _WORD.findall(name))


def singular(word: str) -> str:
    """The singular of an English word, as far as endings tell: categories, boxes, orders, people."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _INVARIANT or len(word) < 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


def stem(parts: tuple[str, ...]) -> str:
    """Words joined, the last one in the singular: what names of one thing have in common."""
    return "".join((*parts[:-1], singular(parts[-1]))) if parts else ""


def table_words(table: str) -> tuple[str, ...]:
    """The words of a table's name without its schema and without prefixes such as dim_ or stg_."""
    parts = words(table.rpartition(".")[2]) or words(table)
    while len(parts) > 1 and parts[0] in _PREFIXES:
        parts = parts[1:]
    return parts


def table_stem(table: str) -> str:
    """The table's name as one singular word: `dim_Order_Items` is `orderitem`."""
    return stem(table_words(table)) or table.lower()


def id_base(name: str) -> tuple[str, ...] | None:
    """The words before a column's id word: `home_team_id` gives (home, team), `id` gives (); None if it has none."""
    parts = words(name)
    if parts and parts[-1] in ID_WORDS:
        return parts[:-1]
    if len(parts) == 1 and len(parts[0]) > 4 and parts[0].endswith("id") and parts[0][-3] not in "aeiour":
        return (parts[0][:-2],)
    return None


def is_id_name(name: str) -> bool:
    """True for names of ids and of codes that stand for a thing: order_id, driverId, uuid, coupon_upc, sku."""
    parts = words(name)
    return id_base(name) is not None or bool(parts and parts[-1] in ("sku", "upc", "ean", "isbn"))


def is_entity_id(name: str) -> bool:
    """True for `<something>_id` and `<something>Id`: the names under which a missing table is still an entity."""
    base = id_base(name)
    return bool(base) and words(name)[-1] not in ("key", "pk", "sk", "fk", "ids")
