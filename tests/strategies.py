"""Hypothesis strategies: queries as syntax trees (in the form the parser makes), and texts that may be broken."""

from __future__ import annotations

from hypothesis import strategies as st

from pql.language import ast
from pql.language.ast import Identifier, Literal, Parameter
from pql.language.lexing import KEYWORDS

UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")
FUNCTIONS = (
    "COUNT", "SUM", "AVG", "MIN", "MAX", "COUNT_DISTINCT", "FIRST", "LAST", "LIST_DISTINCT", "ARRAY_AGG", "EXISTS",
    "MEDIAN", "STDDEV", "BOOL", "TIME_TO", "FROBNICATE",
)  # fmt: skip

plain_names = st.sampled_from(("customers", "orders", "amount", "customer_id", "Größe", "x1", "_", "next_product"))
odd_names = st.sampled_from(('a"b', "a`b", "two words", "1st", "a.b", "'", "-- x", "日本", "a\nb", "'; DROP TABLE t"))
keyword_names = st.sampled_from([*sorted(KEYWORDS), "week", "date", "position", "days", "type", "infinity", "count"])
identifiers = st.builds(Identifier, plain_names | keyword_names.map(str.lower) | keyword_names | odd_names)

strings = st.text(max_size=8) | st.sampled_from(
    ("it's", "a\\b", "\\", "\n", 'say "x"', "100%", "28 days", "on", "CAFÉ")
)
numbers = st.integers(-(2**64) + 1, 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
dates = st.dates() | st.datetimes()
literals = st.builds(Literal, st.none() | st.booleans() | numbers | strings | dates)
positive_literals = st.builds(Literal, st.integers(0, 2**64 - 1) | strings | st.booleans() | st.dates())
parameters = st.builds(Parameter, st.sampled_from(("days", "ids", "x")), st.none()) | st.builds(
    Parameter, st.none(), st.integers(0, 4)
)
columns = st.builds(ast.ColumnName, st.none() | identifiers, identifiers)
qualified = st.builds(ast.ColumnName, identifiers, identifiers)
stars = st.builds(ast.Star, identifiers)

counts = st.integers(-5, 400) | parameters
windows = st.builds(ast.Window, st.none() | counts, counts, st.none() | st.sampled_from(UNITS))


def _negate(operand: ast.Expression) -> ast.Expression:
    return ast.Negate(operand)


def _joined(kind: type, items: list[ast.Expression]) -> ast.Expression:
    """AND or OR in the parser's form: never directly inside itself."""
    flat = [part for item in items for part in (item.items if isinstance(item, kind) else (item,))]
    return kind(tuple(flat))


def _aggregates(inner: st.SearchStrategy) -> st.SearchStrategy:
    argument = inner | stars | st.just(ast.Star(None))
    functions = st.sampled_from(FUNCTIONS)
    return st.builds(ast.Aggregate, functions, argument, st.none() | inner, st.none() | windows)


def _deeper(inner: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(inner, min_size=2, max_size=3)
    lists = st.builds(ast.ListOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
    negated = st.booleans()
    comparisons = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
    matches = st.sampled_from(("LIKE", "CONTAINS", "STARTS WITH", "ENDS WITH"))
    return st.one_of(
        st.builds(ast.Arithmetic, st.sampled_from("+-*/%"), inner, inner),
        st.builds(_negate, inner),
        st.builds(ast.Comparison, comparisons, inner, inner | st.builds(ast.ListOf, several.map(tuple))),
        st.builds(ast.Between, inner, inner, inner, negated),
        st.builds(ast.InList, inner, lists | parameters | positive_literals, negated),
        st.builds(ast.IsNull, inner, negated),
        st.builds(ast.Match, matches, inner, inner, negated),
        st.builds(ast.Not, inner),
        several.map(lambda items: _joined(ast.And, items)),
        several.map(lambda items: _joined(ast.Or, items)),
        _aggregates(inner),
    )


expressions = st.recursive(literals | parameters | columns | stars, _deeper, max_leaves=4)
aggregates = _aggregates(columns)

tasks = st.lists(
    st.builds(ast.RankTop, st.none() | counts)
    | st.builds(ast.RankTop, counts, st.just(False))
    | st.builds(ast.Classify)
    | st.builds(ast.Forecast, counts)
    | st.builds(ast.AsKind, st.sampled_from(("class", "number"))),
    max_size=2,
    unique_by=type,
).map(tuple)
entity_names = st.builds(ast.EntityName, identifiers, st.none() | identifiers)
entity_ids = st.builds(ast.EntityIds, st.sampled_from(("=", ">", "!=")), expressions) | st.builds(
    ast.EntityIds,
    st.sampled_from(("IN", "NOT IN")),
    parameters | positive_literals | st.builds(ast.ListOf, st.lists(literals, min_size=1, max_size=3).map(tuple)),
)
name_tuples = st.lists(identifiers, min_size=1, max_size=3).map(tuple)
excluded = (
    columns
    | aggregates
    | st.builds(ast.Aggregate, st.just(""), columns, st.none() | expressions, windows)
)  # fmt: skip
levels = st.floats(-2, 2, allow_nan=False) | parameters
returning = st.one_of(
    st.builds(ast.Returning, st.just("quantiles"), st.lists(levels, min_size=1, max_size=3).map(tuple)),
    st.builds(ast.Returning, st.just("interval"), st.tuples(levels)),
    st.builds(ast.Returning, st.sampled_from(("probability", "distribution"))),
)
settings = literals | parameters
setting_lists = st.builds(ast.ListOf, st.lists(settings, min_size=1, max_size=3).map(tuple))
durations = st.builds(
    lambda n, unit: ast.ListOf((Literal(n), Literal(unit))), st.integers(0, 99), st.sampled_from((*UNITS, "day", "s"))
)
options = st.lists(
    st.builds(ast.Option, identifiers, settings | setting_lists | durations), min_size=1, max_size=3
).map(tuple)  # fmt: skip
moments = st.builds(Literal, dates | strings) | parameters


@st.composite
def predicts(draw: st.DrawFn) -> ast.Predict:
    """A whole PREDICT, valid in form, with any of its clauses."""

    def perhaps(strategy: st.SearchStrategy) -> object:
        return draw(strategy) if draw(st.integers(0, 3)) == 0 else None

    return ast.Predict(
        target=draw(aggregates | expressions),
        entities=draw(st.lists(entity_names, min_size=1, max_size=2).map(tuple)),
        each=draw(st.booleans()),
        alias=perhaps(identifiers),
        tasks=draw(tasks),
        ids=perhaps(entity_ids),
        using=perhaps(name_tuples),
        where=perhaps(expressions),
        assuming=perhaps(expressions),
        as_of=perhaps(st.builds(ast.AsOf, moments)),
        candidates=perhaps(expressions),
        excluding=perhaps(st.builds(ast.Excluding, excluded)),
        at_most=perhaps(st.builds(ast.AtMost, counts, columns)),
        returning=perhaps(returning),
        via=perhaps(name_tuples),
        using_model=perhaps(identifiers),
        ignoring=perhaps(st.lists(columns, min_size=1, max_size=2).map(tuple)) or (),
        options=perhaps(options) or (),
    )


statements = st.one_of(
    predicts(),
    st.builds(
        ast.Explain, predicts(), st.none() | st.sampled_from(("ast", "bound", "sql", "graph", "json")), st.booleans()
    ),
    st.builds(ast.Evaluate, predicts(), st.lists(moments, max_size=2).map(tuple)),
    st.builds(ast.Labels, predicts()),
    st.builds(ast.CheckLeakage, predicts()),
    st.builds(ast.CreateModel, identifiers, predicts(), st.booleans()),
    st.builds(ast.CreateTable, identifiers, predicts()),
    st.builds(ast.Copy, predicts(), strings),
    st.builds(ast.Show, st.sampled_from(("tables", "graph", "models", "targets"))),
    st.builds(ast.Show, st.sampled_from(("metrics", "rules")), identifiers),
    st.builds(ast.Describe, identifiers, st.booleans()),
    st.builds(ast.DropModel, identifiers),
    st.builds(ast.DropTarget, identifiers),
    st.builds(ast.AlterModel, identifiers, st.integers(0, 99)),
    st.builds(ast.DefineTarget, identifiers, expressions, tasks),
    st.builds(ast.LinkOverride, qualified, qualified, st.booleans()),
    st.builds(ast.KeyOverride, qualified),
    st.builds(ast.TimeOverride, qualified),
    st.builds(ast.TimeOverride, st.none(), identifiers),
    st.sampled_from((ast.Sql("SELECT ';' FROM t"), ast.Sql("WITH a AS (SELECT 1)\nSELECT * FROM a -- done"))),
)

words = st.sampled_from(
    [
        *sorted(KEYWORDS), "t", "t.x", "t.*", "`a b`", '"x"', "'s'", "COUNT(", "SUM(t.x, 0, 30, days)", "0", "1.5",
        "30d", "2010-03-14", "2010-02-30", ":p", "?", "(", ")", "[", "]", ",", ".", ";", "=", "<", "!=", "+", "-", "*",
        "/", "%", "->", "days", "INF", "'", '"', "`", "/*", "*/", "--", "#", "\n", "\0", "é", "&", "|", "1e999",
        "9" * 50, "",
    ]
)  # fmt: skip
word_soups = st.lists(words, max_size=25).map(" ".join) | st.lists(words, max_size=12).map("".join)
