"""What people bring along from SQL and other tongues: the form it has here, with the text rewritten.

Each rule is one of those of `mistakes`: it gives a Finding where it recognises the situation, else None. Repairs are
texts to try; none is offered that does not read.
"""

from __future__ import annotations

import re

from pql.language.ast import Span
from pql.language.lexing import KEYWORDS, UNITS
from pql.language.mistake import CLAUSES, NAMES, Finding, Mistake

_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
_SPOKEN = re.compile(
    rf"""(?ix) \(? (?: (?P<at>in|within|over|for)\b \s* )? (?:the\s+)?
    (?: (?P<way>next|following|coming|last|past|previous)\s+ (?P<n>\d+) \s* (?P<u>{_UNIT})\b
      | interval \s* (?P<q>')? \s* (?P<n2>-?\d+) \s* '? \s* (?P<u2>{_UNIT})\b \s* '?
      | ' \s* (?P<n3>-?\d+) \s* (?P<u3>{_UNIT}) \s* '
      | (?P<a>-?\d+) \s* (?:to|\.\.+|-)\s* (?P<b>-?\d+) \s*,?\s* (?P<u4>{_UNIT})\b
      | (?P<n5>\d+) \s* (?P<u5>{_UNIT})\b ) \s* \)?"""
)
_PAST = frozenset({"last", "past", "previous"})
_CLOCKS = frozenset(
    {"NOW", "TODAY", "CURRENT_DATE", "CURRENT_TIMESTAMP", "GETDATE", "SYSDATE", "YESTERDAY", "TOMORROW"}
)
_EACH = frozenset({"ALL", "EVERY", "ANY"})
_OPERATORS = {"=>": ">=", "=<": "<=", "===": "=", "!==": "!=", "<>=": "!=", "=!": "!=", "==>": ">=", "==<": "<="}
_OPENERS = tuple("\"'`>:=({[")
_WINDOW = "a window is start, end, unit: 0, 30, days is the next 30 days, -30, 0, days the last 30"
_FORM = "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id"


def pasted(text: str) -> str:
    """The query inside what stands around it (code, JSON, a prompt, a fence of Markdown); "" where there is none."""
    found = re.search(r"\bPREDICT\s+[\w`\"(*][\s\S]*", text, re.IGNORECASE)
    head = text[: found.start()].rstrip() if found is not None else ""
    if found is None or not (head[-1:] in _OPENERS or re.search(r"```\w*$", head)):
        return ""
    body = found[0].replace("\\n", "\n").replace('\\"', '"')
    quote = re.search(r"[\"'`]\s*$", text[: found.start()])
    if quote is not None and quote[0].strip() in body:
        return body[: body.rindex(quote[0].strip())].rstrip("\"'` \n\r\t")
    return body.rstrip("\"'`;, \n\r\t}]")


def operators(m: Mistake) -> Finding | None:
    """Signs that touch: `=>`, `===`, `>=<`."""
    if m.found in ("EQ", "COMPARE") and m.before(1) in ("EQ", "COMPARE") and m.tokens[-1].end == m.token.start:
        start = m.tokens[-1].start
        written = m.text[start : m.token.end]
        better = _OPERATORS.get(written)
        hint = f"write {better}" if better else "the comparisons are = != < <= > >="
        fixes = [m.replaced(better, start)] if better else []
        return Finding("foreign_operator", f"there is no operator {written}", hint, fixes, Span(start, m.token.end))
    if m.found == "COMPARE" and m.word == ">" and "ARROW" in m.expected:
        return None
    if "ARROW" in m.expected and m.found in ("EQ", "COMPARE"):
        end = m.token.end + (m.text[m.token.end : m.token.end + 1] == ">")
        return Finding("syntax", "two columns are linked by ->", "write ->", [m.replaced("->", end=end)])
    return None


