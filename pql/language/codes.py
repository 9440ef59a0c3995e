"""Every error code of the language, with its meaning in one line (`pql help CODE` prints it)."""

from __future__ import annotations

TEXT = {
    "empty_text": "The text holds no query.",
    "text_too_long": "The text is longer than 64 KiB.",
    "too_deep": "Brackets or operators are nested deeper than 200 levels.",
    "too_many_values": "A list has more than 10,000 values.",
    "unexpected_character": "A character that has no meaning in the language, such as & or a curly quote.",
    "unclosed_string": "A string opens and is never closed.",
    "unclosed_name": "A name in backticks opens and is never closed.",
    "unclosed_comment": "A /* comment opens and is never closed.",
    "empty_name": "A quoted name has no characters.",
    "invalid_literal": "A number, date or time that does not exist or is too large.",
}

SYNTAX = {
    "syntax": "A word stands where it cannot; the hint says what can.",
    "unknown_statement": "The first word is not one a statement starts with.",
    "several_statements": "More than one statement where one is expected.",
    "not_a_prediction": "Another statement where a PREDICT is expected.",
    "missing_predict": "A query without the word PREDICT before its target.",
    "missing_target": "PREDICT is not followed by what to predict.",
    "missing_for": "A query that does not say for whom: FOR EACH table.key.",
    "missing_entity": "FOR is not followed by a table or its key.",
    "missing_name": "A name is missing, or something else stands in its place.",
    "missing_expression": "WHERE, ASSUMING, an operator or a comma is not followed by a value.",
    "missing_word": "A word that belongs to a clause is missing, such as TOP after RANK.",
    "missing_comma": "Two things in a list stand side by side without a comma.",
    "incomplete": "The text ends in the middle of a clause.",
    "duplicate_clause": "A clause that may stand once stands twice.",
    "misplaced_clause": "A clause stands where it has no meaning.",
    "unclosed_bracket": "A bracket opens and is never closed.",
    "unopened_bracket": "A bracket closes that was never opened, or one of another kind.",
    "empty_brackets": "Brackets with nothing inside.",
    "empty_list": "A list without values after IN.",
    "chained_comparison": "Two comparisons in a row, as in 1 < x < 5.",
    "three_part_name": "A name of more than two parts; names are table.column.",
    "misspelt_word": "A word that is almost a keyword.",
    "foreign_clause": "A clause of SQL that has another form here.",
    "foreign_operator": "An operator of another language that has another form here.",
}

ARGUMENTS = {
    "argument_order": "An aggregate's arguments in the wrong order; it is AGG(column, start, end, unit).",
    "missing_argument": "An aggregate without a column in its brackets.",
    "too_many_arguments": "An aggregate with more than a column, a start, an end and a unit.",
    "incomplete_window": "A window with one number; it has a start and an end.",
    "fraction_window": "A window with a fraction; windows are whole numbers of a unit.",
    "unbounded_end": "-INF stands elsewhere than as the start of a window.",
    "unknown_unit": "A unit of time that is not second, minute, hour, day, week, month or year.",
    "not_a_whole_number": "A fraction or a text where a count is expected.",
    "two_windows": "A window in the brackets and another after OVER.",
    "misplaced_distinct": "DISTINCT in an aggregate that has none.",
    "misplaced_parameter": "A parameter where only a constant can stand.",
}

CODES: dict[str, str] = {**TEXT, **SYNTAX, **ARGUMENTS}
