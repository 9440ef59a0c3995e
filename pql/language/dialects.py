"""Forms of SQL and its kin that have another form here, or none: casts, subqueries, names in square brackets, frames.

Each rule is one of those of `mistakes`: it gives a Finding where it recognises the situation, else None.
"""

from __future__ import annotations

import re

from pql.language.ast import Span
from pql.language.lexing import UNITS
from pql.language.mistake import Finding, Mistake

_CONSTANTS = frozenset({"STRING", "INT", "DECIMAL", "DATE", "TRUE", "FALSE"})
_MATCHES = frozenset({"LIKE", "CONTAINS", "IN", "BETWEEN"})
_FRAME = re.compile(r"(?i)\s*\d+\s+\w+\s+(?:following|preceding)\b|\s*unbounded\s+preceding\b")


def casts(m: Mistake) -> Finding | None:
    """`CAST(t.x AS INT)` and `t.x::int`."""
    callee = m.callee()
    if callee is not None and str(callee.value).upper() in ("CAST", "TRY_CAST", "CONVERT") and m.found == "AS":
        inside = m.text[m.tokens[m.brackets[-1]].end : m.token.start].strip()
        end = m.text.find(")", m.token.end) + 1
        fixes = [m.replaced(inside, callee.start, end)] if end else []
        span = Span(callee.start, end or m.token.end)
        return Finding("foreign_operator", "there are no casts", "columns keep their types", fixes, span)
    return None


def distinct_from(m: Mistake) -> Finding | None:
    """`IS DISTINCT FROM x` and `IS NOT DISTINCT FROM x`."""
    if m.word != "DISTINCT" or "NULL" not in m.expected:
        return None
    negated = m.before(1) == "NOT"
    operator = "=" if negated else "!="
    after = re.compile(r"\s*from\b\s*", re.IGNORECASE).match(m.text, m.token.end)
    start = m.tokens[-2 if negated else -1].start
    fixes = [m.replaced(f"{operator} ", start, after.end())] if after else []
    hint = f"write {operator}; IS NULL asks for the rows without a value"
    return Finding("foreign_operator", "there is no IS DISTINCT FROM", hint, fixes, Span(start, m.token.end))


