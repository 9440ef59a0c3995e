"""What to say about a text the grammar refuses: from the word that doesn't fit, the words before and those that would.

`explain` asks the rules below in turn; the first that recognises the situation names the fault. A repair is offered
only after the repaired text has been read.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from pql.language.ast import Span
from pql.language.dialects import DIALECTS, LAST
from pql.language.errors import PqlError
from pql.language.habits import HABITS, pasted
from pql.language.lexing import KEYWORDS, UNITS
from pql.language.mistake import ARITHMETIC, CLAUSES, NAMES, Finding, Mistake, expectation, keywords

_READING_BUDGET = 6_000  # characters read to try repairs
_BOUNDARIES = frozenset({"AND", "OR", "WHERE", "ASSUMING", "PREDICT", "COMMA", "LPAR", "LSQB", "FOR", "AS", "NOT"})


def explain(mistake: Mistake, readable: Callable[[str], bool]) -> PqlError:
    """The error for `mistake`; its fix, if any, passes `readable`."""
    findings = (rule(mistake) for rule in _RULES)
    found = next(finding for finding in findings if finding is not None)
    budget = _READING_BUDGET
    fix = None
    for candidate in found.fixes:
        budget -= len(candidate)
        if budget < 0:
            break
        if readable(candidate):
            fix = candidate
            break
    place = found.span or mistake.token.span
    return PqlError(found.code, found.message, span=place, hint=found.hint, fix=fix, nearest=found.nearest)


@cache
def _words() -> dict[str, Any]:
    data = tomllib.loads(files("pql.grammars").joinpath("mistakes.toml").read_text("utf-8"))
    return dict(data["words"])


def around(text: str, error: PqlError, readable: Callable[[str], bool]) -> PqlError:
    """`error`, or where the text is a query inside something pasted with it, the error that says so."""
    inner = pasted(text) if error.span is None or not text[: error.span.start].strip() else ""
    if not inner or len(inner) > _READING_BUDGET or not readable(inner):
        return error
    message = "the query stands inside other text, such as code or JSON"
    return PqlError("unknown_statement", message, span=error.span, hint="give the query alone", fix=inner)


def _near(word: str, known: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(word, sorted(known), 2, 0.7)


# ---------------------------------------------------------------- the rules


def _first_word(m: Mistake) -> Finding | None:
    if m.tokens:
        return None
    near = _near(m.word, keywords(m.expected))
    follows = m.text[m.token.end :].lstrip()[:1]
    if follows in ("(", ".") or not near:
        fixed = m.replaced("PREDICT " + m.text[m.token.start : m.token.end])
        if (follows in ("(", ".") and m.found == "IDENT") or m.word in ("NOT", "("):
            return Finding("missing_predict", "a query starts with PREDICT", "put PREDICT before the target", [fixed])
    hint = f"did you mean {near[0]}?" if near else "statements start with PREDICT, EXPLAIN, EVALUATE, SHOW, SELECT, …"
    message = f"no statement starts with {m.shown}"
    return Finding("unknown_statement", message, hint, [m.replaced(word) for word in near], nearest=near)


def _nested(m: Mistake) -> Finding | None:
    if m.found == "PREDICT" and any(token.type == "PREDICT" for token in m.tokens):
        hint = "conditions speak of tables; SQL joins two queries: FROM (PREDICT …) a JOIN (PREDICT …) b USING (…)"
        return Finding("nested_query", "a query can't stand inside another", hint)
    return None


def _closing_brackets(m: Mistake) -> Finding | None:
    if m.found not in ("RPAR", "RSQB"):
        return None
    kind = {"LPAR": ("RPAR", ")"), "LSQB": ("RSQB", "]")}
    if not m.brackets:
        return Finding(
            "unopened_bracket", f"no bracket is open that {m.shown} could close", "take it away", [m.replaced("")]
        )
    closer, mark = kind[m.tokens[m.brackets[-1]].type]
    if m.found != closer:
        message = f"the bracket that is open closes with {mark}"
        return Finding("unopened_bracket", message, f"write {mark}", [m.replaced(mark)])
    if m.before(1) not in kind:
        return None
    callee = m.callee()
    if m.before(2) == "IN":
        return Finding("empty_list", "the list after IN is empty", "name at least one value")
    if callee is not None:
        hint = f"{str(callee.value).upper()}(table.column, 0, 30, days); COUNT and EXISTS also take table.*"
        return Finding("missing_argument", f"{str(callee.value).upper()} does not say of what", hint)
    return Finding("empty_brackets", "there is nothing in these brackets", f"expected {expectation(m.expected)}")


def _is(m: Mistake) -> Finding | None:
    if m.before(1) == "IS" or (m.before(1) == "NOT" and m.before(2) == "IS"):
        negated = m.before(1) == "NOT"
        operator = "!=" if negated else "="
        start = m.tokens[-2 if negated else -1].start
        fix = m.replaced(operator, start, m.tokens[-1].end)
        return Finding(
            "syntax", f"IS goes with NULL alone, not with {m.shown}", f"compare values with {operator}", [fix]
        )
    return None


def _three_parts(m: Mistake) -> Finding | None:
    if m.found == "DOT" and m.before(1) in NAMES and m.before(2) == "DOT":
        span = Span(m.tokens[-3].start, m.token.end)
        first = re.escape(m.text[m.tokens[-3].start : m.tokens[-3].end])
        everywhere = re.sub(rf"\b{first}\.(?=\w+\.[\w*])", "", m.text)
        fixes = [m.replaced("", m.tokens[-3].start, m.tokens[-1].start), everywhere]
        method = re.compile(r"\.(\w+)\(").match(m.text, m.token.start)
        if method is not None:
            column = m.text[m.tokens[-3].start : m.tokens[-1].end]
            fixes = [m.replaced(f"{method[1].upper()}({column}, ", m.tokens[-3].start, method.end())]
        return Finding("three_part_name", "a name has two parts at most", "write table.column", fixes, span)
    return None


def _chained(m: Mistake) -> Finding | None:
    if m.found not in ("EQ", "COMPARE"):
        return None
    for token in reversed(m.level()):
        if token.type in ("EQ", "COMPARE"):
            middle = m.text[token.end : m.token.start].strip()
            fix = m.text[: m.token.start] + f"AND {middle} " + m.text[m.token.start :]
            hint = "join two comparisons with AND, or use BETWEEN"
            return Finding("chained_comparison", "comparisons can't be chained", hint, [fix])
        if token.type in _BOUNDARIES:
            return None
    return None


def _second_for(m: Mistake) -> Finding | None:
    if m.found in ("FOR", "FROM") and not m.brackets and any(t.type in ("FOR", "FROM") for t in m.tokens):
        ends = [match.start() for match in re.finditer(r"\b[A-Za-z]+\b|;", m.text) if match.start() > m.token.end]
        ends = [end for end in ends if m.text[end] == ";" or re.match(r"(?i)(?!each)[a-z]+\b(?!\.)", m.text[end:])]
        keys = ("WHERE", "ASSUMING", "USING", "RANK", "RETURN", "WITH", "AS", "EXCLUDING", "VIA", "IGNORING", ";")
        ends = [end for end in ends if m.text[end:].upper().startswith(keys)][:2]
        fixes = [m.replaced("", end=end) for end in ends] + [m.text[: m.tokens[-1].end]]
        return Finding(
            "duplicate_clause", f"{m.found} stands twice", "a query is for one entity, or for two after one FOR", fixes
        )
    return None


def _arguments(m: Mistake) -> Finding | None:
    callee = m.callee()
    if callee is None:
        return None
    name, level = str(callee.value), m.level()
    commas = sum(token.type == "COMMA" for token in level)
    order = f"the order is {name}(column, start, end, unit)"
    if m.found == "COMMA" and "RPAR" in m.expected and commas >= 3:
        return Finding("too_many_arguments", f"{name.upper()} has nothing after the unit", order)
    if "UNIT" in m.expected:
        near = _near(m.word.lower(), sorted(set(UNITS.values())))
        hint = "units are seconds, minutes, hours, days, weeks, months, years"
        if m.found in ("IDENT", "DQ", "STRING"):
            inner = m.word.strip("'\"").lower()
            fixes = [m.replaced(unit) for unit in ([inner] if inner in UNITS else near)]
            return Finding("unknown_unit", f"{m.shown} is no unit of time", hint, fixes, nearest=near)
    elif commas == 1 and m.found == "RPAR" and not m.wants_expression:
        first = next((t for t in reversed(level) if t.type == "COMMA"), m.token)
        fix = m.text[: first.end] + " 0," + m.text[first.end :]
        return Finding("incomplete_window", "a window has a start and an end", order, [fix])
    elif (commas >= 1 and m.wants_count) or (m.before(1) == "MINUS" and m.word in ("INF", "INFINITY")):
        return _window_number(m, commas, order)
    return None


def _window_number(m: Mistake, commas: int, order: str) -> Finding | None:
    if m.found == "DECIMAL":
        return Finding(
            "fraction_window", f"a window is counted in whole units, not {m.shown}", order, _in_smaller_unit(m)
        )
    if m.word in ("INF", "INFINITY"):
        message = "a window reaches to infinity at its start only, and only into the past"
        return Finding("unbounded_end", message, "write -INF, 0 for the whole past")
    if m.found == "STRING" and re.fullmatch(r"'-?\d+'", m.word):
        return Finding(
            "not_a_whole_number", f"{m.shown} is a text", "take the quotes away", [m.replaced(m.word.strip("'"))]
        )
    if m.found in ("IDENT", "DQ", "STRING", "LPAR"):
        fixes = _reordered(m)
        if m.word.lower() in UNITS and commas == 2 and not fixes:
            comma = next(t for t in m.level() if t.type == "COMMA")
            fix = m.text[: comma.end] + " 0," + m.text[comma.end :]
            return Finding("incomplete_window", "a window has a start and an end", order, [fix])
        return Finding("argument_order", f"{m.shown} stands where a whole number belongs", order, fixes)
    if m.found == "RPAR":
        return Finding("incomplete_window", "a window has a start and an end", order)
    return None


def _in_smaller_unit(m: Mistake) -> list[str]:
    """The window of the call in a unit in which it is whole."""
    window = re.compile(r",\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*(?:,\s*(\w+)\s*)?\)")
    match = window.search(m.text, m.tokens[m.brackets[-1]].end)
    smaller = {"years": ("months", 12), "weeks": ("days", 7), "days": ("hours", 24), "hours": ("minutes", 60)}
    if match is None or not match.start() < m.token.start < match.end():
        return []
    unit = UNITS.get((match[3] or "days").lower(), "")
    if unit not in smaller:
        return []
    name, factor = smaller[unit]
    start, end = (float(match[i]) * factor for i in (1, 2))
    if start != int(start) or end != int(end):
        return []
    return [m.replaced(f", {int(start)}, {int(end)}, {name})", match.start(), match.end())]


def _reordered(m: Mistake) -> list[str]:
    """The call's arguments in the right order, where there is one column, two numbers and at most one unit."""
    opened = m.tokens[m.brackets[-1]].end
    match = re.compile(r"[^()'\"`]*?(?=\))").match(m.text, opened)
    if match is None:
        return []
    parts = [part.strip() for part in match[0].split(",")]
    numbers = [part for part in parts if re.fullmatch(r"-?\d+|(?i:-inf(?:inity)?)", part)]
    units = [part for part in parts if part.lower() in UNITS]
    others = [part for part in parts if part not in numbers and part not in units]
    if len(others) != 1 or len(numbers) != 2 or len(units) > 1:
        return []
    return [m.replaced(", ".join([*others, *numbers, *units]), opened, match.end())]


