"""What can be typed next: words that the grammar accepts, and names and values by the role of their place.

The parser says which words fit (`accepts`); the catalog says which names do: keys after FOR EACH, tables with a clock
in the brackets of an aggregate, columns after a dot, values of a column beside a comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pql.faces.command_words import after_command
from pql.faces.commands import is_command
from pql.faces.known import Names
from pql.faces.places import Place, Word, place, plain, words_of
from pql.faces.statements import open_statement
from pql.faces.words import OPTION_VALUES, SQL_STARTS, SQL_WORDS
from pql.language.bind_options import OPTION_NAMES
from pql.language.catalog import Column, Stype, Table
from pql.language.functions import FUNCTIONS, OTHER_NAMES
from pql.language.lexing import KEYWORDS, RESERVED
from pql.language.parser import accepts

MOST = 200
Values = Callable[[Table, Column], tuple[str, ...]]
_PLAIN = re.compile(r"[^\W\d]\w*")
_UNITS = ("days", "weeks", "months", "hours", "years", "minutes", "seconds")
_USUAL = ("FOR", "WHERE", "WITH", "RANK", "USING", "AND", "PREDICT", "SELECT", "EXPLAIN", "EVALUATE", "CREATE")
_LONGER = {"FOR": "FOR EACH", "RANK": "RANK TOP", "CHECK": "CHECK LEAKAGE", "WITH": "WITH ("}
_MODEL_VERBS = ("USING", "DROP", "ALTER", "DESCRIBE", "FOR")
_SOURCES = ("FROM", "JOIN", "VIA", "USING", "DESCRIBE", "INTO")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` may stand instead of what is written from offset `at` on; `says` tells what it is."""

    text: str
    at: int
    says: str = ""


def suggestions(text: str, names: Names, values: Values = lambda table, column: ()) -> list[Suggestion]:
    """What can stand at the end of `text`, what fits the place best first; at most MOST."""
    start = open_statement(text)
    line = text[text.rfind("\n", 0, len(text)) + 1 :]
    if not text[start:].strip().strip(line).strip() and is_command(line) and line.startswith((".", "\\")):
        return [Suggestion(word, at, says) for word, at, says in after_command(line, len(text) - len(line), names)]
    inside = _inside(text, start)
    is_sql = inside is None and text[start:].lstrip().upper().startswith(SQL_STARTS)
    start = start if inside is None else inside
    here = place(text, start)
    if here is None:
        return []
    found = _in_sql(here, names) if is_sql else _in_query(here, names, values, accepts(text[start : here.start]))
    return list(_fitting(found, here))[:MOST]


def _inside(text: str, start: int) -> int | None:
    """The offset of the PREDICT in open brackets that the end of the text stands in, if it does."""
    words, _ = words_of(text, start)
    opened: list[int | None] = []
    for i, word in enumerate(words):
        if word.kind == "mark" and word.text == "(":
            begins = i + 1 < len(words) and words[i + 1].upper == "PREDICT"
            opened.append(words[i + 1].start if begins else None)
        elif word.kind == "mark" and word.text == ")" and opened:
            opened.pop()
    return next((at for at in reversed(opened) if at is not None), None)


Offer = tuple[str, str]  # what may stand there, and what it is


def _fitting(offers: Iterable[Offer], here: Place) -> Iterator[Suggestion]:
    """Those that go on from what is begun; words in small letters where it is written so."""
    begun, seen = here.begun.lower(), set()
    for text, says in offers:
        if says in ("", "unit", "function") and here.begun.islower() and not text.islower():
            text = text.lower()
        low = text.lower()
        fits = low.lstrip("'\"`").startswith(begun) or (
            "." in low and len(begun) > 1 and low.split(".", 1)[1].lstrip("`").startswith(begun)
        )
        if fits and text not in seen and text.isprintable() and low != begun:
            seen.add(text)
            yield Suggestion(text, here.start, says)


# ---------------------------------------------------------------- a query of the language


def _in_query(here: Place, names: Names, values: Values, accepted: frozenset[str]) -> Iterator[Offer]:
    compared = here.compared()
    if here.quoted:
        if compared is not None and here.quoted != "`":
            yield from _values(compared, here, names, values)
        return
    if here.owner is not None:
        yield from _columns_of(here, names, star="STAR" in accepted)
        return
    if compared is not None and "STRING" in accepted:
        yield from _values(compared, here, names, values)
    if "IDENT" in accepted:
        yield from _names(here, names)
    if "UNIT" in accepted:
        yield from ((unit, "unit") for unit in _UNITS)
    if here.call != "WITH":
        yield from _keywords(accepted)
    if not here.before:
        yield from ((word, "") for word in SQL_STARTS)


