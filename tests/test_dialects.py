"""What people write for Kumo's engine, in RelQL, out of SQL's habit, and wrongly, becomes what it is meant to be."""

from __future__ import annotations

import json

import pytest
from corpus import catalog_of
from dialect_cases import FOLDER, DialectCase, read

from pql.language import ast, codes, parser
from pql.language.binder import bind
from pql.language.errors import PqlError
from pql.language.format import format
from pql.language.lexing import Lexer, Token

CATALOGS = {name: catalog_of(schema) for name, schema in json.loads((FOLDER / "schemas.json").read_text()).items()}
WRITTEN = [case for name in ("kumo", "clauses", "relql", "sql") for case in read(name)]
MISTAKES = read("mistakes")
SYNTAX = {*codes.TEXT, *codes.SYNTAX, *codes.ARGUMENTS}


def outcome(text: str, case: DialectCase) -> str:
    """`explain`, `evaluate`, `sql`, or the task of the query in `text`."""
    statement = parser.parse(text)
    if isinstance(statement, ast.Sql):
        return "sql"
    query = getattr(statement, "query", statement)
    assert isinstance(query, ast.Predict)
    task = bind(query, CATALOGS[case.schema], text=text, params=case.params).task.value
    return {ast.Explain: "explain", ast.Evaluate: "evaluate"}.get(type(statement), task)


@pytest.mark.parametrize("case", WRITTEN, ids=str)
def test_what_people_write_is_read_as_they_mean_it(case: DialectCase) -> None:
    assert outcome(case.query, case) == case.expect


@pytest.mark.parametrize("case", MISTAKES, ids=str)
def test_a_mistake_is_named_and_the_way_out_of_it_works(case: DialectCase) -> None:
    with pytest.raises(PqlError) as caught:
        outcome(case.query, case)
    expected = case.expect.removeprefix("error:")
    assert caught.value.code in (SYNTAX if expected == "syntax" else {expected})
    if caught.value.fix is not None:
        parser.parse(caught.value.fix)


@pytest.mark.parametrize("case", [case for case in WRITTEN if case.expect != "sql"], ids=str)
def test_the_canonical_text_reads_back_and_means_the_same(case: DialectCase) -> None:
    tree = parser.parse(case.query)
    text = format(tree)
    assert parser.parse(text) == tree
    assert outcome(text, case) == case.expect


def tokens_of(text: str, monkeypatch: pytest.MonkeyPatch) -> list[Token]:
    """The words of a text as the parser takes them."""
    taken: list[Token] = []
    plain = Lexer.next

    def noting(self: Lexer, known: object) -> Token:
        taken.append(plain(self, known))  # type: ignore[arg-type]
        return taken[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Lexer, "next", noting)
        parser.parse(text)
    return [token for token in taken if token.type not in ("$END", "SEMI")]


def test_at_every_word_that_word_could_come_next(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in WRITTEN[::2]:
        if case.expect == "sql":
            continue
        for token in tokens_of(case.query, monkeypatch):
            accepted = parser.accepts(case.query[: token.start])
            assert token.type in accepted, f"{case}: {case.query[: token.end]!r}"