def _foreign_word(m: Mistake) -> Finding | None:
    known = _words().get(m.word) if m.found == "IDENT" else None
    if known is not None:
        fixes = [m.replaced(known["instead"])] if "instead" in known else []
        return Finding(known["code"], f"{m.word} is not known here", known["hint"], fixes)
    return None


def _unclosed(m: Mistake) -> Finding | None:
    if not m.brackets:
        return None
    only_closes = not m.expected - {"RPAR", "RSQB"} and m.found != "COMMA"
    keyword = m.found == "IDENT" and m.word in KEYWORDS and "RPAR" in m.expected
    if m.at_end or m.found in CLAUSES or only_closes or keyword:
        opened = [m.tokens[index] for index in m.brackets]
        marks = "".join(")" if token.type == "LPAR" else "]" for token in reversed(opened))
        fixes = [m.inserted(marks[: len(marks) - n]) for n in range(len(marks))]
        message = f"the bracket that opens here is not closed before {m.shown}"
        return Finding("unclosed_bracket", message, f"close it with {marks[0]}", fixes, opened[-1].span)
    return None


def _nothing_after(m: Mistake) -> Finding | None:
    last, clause = m.before(1), m.clause()
    after = m.text[m.tokens[-1].start : m.tokens[-1].end].upper()
    after = after if after.isalpha() else f"'{after}'"
    if last == "PREDICT" and m.found != "PREDICT":
        hint = "for example COUNT(orders.*, 0, 30, days), or a column: customers.segment"
        return Finding("missing_target", "PREDICT does not say what to predict", hint)
    if m.wants_name and clause in ("FOR", "EACH", "FROM") and last != "DOT" and not m.brackets:
        hint = "name the entity's table or key: FOR EACH customers.customer_id"
        return Finding("missing_entity", f"a table or its key is missing after {after}", hint)
    if m.wants_expression:
        fixes = [m.replaced("", m.tokens[-1].start, m.tokens[-1].end)] if last == "COMMA" else []
        hint = f"expected {expectation(m.expected)}"
        return Finding("missing_expression", f"after {after} something is missing before {m.shown}", hint, fixes)
    if m.wants_name and last != "RPAR" and not m.expected & {"COMMA", "$END", "LSQB", "AS"}:
        hint = "reserved words and names with blanks go in backticks"
        return Finding("missing_name", f"a name is missing between {after} and {m.shown}", hint)
    if "FOR" in m.expected and not m.brackets and any(token.type == "PREDICT" for token in m.tokens):
        return _no_for(m)
    return None