def after_moments(m: Mistake) -> Finding | None:
    """`EVALUATE … AT 2024-01-01 WITH (…)`: the moments come last."""
    at = next((i for i, t in enumerate(m.tokens) if t.type == "AT"), None)
    if at is None or m.tokens[0].type != "EVALUATE" or m.found not in CLAUSES | {"WHERE", "WITH"}:
        return None
    start, rest = m.tokens[at].start, m.text[m.token.start :]
    clauses = rest.rstrip("; \n\t")
    moved = f"{m.text[:start]}{clauses} {m.text[start : m.token.start].rstrip()}{rest[len(clauses) :]}"
    return Finding("syntax", f"{m.shown} can't stand here", "AT and its moments come last", [moved])


def odd_names(m: Mistake) -> Finding | None:
    """`visits.check-in` and `orders.total amount`: one name that needs backticks."""
    tokens = m.tokens
    if len(tokens) >= 2 and m.before(1) == "MINUS" and m.before(2) == "IDENT" and m.word.isalpha():
        first, sign = tokens[-2], tokens[-1]
        if first.end == sign.start and sign.end == m.token.start:
            return _one_name(m, first.start, m.token.end)
    if m.found == "IDENT" and m.before(1) == "IDENT" and m.before(2) == "DOT" and m.callee() is not None:
        last = re.compile(r"\w+(?:[ ]+\w+)*").match(m.text, tokens[-1].start)
        follows = "" if last is None else m.text[last.end() :].lstrip()[:1]
        if last is not None and follows in (",", ")") and m.word.lower() not in UNITS:
            return _one_name(m, tokens[-1].start, last.end())
    return None


def _one_name(m: Mistake, start: int, end: int) -> Finding:
    name = m.text[start:end]
    message = f"the name {name} is read as several words"
    hint = f"a name with blanks or signs in it goes in backticks: `{name}`"
    return Finding("missing_quotes", message, hint, [m.replaced(f"`{name}`", start, end)], Span(start, end))


def unquoted(m: Mistake) -> Finding | None:
    """`= New York` and `LIKE Ber%`: a text without its quotes; `'orders'.'amount'`: names with them."""
    types = [token.type for token in m.tokens]
    if m.found == "IDENT" and types[-2:] in (["EQ", "IDENT"], ["COMPARE", "IDENT"], ["LIKE", "IDENT"]):
        words = re.compile(r"[^\W\d]\w*(?:[ ]+[^\W\d]\w*)*").match(m.text, m.tokens[-1].start)
        if words is not None and m.word not in KEYWORDS:
            return _text(m, m.tokens[-1].start, _before_clause(m.text, m.tokens[-1].start, words.end()))
    if "PERCENT" in types[-2:] and "LIKE" in types[-3:]:
        start = next(token for token in reversed(m.tokens) if token.type == "LIKE").end
        words = re.compile(r"\s*([%\w]+)").match(m.text, start)
        if words is not None:
            return _text(m, words.start(1), words.end(1))
    quoted = re.compile(r"'(\w+)'\s*\.\s*'?(\w+)'?").match(m.text, m.token.start)
    if m.found == "STRING" and quoted is not None:
        name = f"{quoted[1]}.{quoted[2]}"
        message = "a name stands without quotes, or in double quotes or backticks"
        return Finding("missing_name", message, f"write {name}", [m.replaced(name, end=quoted.end())])
    return None


def _before_clause(text: str, start: int, end: int) -> int:
    """Where a run of words ends that may run into the next clause."""
    for word in re.finditer(r"\w+", text[start:end]):
        if word[0].upper() in KEYWORDS:
            return start + len(text[start : start + word.start()].rstrip())
    return end


def _text(m: Mistake, start: int, end: int) -> Finding:
    words = m.text[start:end]
    fix = m.replaced("'" + words + "'", start, end)
    return Finding("missing_quotes", f"the text {words} has no quotes", f"write '{words}'", [fix], Span(start, end))