def _keywords(accepted: frozenset[str]) -> Iterator[Offer]:
    words = [word for word in accepted if word in KEYWORDS]
    for word in sorted(words, key=lambda word: (_USUAL.index(word) if word in _USUAL else len(_USUAL), word)):
        yield _LONGER.get(word, word), ""


def _names(here: Place, names: Names) -> Iterator[Offer]:
    """Names by the role of the place."""
    if here.after("MODEL") and len(here.before) > 1 and here.before[-2].upper in _MODEL_VERBS:
        yield from ((quoted(name), "model") for name in names.models)
    elif here.call == "WITH":
        yield from _options(here)
    elif here.call:
        yield from _in_call(here, names)
    elif here.clause == "FOR" and (here.after("EACH") or here.after("FOR") or here.after(",")):
        yield from _keys(names)
    elif here.clause in _SOURCES:
        if here.clause == "VIA":
            yield from _double_links(names)
        yield from ((quoted(table.name), _what(table)) for table in names.tables)
    elif here.clause in ("PREDICT", "WHERE", "ASSUMING", "CANDIDATES"):
        if here.clause != "PREDICT":
            yield from _columns_of_entities(here, names)
        yield from ((f"{name}(", "function") for name in FUNCTIONS)
        yield from _tables_before_dot(names.tables)
    elif here.clause not in ("AS", "MODEL", "RETURN", "RANK", "FORECAST"):
        yield from _tables_before_dot(names.tables)


def _keys(names: Names) -> Iterator[Offer]:
    """Keys: first of tables that others point to, then of those that describe something."""
    keyed = [table for table in names.tables if table.key is not None and len(table.key.columns) == 1]
    for table in sorted(keyed, key=lambda t: (t.name not in names.links, t.clock.kind == "own", t.name)):
        assert table.key is not None
        yield f"{quoted(table.name)}.{quoted(table.key.columns[0], beside_dot=True)}", f"key, {_what(table)}"


def _double_links(names: Names) -> Iterator[Offer]:
    """The foreign keys of tables that point to another by several of them."""
    ends = [(child, parent) for child, _, parent in names.keys]
    for child, column, parent in names.keys:
        if ends.count((child, parent)) > 1:
            yield f"{quoted(child)}.{quoted(column, beside_dot=True)}", f"link to {parent}"


def _in_call(here: Place, names: Names) -> Iterator[Offer]:
    """In the brackets of an aggregate: tables with a clock; after its WHERE the columns of its table."""
    if here.after("VIA"):
        yield from _double_links(names)
    table = _table_of_call(here, names)
    if here.condition and table is not None:
        for column in table.columns:
            yield _dotted(table, column), _type(column)
    if not here.condition:
        clocked = [one for one in names.tables if one.clock.kind != "none"]
        yield from _tables_before_dot(sorted(clocked, key=lambda t: (t.clock.kind != "own", t.name)))


def _table_of_call(here: Place, names: Names) -> Table | None:
    """The table that stands first in the brackets of the innermost aggregate."""
    words = here.before
    for i in range(len(words) - 1, 0, -1):
        if words[i].text == "(" and words[i - 1].upper == here.call and i + 1 < len(words):
            return names.table(plain(words[i + 1])) if words[i + 1].kind in ("word", "name") else None
    return None


def _columns_of_entities(here: Place, names: Names) -> Iterator[Offer]:
    """The columns of the tables after FOR EACH."""
    for i, word in enumerate(here.before):
        if word.upper in ("EACH", "FOR") and i + 1 < len(here.before):
            table = names.table(plain(here.before[i + 1]))
            for column in table.columns if table is not None else ():
                assert table is not None
                yield _dotted(table, column), _type(column)


def _columns_of(here: Place, names: Names, *, star: bool) -> Iterator[Offer]:
    """The columns after `table.`; after FOR EACH its key first."""
    table = names.table(here.owner or "")
    if table is None:
        return
    function = FUNCTIONS.get(OTHER_NAMES.get(here.call, here.call)) if here.call and not here.condition else None
    if star and function is not None and function.star:
        yield "*", "rows"
    keys = table.key.columns if table.key is not None else ()
    entity = here.clause == "FOR" and not here.call
    columns = [one for one in table.columns if function is None or one.type in function.accepts]
    if here.clause == "VIA" and not here.call:
        columns = [one for one in columns if any(key[:2] == (table.name, one.name) for key in names.keys)]
    for column in sorted(columns, key=lambda c: (entity and c.name not in keys, _is_id(c) and function is not None)):
        says = "key" if column.name in keys else "clock" if column.name == table.clock.column else _type(column)
        yield quoted(column.name, beside_dot=True), says