def _no_for(m: Mistake) -> Finding | None:
    if m.at_end:
        hint = "add FOR EACH and the entity's key: FOR EACH table.key"
        return Finding("missing_for", "the query does not say for whom", hint)
    later = re.search(r"(?i)\bfor\b", m.text[m.token.start :])
    if m.found in NAMES and m.word != "EACH" and not later and not _near(m.word, keywords(m.expected)):
        fixes = [m.inserted(" FOR EACH")]
        return Finding("missing_for", f"FOR is missing before {m.shown}", "write FOR EACH", fixes)
    return None


def _count(m: Mistake) -> Finding | None:
    if m.wants_count:
        digits = re.fullmatch(r"['\"](\d+)['\"]", m.word)
        fixes = [m.replaced(digits[1])] if digits else []
        return Finding(
            "not_a_whole_number", f"a whole number is expected, not {m.shown}", "write a number such as 5", fixes
        )
    return None


def _missing_word(m: Mistake) -> Finding | None:
    words = keywords(m.expected - ARITHMETIC)
    single = words[0] if len(words) == 1 and not m.expected - ARITHMETIC - {words[0]} else ""
    if m.found == "INT" and m.before(1) == "RANK":
        single = "TOP"
    elif m.word == "EACH" and "FOR" in m.expected:
        single = "FOR"
    elif "PREDICT" in m.expected and not m.at_end:
        single = "PREDICT"
    elif m.expected == {"FOLLOWING", "PRECEDING"}:
        single = "FOLLOWING"
    if single:
        spaced = single if m.text[: m.token.start][-1:].isspace() else f" {single}"
        model = [m.inserted(" FOR MODEL")] if single == "FOR" else []
        fixes = [m.inserted(f" {single}"), *model, m.replaced(spaced)]
        return Finding("missing_word", f"{single} is missing before {m.shown}", f"write {single}", fixes)
    return None