def negated_comparisons(m: Mistake) -> Finding | None:
    """`x NOT = 3`."""
    if m.found in ("EQ", "COMPARE") and m.before(1) == "NOT":
        opposite = {"=": "!=", "==": "!=", "!=": "=", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
        better = opposite.get(m.word, "!=")
        span = Span(m.tokens[-1].start, m.token.end)
        message = f"NOT stands before a whole condition, not before {m.word}"
        return Finding("foreign_operator", message, f"write {better}", [m.replaced(better, span.start)], span)
    return None


def brackets_around_names(m: Mistake) -> Finding | None:
    """`[orders].[amount]`, as T-SQL quotes names."""
    if m.found != "LSQB" or m.before(1) == "IN":
        return None
    if re.compile(r"\[\s*[^\W\d][\w ]*\]").match(m.text, m.token.start) is None:
        return None
    plain = re.sub(r"\[\s*([^\W\d]\w*)\s*\]", r"\1", m.text)
    fix = re.sub(r"\[\s*([^\W\d][\w ]*?)\s*\]", r"`\1`", plain)
    hint = "names stand as they are, or in double quotes or backticks"
    return Finding("missing_name", "square brackets hold a list, not a name", hint, [fix])


def subqueries(m: Mistake) -> Finding | None:
    """`IN (SELECT …)`, `EXISTS (SELECT …)`."""
    words = [m.text[token.start : token.end].upper() for token in m.tokens[-1:]]
    if not m.brackets or "SELECT" not in (m.word, *words) or not (m.before(1) == "IDENT" or m.word == "SELECT"):
        return None
    token = m.token if m.word == "SELECT" else m.tokens[-1]
    hint = "a condition on other rows is an aggregate, such as COUNT(t.*, -90, 0, days) > 0; ids go in as IN :ids"
    return Finding("foreign_clause", "a query can't stand inside a query", hint, (), token.span)


def commas_for_words(m: Mistake) -> Finding | None:
    """`WHERE a = 1, b = 2`, and `IN 'a', 'b'` without brackets."""
    if m.found != "COMMA" or m.brackets:
        return None
    types = [token.type for token in m.tokens]
    if "IN" in types[-2:] and types[-1] in _CONSTANTS:
        values = re.compile(r"(?:\s*,\s*(?:'[^']*'|\"[^\"]*\"|[\w.]+))+").match(m.text, m.token.start)
        if values is not None:
            start = m.tokens[-1].start
            fixes = [m.replaced(f"({m.text[start : values.end()]})", start, values.end())]
            return Finding("syntax", "IN is followed by a list", "put the values in brackets", fixes)
    if m.clause() in ("WHERE", "ASSUMING"):
        fixes = [m.text[: m.token.start].rstrip() + " AND" + m.text[m.token.end :]]
        return Finding("syntax", "conditions are not separated by commas", "join them with AND or OR", fixes)
    return None


def missing_operators(m: Mistake) -> Finding | None:
    """`WHERE products.department 'DELI'`."""
    if m.found not in _CONSTANTS or "EQ" not in m.expected or m.before(1) not in ("IDENT", "RPAR"):
        return None
    if not {token.type for token in m.level()} & {"WHERE", "AND", "OR", "NOT"} and m.brackets:
        return None  # the arguments of an aggregate
    fixes = [m.inserted(" =")]
    return Finding("missing_word", f"an operator is missing before {m.shown}", "write =, <, LIKE, …", fixes)


def frames(m: Mistake) -> Finding | None:
    """`OVER 30 DAYS FOLLOWING`, `OVER (PARTITION BY …)`, `OVER (UNBOUNDED FOLLOWING)`."""
    if m.before(1) == "OVER":
        bare = _FRAME.match(m.text, m.tokens[-1].end)
        if bare is not None:
            fixes = [m.replaced(f" ({bare[0].strip()})", m.tokens[-1].end, bare.end())]
            return Finding("missing_word", "a frame stands in brackets", "write OVER (30 DAYS FOLLOWING)", fixes)
    if m.before(2) == "OVER" and m.before(1) == "LPAR" and m.word in ("PARTITION", "ORDER", "ROWS"):
        hint = "a frame counts from the anchor, for each entity: OVER (30 DAYS FOLLOWING)"
        return Finding("foreign_clause", f"{m.word} has no meaning here", hint)
    if m.before(2) == "OVER" and m.before(1) == "LPAR" and m.word == "RANK":
        hint = "say over which time: OVER (30 DAYS FOLLOWING RANK TOP 10)"
        fixes = [m.inserted("30 DAYS FOLLOWING ")]
        return Finding("incomplete_window", "a frame has a duration", hint, fixes)
    if m.before(1) == "UNBOUNDED" and m.found == "FOLLOWING":
        hint = "write how far: OVER (90 DAYS FOLLOWING)"
        return Finding("unbounded_end", "a window ahead has an end", hint, (), Span(m.tokens[-1].start, m.token.end))
    if m.word == "STEP" and m.before(2) == "HORIZONS":
        hint = "the windows of a forecast follow each other: leave STEP out"
        return Finding("foreign_clause", "STEP is not known here", hint)
    return None


def late_filters(m: Mistake) -> Finding | None:
    """`COUNT(t.*, 0, 30, days WHERE t.x > 2)`: the filter behind the window."""
    callee = m.callee()
    if callee is None or m.found != "WHERE" or not any(token.type == "COMMA" for token in m.level()):
        return None
    comma = next(token for token in m.tokens[m.brackets[-1] :] if token.type == "COMMA" and token in m.level())
    end, depth = m.token.end, 0
    while end < len(m.text) and not (m.text[end] == ")" and depth == 0):
        depth += {"(": 1, ")": -1}.get(m.text[end], 0)
        end += 1
    window = m.text[comma.start : m.token.start].rstrip()
    fixes = [m.text[: comma.start] + " " + m.text[m.token.start : end] + window + m.text[end:]]
    message = "the filter of the rows stands before the window"
    name = str(callee.value).upper()
    return Finding("argument_order", message, f"write {name}(t.x WHERE …, 0, 30, days)", fixes)


def window_ends(m: Mistake) -> Finding | None:
    """Dates, `NOW()` and `+INF` where a window counts from the anchor."""
    callee = m.callee()
    if callee is None or not m.wants_count or m.before(1) != "COMMA":
        return None
    if m.found == "DATE":
        hint = "0, 30, days is the 30 days after the anchor, which AS OF sets: AS OF 2024-12-31"
        return Finding("argument_order", "a window is counted from the anchor, not given as dates", hint)
    if m.word == "NOW":
        after = re.compile(r"now\s*(\(\s*\))?", re.IGNORECASE).match(m.text, m.token.start)
        fixes = [m.replaced("0", end=after.end())] if after else []
        return Finding("argument_order", "a window is counted from the anchor: 0 is now", "write 0", fixes)
    if m.found == "PLUS" and re.compile(r"\+\s*inf", re.IGNORECASE).match(m.text, m.token.start):
        message = "a window reaches to infinity at its start only, and only into the past"
        return Finding("unbounded_end", message, "write how far ahead: 0, 365, days")
    return None


def joined_words(m: Mistake) -> Finding | None:
    """`RANK TOP5`, `FORECAST4`, `FOREACH`."""
    glued = re.fullmatch(r"([A-Z]+)(\d+)", m.word)
    if m.found == "IDENT" and glued and glued[1] in m.expected:
        fixes = [m.replaced(f"{glued[1]} {glued[2]}")]
        return Finding("misspelt_word", f"{m.shown} is read as one word", f"write {glued[1]} {glued[2]}", fixes)
    if m.found == "IDENT" and m.word == "FOREACH" and "FOR" in m.expected:
        return Finding("misspelt_word", "FOR EACH is two words", "write FOR EACH", [m.replaced("FOR EACH")])
    return None


def ablations(m: Mistake) -> Finding | None:
    """`ABLATE TABLE t`, as RelQL leaves a table out."""
    if m.word == "TABLE" and m.tokens and m.text[m.tokens[-1].start : m.tokens[-1].end].upper() == "ABLATE":
        hint = "USING names the tables that are read, IGNORING the columns that are not"
        return Finding("foreign_clause", "there is no ABLATE", hint, (), Span(m.tokens[-1].start, m.token.end))
    return None


def anchors_in_words(m: Mistake) -> Finding | None:
    """`AS OF now`."""
    if m.before(1) == "OF" and m.before(2) == "AS" and m.found == "IDENT":
        rest = re.sub(r"^\s*\(\s*\)", "", m.text[m.token.end :])
        fixes = [m.text[: m.tokens[-2].start].rstrip() + rest] if m.word in ("NOW", "LATEST") else []
        hint = "write a date, AS OF 2024-12-31; without AS OF the anchor is the newest moment of the data"
        return Finding("syntax", f"AS OF needs a date, not {m.shown}", hint, fixes)
    return None


def words_behind_the_end(m: Mistake) -> Finding | None:
    """A single word after a whole query."""
    if m.found != "IDENT" or "$END" not in m.expected or m.brackets or m.word.lower() in UNITS:
        return None
    if m.text[m.token.end :].strip(" ;\n\t") or not any(token.type in ("FOR", "FROM") for token in m.tokens):
        return None
    hint = f"take it away; a text in a comparison goes in quotes: '{m.text[m.token.start : m.token.end]}'"
    return Finding("syntax", f"{m.shown} can't stand here", hint, [m.text[: m.tokens[-1].end]])


DIALECTS = (
    casts,
    distinct_from,
    negated_comparisons,
    brackets_around_names,
    subqueries,
    commas_for_words,
    missing_operators,
    frames,
    late_filters,
    window_ends,
    joined_words,
    ablations,
    anchors_in_words,
)
LAST = (words_behind_the_end,)