def _values(compared: tuple[str | None, str], here: Place, names: Names, values: Values) -> Iterator[Offer]:
    """The values of a column of text that has few."""
    owner, name = compared
    if owner is not None:
        tables = [names.table(owner)]
    else:
        tables = [_table_of_call(here, names) if here.call else None, *names.tables]
    for table in tables:
        column = next((c for c in table.columns if c.name.lower() == name.lower()), None) if table else None
        if table is not None and column is not None:
            mark = here.quoted or "'"
            for value in values(table, column):
                yield mark + value.replace("\\", "\\\\").replace(mark, mark * 2) + mark, "value"
            return


def _options(here: Place) -> Iterator[Offer]:
    """The options of WITH, or the values of one."""
    if here.after("=") and len(here.before) > 1:
        option = here.before[-2].text.lower()
        yield from ((value, option) for value in OPTION_VALUES.get(option, ()))
    elif here.after("(") or here.after(","):
        given = {one.text.lower() for one, sign in zip(here.before, here.before[1:], strict=False) if sign.text == "="}
        yield from ((f"{name} = ", "option") for name in OPTION_NAMES if name not in given)


# ---------------------------------------------------------------- SQL


def _in_sql(here: Place, names: Names) -> Iterator[Offer]:
    if here.quoted == "'":
        return
    said = _said(here.before, names)
    if here.owner is not None:
        table = said.get(here.owner.lower()) or names.table(here.owner)
        yield from ((_sql_name(column.name), _type(column)) for column in (table.columns if table else ()))
        return
    if here.after("FROM") or here.after("JOIN") or (here.clause in ("FROM", "JOIN") and here.after(",")):
        yield from ((_sql_name(table.name), _what(table)) for table in names.tables)
        yield "(PREDICT ", "query"
        return
    for table in dict.fromkeys(said.values()):
        yield from ((_sql_name(column.name), _type(column)) for column in table.columns)
    yield from ((word, "") for word in sorted(SQL_WORDS))


def _said(words: tuple[Word, ...], names: Names) -> dict[str, Table]:
    """The tables that stand after FROM and JOIN, by name and by alias in small letters."""
    found: dict[str, Table] = {}
    for i, word in enumerate(words):
        table = names.table(plain(word)) if i and words[i - 1].upper in ("FROM", "JOIN", ",") else None
        if table is None:
            continue
        found[table.name.lower()] = table
        after = words[i + 2 : i + 3] if words[i + 1 : i + 2] and words[i + 1].upper == "AS" else words[i + 1 : i + 2]
        if after and after[0].kind in ("word", "name") and after[0].upper not in SQL_WORDS:
            found[plain(after[0]).lower()] = table
    return found


# ---------------------------------------------------------------- names as written


def quoted(name: str, *, beside_dot: bool = False) -> str:
    """A name as the language takes it: in backticks where it isn't a plain word, or is a reserved one."""
    if _PLAIN.fullmatch(name) and (beside_dot or name.upper() not in RESERVED):
        return name
    return "`" + name.replace("`", "``") + "`"


def _sql_name(name: str) -> str:
    if _PLAIN.fullmatch(name) and name.upper() not in SQL_WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def _dotted(table: Table, column: Column) -> str:
    return f"{quoted(table.name)}.{quoted(column.name, beside_dot=True)}"


def _tables_before_dot(tables: Iterable[Table]) -> Iterator[Offer]:
    for table in tables:
        yield f"{quoted(table.name)}.", _what(table)


def _what(table: Table) -> str:
    """A table in two words: how its rows know their time."""
    clock = {"own": f"by {table.clock.column}", "inherited": "clocked by its parent", "seen": "by first sight"}
    rows = "" if table.rows is None else f"{table.rows:,} rows"
    return ", ".join(part for part in (rows, clock.get(table.clock.kind, "")) if part) or "table"


def _is_id(column: Column) -> bool:
    return column.stype is Stype.ID


def _type(column: Column) -> str:
    return column.type.value
