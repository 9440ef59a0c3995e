"""The grammar: one file, no conflicts, a table that is up to date, an example of every production."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from importlib.resources import files

import pytest

from pql.language import lexing, parser, table
from pql.language.builder import Builder
from pql.language.format import format

FOLDER = files("pql.grammars")
GRAMMAR = FOLDER.joinpath("pql.lark").read_text("utf-8")
EXAMPLES = FOLDER.joinpath("examples.pql").read_text("utf-8")


def test_the_shipped_table_is_the_grammars_and_has_no_conflicts():
    made = table.build(GRAMMAR)  # strict: a conflict raises
    shipped = json.loads(FOLDER.joinpath("table.json").read_text("utf-8"))
    assert made == shipped, "run: python -m pql.language.table"


def test_a_conflict_is_refused():
    with pytest.raises(Exception, match="collision"):
        table.build("statement: a | b\na: IDENT -> x\nb: IDENT -> y\n%declare IDENT")


def test_every_alternative_has_a_maker():
    for rule in table.load().rules:
        if rule.action:
            assert callable(getattr(Builder, rule.action)), rule
        else:
            assert rule.length == 1, rule


def test_keywords_of_lexer_and_grammar_are_the_same():
    row_words = {terminal for row in table.load().actions for terminal in row}
    marks = {"IDENT", "DQ", "STRING", "INT", "DECIMAL", "DATE", "PARAMETER", "UNIT", "COMMA", "DOT", "STAR", "SLASH"}
    marks |= {"PERCENT", "PLUS", "MINUS", "EQ", "COMPARE", "ARROW", "LPAR", "RPAR", "LSQB", "RSQB", "BARE_TOP", "$END"}
    assert row_words - marks == lexing.KEYWORDS


def test_where_a_word_could_be_a_keyword_or_a_name_is_known():
    """Everywhere else a name may be called like any keyword that isn't reserved."""
    soft = lexing.KEYWORDS - lexing.RESERVED | {"UNIT"}
    both = {word for row in table.load().actions if "IDENT" in row for word in soft & row.keys()}
    after_using_model = {"RANK", "FORECAST", "AT", "CANDIDATES", "WINDOW"}
    after_a_name = {"STARTS", "ENDS", "CONTAINS", "USE"}  # FROM's table may have another name
    assert both == {"EACH", "CLASS", "NUMBER", "OF", "MODEL", "DISTINCT", "UNIT"} | after_using_model | after_a_name


class _Counted(tuple):
    used: set[int]

    def __getitem__(self, index):
        self.used.add(index % len(self))
        return tuple.__getitem__(self, index)


def test_the_examples_use_every_production(monkeypatch):
    rules = _Counted(table.load().rules)
    rules.used = set()
    counting = dataclasses.replace(table.load(), rules=rules)
    monkeypatch.setattr(table, "load", lambda: counting)
    parser.parse_script(EXAMPLES)
    assert [rule for i, rule in enumerate(tuple(rules)) if i not in rules.used] == []


def test_the_examples_survive_formatting():
    script = parser.parse_script(EXAMPLES)
    assert parser.parse_script(format(script)) == script


def test_reading_a_query_needs_no_lark_and_no_heavy_library():
    code = (
        "import sys; from pql.language.parser import parse; parse('PREDICT t.x FOR EACH t.id');"
        "print([m for m in ('lark', 'torch', 'pandas', 'duckdb', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("prefix", "some", "none"),
    [
        ("", {"PREDICT", "EXPLAIN", "SHOW"}, {"WHERE"}),
        ("PREDICT ", {"IDENT", "NOT", "LPAR"}, {"FOR"}),
        ("PREDICT SUM(t.x, 0, 30, ", {"UNIT"}, {"INT", "IDENT"}),
        ("PREDICT t.x ", {"FOR", "RANK", "AS", "EQ", "WHERE"}, {"$END", "RPAR"}),
        ("PREDICT t.x RANK ", {"TOP", "FOR"}, {"IDENT"}),
        ("PREDICT t.x FOR ", {"EACH", "IDENT"}, {"WHERE"}),
        ("PREDICT t.x FOR EACH t.id ", {"WHERE", "USING", "$END", "RETURN"}, {"FOR"}),
        ("PREDICT t.x FOR EACH t.id RETURN ", {"QUANTILES", "INTERVAL", "PROBABILITY", "DISTRIBUTION"}, {"IDENT"}),
        ("SHOW TABLES; SHOW ", {"MODELS", "METRICS"}, {"PREDICT"}),
        ("SELECT 1; EXPLAIN ", {"PREDICT", "ANALYZE", "SQL"}, {"SHOW"}),
    ],
)
def test_accepts_names_what_can_come_next(prefix, some, none):
    accepted = parser.accepts(prefix)
    assert some <= accepted
    assert not none & accepted


@pytest.mark.parametrize("prefix", ["PREDICT )", "PREDICT 'abc", "SELECT 1", "FOO ", "PREDICT t.x FOR FOR "])
def test_accepts_is_empty_in_broken_text_and_in_sql(prefix):
    assert parser.accepts(prefix) == frozenset()