def windows_in_words(m: Mistake) -> Finding | None:
    """`NEXT 30 DAYS`, `INTERVAL '30 days'`, `'30 days'`, `0 TO 30 DAYS`, inside the brackets or behind them."""
    inside = m.callee() is not None
    if inside:
        level = m.level()
        comma = next((token for token in level if token.type == "COMMA"), None)
        if comma is None or m.found in ("UNIT", "RPAR"):
            return None
        place = re.compile(r"\s*(?:0\s*,\s*)?").match(m.text, comma.end)
        spoken = None if place is None else _SPOKEN.match(m.text, place.end())
        if spoken is None:
            spoken = _SPOKEN.match(m.text, comma.end + len(m.text[comma.end :]) - len(m.text[comma.end :].lstrip()))
        if spoken is None or not comma.end <= m.token.start <= spoken.end() or _is_plain(spoken):
            return None
        end = spoken.start() + len(spoken[0].removesuffix(")").rstrip())
        fixes = [m.replaced(f" {_as_window(spoken)}", comma.end, end)]
        return Finding("window_in_words", "a window is written in numbers", _WINDOW, fixes, Span(m.token.start, end))
    at = m.tokens[-1].start if m.before(1) == "IN" else m.token.start
    if m.before(2 if m.before(1) == "IN" else 1) != "RPAR" or m.brackets:
        return None
    spoken = _SPOKEN.match(m.text, at)
    if spoken is None or not (spoken["way"] or spoken["at"]):
        return None
    closing = m.tokens[-2 if m.before(1) == "IN" else -1]
    end = spoken.start() + len(spoken[0].rstrip())
    fix = m.text[: closing.start] + f", {_as_window(spoken)})" + m.text[end:]
    message = "the window stands inside the brackets"
    return Finding("window_in_words", message, _WINDOW, [fix], Span(at, end))


def _is_plain(spoken: re.Match[str]) -> bool:
    """True of `30 days`, which lacks a comma or a start and has rules of its own."""
    return spoken["n5"] is not None and spoken["way"] is None


def _as_window(spoken: re.Match[str]) -> str:
    if spoken["a"]:
        return f"{spoken['a']}, {spoken['b']}, {UNITS[spoken['u4'].lower()]}"
    number = int(spoken["n"] or spoken["n2"] or spoken["n3"] or spoken["n5"])
    unit = UNITS[(spoken["u"] or spoken["u2"] or spoken["u3"] or spoken["u5"]).lower()]
    if number < 0 or (spoken["way"] or "").lower() in _PAST:
        return f"{-abs(number)}, 0, {unit}"
    return f"0, {number}, {unit}"


def leading_tasks(m: Mistake) -> Finding | None:
    """`FORECAST SUM(…)` and `RANK TOP 5 orders.product_id`: the task stands behind the target."""
    if m.tokens:
        return None
    start = m.token.start
    led = re.compile(r"(?i)(FORECAST)(\s+\d+\s+TIMEFRAMES?)?\s+(?=\w+\s*\()|(RANK\s+TOP\s+\d+)\s+").match(m.text, start)
    if led is None:
        return None
    rest = m.text[led.end() :]
    cut = re.search(r"(?i)\s+FOR\b", rest)
    target, tail = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    task = f" {led[3]}" if led[3] else f" FORECAST{led[2]}" if led[2] else ""
    if led[3] and re.fullmatch(r"\w+\.\w+", target):
        target = f"LIST_DISTINCT({target}, 0, 30, days)"
    fixes = [f"{m.text[:start]}PREDICT {target}{task}{tail}"]
    message = f"a query starts with PREDICT; {m.word} stands behind the target"
    hint = "PREDICT SUM(t.x, 0, 7, days) FORECAST 4 TIMEFRAMES; PREDICT LIST_DISTINCT(t.x, 0, 30, days) RANK TOP 5"
    return Finding("missing_predict", message, hint, fixes)


