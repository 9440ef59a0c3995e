"""PREDICT inside SQL: where it is found, what stays a name, and the way back from DuckDB's text to the user's."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from pql.embed import Embedded, find, names, rewritten
from pql.language.ast import Span
from pql.language.errors import PqlError
from pql.language.parser import parse_script

Q = "PREDICT COUNT(o.*, 0, 30, days) FOR EACH c.id"


def found(text: str) -> Embedded:
    return find(text, Span(0, len(text)))


def queries(text: str) -> list[str]:
    return [text[one.span.start : one.span.end] for one in found(text).inner]


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT * FROM ({Q}) p",
        f"SELECT * FROM({Q})p",
        f"SELECT * FROM ( -- (PREDICT\n /* (PREDICT */ {Q}) p",
        f"WITH p AS ({Q}) SELECT * FROM p",
        f"SELECT * FROM c WHERE id IN (SELECT id FROM ({Q}))",
        f"SELECT * FROM c, LATERAL ({Q}) p",
        f"({Q}) UNION ALL (SELECT 1)",
        f"FROM ({Q})",
        f"SELECT 'é', \"ü\", $$ ' $$, E'\\'', '' FROM ({Q})",
    ],
)
def test_a_query_is_found_where_a_table_may_stand(text: str) -> None:
    assert queries(text) == [Q]


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT '({Q})'",
        f"SELECT '''({Q})'",
        f'SELECT "({Q})" FROM t',
        f"SELECT 1 -- ({Q})",
        f"SELECT 1 /* ({Q}) */",
        f"SELECT $$ ({Q}) $$, $tag$ ({Q}) $tag$",
        f"SELECT E'\\'({Q})'",
        'SELECT * FROM ("PREDICT" COUNT(o.*, 0, 30, days) FOR EACH c.id)',
    ],
)
def test_text_in_quotes_and_comments_is_never_a_query(text: str) -> None:
    assert queries(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT (predict), (predict + 1), (predict.x), f(predict, 1), count(predict) FROM predict",
        "SELECT (predict IS NULL), (predict IN (1, 2)), (predict NOT IN (1)), (predict NOT LIKE 'x') FROM t",
        "SELECT (predict::INT), CAST(predict AS INT), sum(predict ORDER BY x), first(predict IGNORE NULLS) FROM t",
        "SELECT substring(predict FOR 3), trim(predict FROM x), list(predict) FILTER (predict > 1) FROM t",
        "SELECT * FROM (predict JOIN c USING (id)), (predict p JOIN d ON p.x = d.x)",
        "SELECT (predict(1)), (predict (1) + 2), (predict BETWEEN 1 AND 2), (predict COLLATE nocase) FROM t",
        "WITH t(predict, x) AS (SELECT 1, 2) SELECT predict FROM t GROUP BY (predict)",
        "SELECT (predict || ';' || x), [predict for predict in l] FROM t AS predict",
    ],
)
def test_predict_stays_a_name_where_it_is_one(text: str) -> None:
    assert queries(text) == []
    assert len(parse_script(text).statements) == 1


def test_brackets_inside_a_query_are_matched_by_the_words_of_the_query() -> None:
    inner = "PREDICT COUNT(o.* WHERE o.x = ')' AND o.y = 'it\\'s (', 0, 30) > (1) FOR c.id IN (1, 2) # )\n"
    text = f"SELECT ')' FROM ({inner}) p, ({Q}) q WHERE x = ')'"
    assert queries(text) == [inner, Q]


def test_a_script_is_cut_between_statements_only() -> None:
    inner = "PREDICT COUNT(o.* WHERE o.x = 'a\\'; b', 0, 30) FOR c.id"
    texts = ["SELECT $$ ; $$", f"SELECT * FROM ({inner})", "SELECT ';', \";\" -- ;", "SHOW TABLES"]
    script = parse_script(";\n".join(texts[:2]) + ";" + "\n;".join(texts[2:]))
    assert [type(s).__name__ for s in script.statements] == ["Sql", "Sql", "Sql", "Show"]
    assert script.statements[1].text == texts[1]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"CREATE TABLE x AS {Q}", "CreateTable"),
        (f"CREATE OR REPLACE TABLE x AS {Q}", "Sql"),
        (f"CREATE TABLE IF NOT EXISTS x AS -- (\n{Q}", "Sql"),
        (f'CREATE TABLE s."as"."a ""b" AS {Q}', "Sql"),
        (f"CREATE TABLE x AS ({Q})", "Sql"),
        (f"CREATE TABLE x AS SELECT a AS predict FROM ({Q})", "Sql"),
        (f"COPY ({Q}) TO 'x.csv'", "Copy"),
        (f"COPY ({Q}) TO 'x''y.csv' (HEADER false)", "Sql"),
        (f"COPY (SELECT * FROM ({Q})) TO 'x.csv'", "Sql"),
    ],
)
def test_what_writes_is_read_with_all_that_sql_allows(text: str, kind: str) -> None:
    inner = text.replace("c.id", "c.id = 'it\\'s; x'")
    first, second = parse_script(f"{inner}; SHOW TABLES").statements
    assert (type(first).__name__, type(second).__name__) == (kind, "Show")
    if kind == "Sql":
        assert queries(inner) == [Q.replace("c.id", "c.id = 'it\\'s; x'")]


def test_parameters_are_counted_over_the_whole_statement() -> None:
    text = "SELECT ?, $2 FROM (PREDICT COUNT(o.*, 0, ?) > ? FOR c.id = $1) p WHERE x = ? AND a[1:y] = {'k':z} AND w=:n"
    one = found(text)
    assert [slot.key for slot in one.slots] == [0, 1, 3, "n"]
    query = one.inner[0].query
    assert (query.target.left.window.end.index, query.target.right.index, query.ids.items.index) == (1, 2, 0)
    named = found("SELECT a[1:x], {'a':x}, y:x, x::int, :x, $x, [:x, 1], f(:x) FROM t LIMIT :n")
    assert [slot.key for slot in named.slots] == ["x", "x", "x", "x", "n"]
    made = rewritten(named, [], {"x": 1, "n": 2, "unused": 3})
    assert made.sql == (
        "SELECT a[1:x], {'a':x}, y:x, x::int,  $pql_1 ,  $pql_1 , [ $pql_1 , 1], f( $pql_1 ) FROM t LIMIT  $pql_2 "
    )
    assert made.message('near "$pql_2" of pql_1') == 'near ":n" of :x'
    assert made.parameters == {"pql_1": 1, "pql_2": 2}


def test_a_parameter_without_a_value_is_shown_where_it_stands() -> None:
    text = "SELECT :x, :y FROM t"
    with pytest.raises(PqlError) as error:
        rewritten(found(text), [], {"x": 1})
    assert error.value.code == "unbound_parameter"
    assert [text[f.span.start : f.span.end] for f in error.value.faults if f.span] == [":y"]


def test_places_in_the_rewritten_statement_lead_back() -> None:
    text = f"SELECT :x,\n é FROM ({Q}) p WHERE wrong"
    made = rewritten(found(text), ["SELECT * FROM pql_predictions_1"], {"x": 1})
    for word in ("é", "p WHERE", "wrong", ",", "SELECT"):
        at = made.sql.index(word)
        place = made.place(Span(at, at + len(word)))
        assert text[place.start : place.end] == word
    at = made.sql.index("pql_predictions_1")
    place = made.place(Span(at, at + 3))
    assert text[place.start : place.end] == Q
    place = made.place(Span(made.sql.index("(SELECT"), made.sql.index(") p") + 1))
    assert text[place.start : place.end] == f"({Q})"


@pytest.mark.parametrize(
    ("inner", "code", "word", "fixed"),
    [
        ("PREDICT COUNT(o.*, 0, 30, days) FOR EACH", "missing_entity", ")", None),
        ("PREDICT COUNT(o.*, 0, 30, days) WERE c.x = 1 FOR EACH c.id", "misspelt_word", "WERE", "WHERE"),
        ("PREDICT COUNT(o.*, 0, 30, days FOR EACH c.id", "unclosed_bracket", "(", None),
        ("PREDICT FOR EACH c.id", "missing_target", "FOR", None),
        ("PREDICT c.x FOR EACH c.id ORDER BY probability", "foreign_clause", "ORDER", None),
        ("PREDICT c.x FOR EACH c.id WHERE c.y IN (PREDICT c.z FOR EACH c.id)", "nested_query", "PREDICT c.z", None),
    ],
)
def test_a_fault_inside_has_its_place_in_the_whole_text(inner, code, word, fixed) -> None:
    before, after = "-- a comment\nSELECT *\nFROM (", ") p WHERE x = 1"
    text = before + inner + after
    with pytest.raises(PqlError) as error:
        found(text)
    assert error.value.code == code
    span = error.value.span
    assert span is not None
    assert "line 3" in str(error.value)
    assert text[span.start :].startswith(word)
    if fixed is not None:
        assert error.value.fix == before + inner.replace(word, fixed) + after
        assert queries(error.value.fix)


def test_a_bracket_that_never_closes_is_mended() -> None:
    with pytest.raises(PqlError) as error:
        found(f"SELECT * FROM ({Q}")
    assert (error.value.code, error.value.fix) == ("unclosed_bracket", f"SELECT * FROM ({Q})")


def test_private_names_do_not_occur_in_the_text() -> None:
    assert list(names(2, "SELECT * FROM PQL_Predictions_1")) == ["pql_predictions_2", "pql_predictions_3"]


@pytest.mark.parametrize(
    "piece", ["(predict(", "(predict (a) ", "(predict x ", "(predict a.b for c) ", "(/**/", "$a$", "'"]
)
def test_no_text_takes_long(piece: str) -> None:
    text = ("SELECT " + piece * 10_000)[:60_000]
    start = time.process_time()
    with suppress(PqlError):
        parse_script(text)
        found(text)
    assert time.process_time() - start < 10  # a second or so; minutes where a text is read again and again