def _comma(m: Mistake) -> Finding | None:
    listed = m.brackets or m.clause() in ("USING", "VIA", "IGNORING")
    if (
        listed
        and "COMMA" in m.expected
        and m.found in ("INT", "DECIMAL", "STRING", "DATE", "IDENT", "DQ", "UNIT", "PARAMETER")
    ):
        near = _near(m.word, keywords(m.expected))
        if not near and m.word not in KEYWORDS:
            return Finding(
                "missing_comma", f"a comma is missing before {m.shown}", "separate the two", [m.inserted(",")]
            )
    return None


def _misspelt(m: Mistake) -> Finding | None:
    near = _near(m.word, keywords(m.expected)) if m.found == "IDENT" else []
    if near:
        message = f"{m.shown} is not known here"
        return Finding(
            "misspelt_word", message, f"did you mean {near[0]}?", [m.replaced(word) for word in near], nearest=near
        )
    return None


def _anything(m: Mistake) -> Finding:
    hint = f"expected {expectation(m.expected)}" if m.expected else "take it away"
    if m.at_end:
        return Finding("incomplete", "the text ends too early", hint)
    fixes = [m.replaced("->")] if "ARROW" in m.expected else []
    if m.expected == {"DOT"}:
        hint = "a column is written table.column"
    elif m.before(1) == "IN":
        hint = "IN is followed by a list: IN ('a', 'b')"
    elif m.found == "IDENT" and m.expected == {"STRING", "DQ"}:
        fixes = [m.replaced(f"'{m.text[m.token.start : m.token.end]}'")]
    return Finding("syntax", f"{m.shown} can't stand here", hint, fixes)


_RULES = (
    *DIALECTS,
    *HABITS,
    _first_word,
    _nested,
    _closing_brackets,
    _is,
    _three_parts,
    _chained,
    _second_for,
    _arguments,
    _foreign_word,
    _unclosed,
    _nothing_after,
    _count,
    _missing_word,
    _comma,
    _misspelt,
    *LAST,
    _anything,
)