def other_statements(m: Mistake) -> Finding | None:
    """Statements of SQL and of the graph's overrides under other names."""
    if not m.tokens:
        before = m.text[: m.token.start].rstrip()
        if before.endswith(";") and m.word in CLAUSES | {"WHERE", "WITH", "RANK", "FORECAST"} - {"PREDICT"}:
            fixes = [before[:-1] + " " + m.text[m.token.start :]]
            return Finding("several_statements", f"a ; ends the query before {m.word}", "take the ; away", fixes)
        if m.word in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "MERGE"):
            return Finding(
                "unknown_statement", f"no statement starts with {m.word}", "data is changed in the database itself"
            )
        if m.word in ("HELP", "?"):
            hint = "on the command line, pql help lists all errors and pql help CODE explains one"
            return Finding("unknown_statement", "there is no statement HELP", hint)
        if m.word == "DESC":
            return Finding("misspelt_word", "DESC is not known here", "write DESCRIBE", [m.replaced("DESCRIBE")])
        return None
    if m.token.type == "SEMI" and "FOR" in m.expected:
        rest = m.text[m.token.end :].lstrip()
        if rest[:4].upper() in ("FOR ", "FROM"):
            message = "a ; ends the query before it says for whom"
            return Finding("missing_for", message, "take the ; away", [m.text[: m.token.start].rstrip() + " " + rest])
    if m.before(1) == "DROP" and m.word == "LINK":
        fixes = [m.replaced("UNLINK", m.tokens[-1].start)]
        return Finding("syntax", "a link is taken away by UNLINK", "write UNLINK a.x -> b.y", fixes)
    if m.before(1) == "NO" and m.word in ("KEY", "LINK"):
        hint = "NO TIME t takes a clock away, UNLINK a.x -> b.y a link; KEY t.x names another key"
        return Finding("syntax", f"NO stands before TIME alone, not before {m.word}", hint)
    if m.before(1) == "SHOW" and m.word == "COLUMNS":
        return Finding("syntax", "columns are shown by DESCRIBE", "write DESCRIBE table")
    if m.found == "DOT" and [t.type for t in m.tokens[:2]] == ["NO", "TIME"]:
        return Finding("syntax", "NO TIME is said of a table", "leave the column out", [m.text[: m.token.start]])
    return None


def other_clauses(m: Mistake) -> Finding | None:
    """Clauses of SQL, moved to where their meaning lies here."""
    if m.found == "IDENT" and m.word in ("ORDER", "LIMIT") and _asked(m):
        inner, rest = m.text[: m.token.start].rstrip(), m.text[m.token.start :].strip().rstrip(";")
        start = next(t.start for t in m.tokens if t.type == "PREDICT")
        fixes = [f"{m.text[:start]}SELECT * FROM ({inner[start:]}) {rest}"]
        what = "rows are ordered" if m.word == "ORDER" else "rows are cut"
        hint = "SELECT * FROM (PREDICT …) ORDER BY prediction DESC LIMIT 10; RANK TOP k is per entity"
        return Finding("foreign_clause", f"{what} by SQL around the query", hint, fixes)
    if m.word == "GROUP" and m.found == "IDENT":
        by = re.compile(r"(?i)GROUP\s+BY\s+").match(m.text, m.token.start)
        if by is None:
            return None
        if not _asked(m):
            hint = "write FOR EACH table.key"
            fixes = [m.replaced("FOR EACH ", end=by.end())]
            return Finding("foreign_clause", "FOR EACH says for whom, not GROUP BY", hint, fixes)
        clause = re.compile(r"(?i)GROUP\s+BY\s+[\w.`\"]+(?:\s*,\s*[\w.`\"]+)*").match(m.text, m.token.start)
        fixes = [m.replaced("", end=clause.end()).rstrip()] if clause else []
        hint = "leave GROUP BY out, or name another entity after FOR EACH"
        return Finding("foreign_clause", "there is one row per entity already", hint, fixes)
    if m.word == "HAVING" and m.found == "IDENT":
        hint = "a condition on aggregates stands in WHERE: WHERE COUNT(t.*, -90, 0, days) > 0"
        return Finding("foreign_clause", "there is no HAVING", hint, [m.replaced("WHERE"), m.replaced("AND")])
    if m.word == "FILTER" and m.before(1) == "RPAR":
        return _filter(m)
    if m.word in ("AND", "OR") and "WHERE" in m.expected and m.found == m.word:
        fixes = [m.replaced("WHERE")]
        return Finding("missing_word", f"WHERE is missing before {m.word}", "the first condition follows WHERE", fixes)
    if m.word == "WHEN" and m.found == "IDENT":
        case = re.search(r"(?i)\bCASE\s+WHEN\s+([\s\S]+?)\s+THEN\s+(?:1|TRUE)\s+ELSE\s+(?:0|FALSE)\s+END", m.text)
        fixes = [m.text[: case.start()] + case[1] + m.text[case.end() :]] if case else []
        return Finding("foreign_clause", "there is no CASE", "predict the condition itself", fixes)
    return None


def _filter(m: Mistake) -> Finding:
    hint = "the condition stands in the brackets: SUM(t.x WHERE t.y = 1, 0, 30, days)"
    fixes = []
    clause = re.compile(r"(?i)FILTER\s*\(\s*WHERE\s+").match(m.text, m.token.start)
    comma = _first_comma(m)
    if clause is not None and comma is not None:
        end = _closing(m.text, m.text.index("(", m.token.start))
        condition = m.text[clause.end() : end]
        fixes = [f"{m.text[:comma]} WHERE {condition}{m.text[comma : m.tokens[-1].end]}{m.text[end + 1 :]}"]
    return Finding("foreign_clause", "there is no FILTER behind an aggregate", hint, fixes)


def _first_comma(m: Mistake) -> int | None:
    """Where the first argument ends of the call that closed last."""
    depth, comma = 0, m.tokens[-1].start
    for token in reversed(m.tokens):
        if token.type in ("RPAR", "RSQB"):
            depth += 1
        elif token.type in ("LPAR", "LSQB"):
            depth -= 1
            if depth == 0:
                return comma
        elif token.type == "COMMA" and depth == 1:
            comma = token.start
    return None


def _closing(text: str, opened: int) -> int:
    """The place of the bracket that closes the one at `opened`, or the end of the text."""
    depth = 0
    for place in range(opened, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return len(text)


def _asked(m: Mistake) -> bool:
    """True behind the query's FOR."""
    return any(token.type in ("FOR", "FROM") for token in m.tokens)


def other_words(m: Mistake) -> Finding | None:
    """Words that have a fixed form here: FOR ALL, PER, AT, NOW(), and brackets that belong to a clause."""
    previous = m.text[m.tokens[-1].start : m.tokens[-1].end].upper() if m.tokens else ""
    if previous in _EACH and m.before(2) == "FOR" and m.found == "IDENT":
        fixes = [m.replaced("EACH", m.tokens[-1].start, m.tokens[-1].end)]
        return Finding("misspelt_word", f"FOR EACH asks for everybody, not FOR {previous}", "write EACH", fixes)
    if m.word in ("PER", "BY") and not _asked(m) and "FOR" in m.expected:
        fixes = [m.replaced("FOR EACH")]
        return Finding("missing_for", f"FOR EACH says for whom, not {m.word}", "write FOR EACH table.key", fixes)
    if previous == "AT" and m.found in ("STRING", "DATE") and _asked(m):
        fixes = [m.replaced("AS OF", m.tokens[-1].start, m.tokens[-1].end)]
        return Finding("misspelt_word", "the moment of prediction follows AS OF", "write AS OF", fixes)
    if m.word in _CLOCKS and m.before(1) == "OF":
        call = re.compile(r"\w+(?:\s*\(\s*\))?").match(m.text, m.token.start)
        start = m.tokens[-2].start if m.before(2) == "AS" else m.token.start
        is_now = m.word not in ("YESTERDAY", "TOMORROW")
        fixes = [m.replaced("", start, call.end()).rstrip()] if call and is_now else []
        hint = "without AS OF the newest moment of the data is meant; else write a date: AS OF 2024-12-31"
        return Finding("syntax", f"AS OF needs a date, not {m.word}", hint, fixes)
    callee = m.callee()
    if callee is not None and m.found == "RPAR" and str(callee.value).upper() in _CLOCKS:
        hint = "windows are counted from the anchor: COUNT(t.*, -30, 0, days) is the last 30 days; else write a date"
        return Finding("unknown_aggregation", f"there is no {str(callee.value).upper()}()", hint)
    if m.before(1) == "CANDIDATES" and m.found in NAMES:
        fixes = [m.replaced("", end=m.token.end).replace("  ", " ")]
        return Finding("missing_word", "CANDIDATES is followed by WHERE", "write CANDIDATES WHERE", fixes)
    if m.found == "PERCENT" and m.clause() == "RETURN":
        return _percent(m)
    if m.found == "LPAR" and m.before(1) == "INTERVAL":
        fixes = [re.sub(r"\(\s*([\d.]+)\s*\)", r"\1", m.text[m.token.start :], count=1)]
        fixes = [m.text[: m.token.start] + fixes[0]]
        return Finding("syntax", "INTERVAL is followed by one number", "write INTERVAL 0.9", fixes)
    return None


def _percent(m: Mistake) -> Finding | None:
    number = m.tokens[-1]
    if number.type not in ("INT", "DECIMAL"):
        return None
    share = f"{float(str(number.value)) / 100:g}"
    fixes = [m.replaced(share, number.start)]
    return Finding("quantile_range", "levels are written as shares of 1", f"write {share}", fixes)


def brackets(m: Mistake) -> Finding | None:
    """A clause whose contents stand in brackets, without them."""
    if m.expected != {"LPAR"} or m.at_end or not m.tokens:
        return None
    end = len(m.text)
    for word in re.finditer(r"\w+|;", m.text[m.token.start :]):
        if word[0] == ";" or (word[0].upper() in CLAUSES | {"WHERE", "WITH", "RANK"} and word.start() > 0):
            end = m.token.start + len(m.text[m.token.start : m.token.start + word.start()].rstrip())
            break
    fixes = [m.replaced(f"({m.text[m.token.start : end]})", end=end)]
    clause = m.text[m.tokens[-1].start : m.tokens[-1].end].upper()
    return Finding("missing_brackets", f"{clause} is followed by brackets", "put them around", fixes)


def prose(m: Mistake) -> Finding | None:
    """`PREDICT the number of orders …`: a sentence, not a query."""
    words = re.compile(r"(?:[A-Za-z]+\s+){2,}[A-Za-z]+").match(m.text, m.tokens[0].end + 1) if m.tokens else None
    if m.tokens and m.tokens[0].type == "PREDICT" and len(m.tokens) == 2 and m.found == "IDENT" and words is not None:
        return Finding(
            "syntax", f"{m.shown} can't stand here: a query is not a sentence", f"a query looks like: {_FORM}"
        )
    if m.found == "COMMA" and m.clause() == "PREDICT" and not m.brackets and "FOR" in m.expected:
        return Finding("syntax", "a query has one target", "ask once for each, as two statements with ; between")
    return None


def options(m: Mistake) -> Finding | None:
    """`WITH (model boosted)`: a sign is missing."""
    if m.expected == {"EQ"} and m.clause() == "WITH":
        return Finding("missing_word", f"a = is missing before {m.shown}", "write option = value", [m.inserted(" =")])
    return None


HABITS = (
    operators, after_moments, odd_names, unquoted, windows_in_words, leading_tasks, other_statements, other_clauses,
    other_words, brackets, prose, options,
)  # fmt: skip
