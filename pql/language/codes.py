"""The registry of error codes: every code that pql raises, with its meaning in one line.

A code that is raised anywhere is listed here, and one that is listed is raised somewhere (tests/test_codes.py).
"""

from __future__ import annotations

TEXT = {
    "not_a_text": "Another kind of value where the text of a query is expected.",
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
    "missing_brackets": "A clause whose contents stand in brackets, without them.",
    "missing_quotes": "A text without quotes, or a name that needs backticks.",
    "empty_brackets": "Brackets with nothing inside.",
    "empty_list": "A list without values after IN.",
    "chained_comparison": "Two comparisons in a row, as in 1 < x < 5.",
    "three_part_name": "A name of more than two parts; names are table.column.",
    "misspelt_word": "A word that is almost a keyword.",
    "foreign_clause": "A clause of SQL that has another form here.",
    "nested_query": "A PREDICT inside another PREDICT.",
    "foreign_operator": "An operator of another language that has another form here.",
}

ARGUMENTS = {
    "argument_order": "An aggregate's arguments in the wrong order; it is AGG(column, start, end, unit).",
    "missing_argument": "An aggregate without a column in its brackets.",
    "too_many_arguments": "An aggregate with more than a column, a start, an end and a unit.",
    "incomplete_window": "A window with one number; it has a start and an end.",
    "window_in_words": "A window in words or as an INTERVAL; windows are start, end, unit.",
    "fraction_window": "A window with a fraction; windows are whole numbers of a unit.",
    "unbounded_end": "-INF stands elsewhere than as the start of a window.",
    "unknown_unit": "A unit of time that is not second, minute, hour, day, week, month or year.",
    "not_a_whole_number": "A fraction or a text where a count is expected.",
    "unknown_window": "A window's name after OVER that no WINDOW declares.",
    "two_windows": "A window in the brackets and another after OVER.",
    "misplaced_distinct": "DISTINCT in an aggregate that has none.",
}

NAMES = {
    "unknown_table": "A table that is not in the catalog.",
    "ambiguous_table": "A table's name that fits several tables.",
    "unknown_column": "A column that its table, or every table, lacks.",
    "ambiguous_column": "A bare column name that several tables have.",
    "unknown_aggregation": "A function that is not one of the aggregations.",
    "unknown_target": "A named target that is neither defined nor can be read as one.",
    "cyclic_target": "A named target whose definition leads back to itself.",
    "target_exists": "DEFINE TARGET with a name that already stands for another target.",
    "ambiguous_target": "A named target with several readings.",
    "unknown_option": "An option of WITH that does not exist.",
    "bad_option_value": "A value that an option of WITH does not take.",
    "duplicate_option": "An option of WITH that is set twice.",
    "unbound_parameter": "A parameter without a value.",
    "unused_parameter": "A value for a parameter that the text does not have.",
    "parameter_type": "A parameter whose value is of a kind that cannot stand there.",
}

ENTITIES = {
    "entity_not_key": "FOR EACH names a column that is no key, or a table without one.",
    "entity_id_operator": "Ids after FOR are compared with another operator than = and IN.",
    "pair_mismatch": "A second entity that the target's column does not point to.",
    "no_join_path": "No route of foreign keys leads from one table to the other.",
    "ambiguous_join": "Several equally short routes lead to a table; VIA chooses one.",
    "using_misses_target": "USING leaves out a table that the query reads.",
}

WINDOWS = {
    "missing_window": "An aggregate without a window, or a column with many values per entity.",
    "window_inverted": "A window that ends before it starts.",
    "window_empty": "A window that starts where it ends.",
    "past_target": "A target that lies in the past, wholly or in part.",
    "future_filter": "A filter that looks into the future.",
    "assuming_past": "ASSUMING speaks of a past window.",
    "assuming_static": "ASSUMING of a future beside a target without one, or of something that cannot be set.",
    "missing_time_column": "An aggregate over a table whose rows have no time.",
    "time_to_start": "A TIME_TO whose window does not start at the anchor.",
}

MEANINGS = {
    "type_mismatch": "Values of types that do not go together.",
    "null_comparison": "A comparison with NULL, which is never true; IS NULL asks for it.",
    "wildcard": "A * where one value is needed.",
    "nested_aggregate": "An aggregate inside an aggregate, or where a single row is described.",
    "constant_condition": "An expression that reads no data, so that it is the same everywhere.",
    "event_column_filter": "WHERE names a column of which an entity has many values.",
    "mixed_static_temporal": "A column that is known and a future window in one expression.",
    "target_is_key": "A key as the target: of the entity, or of rows that do not exist yet.",
    "missing_task_clause": "A list without RANK TOP k or CLASSIFY.",
    "rank_without_top": "RANK without TOP k.",
    "top_without_rank": "TOP k without RANK.",
    "top_not_positive": "A number of items below 1.",
    "rank_on_scalar": "RANK TOP on a target with one value per entity.",
    "forecast_needs_number": "FORECAST of something else than a number.",
    "forecast_needs_window": "FORECAST of a column, which has no window.",
    "forecast_not_positive": "FORECAST of fewer than 1 timeframes.",
    "quantile_range": "A quantile or an interval outside 0 to 1.",
    "clause_conflict": "Clauses that cannot stand together, or beside this target.",
    "no_effect": "A clause that would change nothing.",
    "not_supported": "A part of the language that is read but not executed yet.",
}

SOURCES = {
    "source_not_found": "The file or folder to connect to does not exist.",
    "source_unreadable": "What was given is there and cannot be read as tables.",
    "source_unreachable": "The server or the files behind an address cannot be reached, or no longer.",
    "source_refused": "The server does not let this user in, or not read that.",
    "source_locked": "The database file is open for writing elsewhere.",
    "source_busy": "The connection given has a result that was not fetched to its end.",
    "source_aborted": "The connection given has a transaction that failed and was not rolled back.",
    "order_not_kept": "A connection that does not keep the order of rows, where that is needed.",
    "source_closed": "The connection given is closed.",
    "source_changed": "A file changed while it was read.",
    "unsupported_source": "A kind of thing that pql cannot read tables from.",
    "empty_source": "The source has no tables.",
    "duplicate_table": "Two tables whose names differ in case only.",
    "duplicate_column": "Two columns of a table whose names differ in case only.",
    "unreadable_column": "A column of a type that cannot be read.",
    "sql_failed": "A statement of SQL that DuckDB refuses.",
    "sql_error": "DuckDB refuses a statement of the user's, or fails to run it.",
    "statement_not_allowed": "A statement of SQL that changes or administers a database.",
    "read_only": "A table is to be made in a session that only reads.",
    "file_in_source": "A file is to be written over the data, or where it would be read as data.",
    "table_exists": "A table is to be made under a name that one has already.",
    "query_failed": "Reading the data failed in DuckDB.",
}

GRAPH = {
    "not_a_key": "KEY names a column whose values do not tell the rows apart.",
    "link_matches_nothing": "LINK joins columns that have not one value in common.",
    "link_type": "LINK joins columns whose types do not go together.",
    "time_type": "TIME names a column that is not a timestamp.",
    "clock_type": "A clock that is no date or time.",
    "clock_cycle": "Clocks that are inherited in a circle.",
    "unknown_link": "UNLINK of a column that points to no table.",
    "missing_table": "A column without its table where both are needed.",
}

DATA = {
    "no_data": "No row is known at the moment of prediction, or none has a time.",
    "insufficient_history": "The window is longer than the history can fill three times.",
    "no_anchors": "No moment is left at which examples could be made.",
    "no_labels": "No example of the target has a label.",
    "too_few_labels": "Too few examples have a label to learn from.",
    "no_positive_labels": "The condition is true for no training example.",
    "no_negative_labels": "The condition is false for no training example.",
    "one_class": "All training examples have the same class.",
    "too_many_classes": "The target has more classes than can be told apart.",
    "no_examples": "No example is left to train on.",
    "nothing_to_check": "CHECK LEAKAGE found no anchor with rows after it and enough before it.",
    "no_entities": "Nobody can be predicted for at the anchor.",
    "too_many_pairs": "More than a million pairs of two entities; RANK TOP k gives the likeliest of each.",
    "no_candidates": "The rules of a ranking leave nobody anything to be given.",
    "unknown_entity": "No entity has any of the ids asked for.",
    "bad_label_table": "A table of labels that misses a moment, a key or a label, or contradicts itself.",
    "bad_bench_folder": "A folder that is not in RelBench's format, or has no task of that name.",
    "bad_fit_argument": "An argument of fit() that is unknown, or does not go with the tables.",
    "bad_reason_argument": "An argument of why(), importance() or picture() that it does not take.",
}

MODELS = {
    "unknown_model": "A model's name that is not kept for this database.",
    "model_exists": "A model of this name is kept already.",
    "model_from_the_future": "USING MODEL names a model that has seen rows later than the query's anchor.",
    "unknown_version": "A version that a kept model does not have.",
    "no_rules": "SHOW RULES of a model that has learnt no rules.",
    "model_mismatch": "A kept model that was made for another question, or for other data.",
    "model_outdated": "A kept model that another version of pql has trained.",
    "model_not_for_task": "A model that cannot answer this kind of target.",
    "model_corrupt": "The files of a kept model are damaged or gone.",
    "model_format": "A kept model of another version of pql.",
    "model_not_writable": "Models cannot be kept in the folder they belong in.",
    "registry_busy": "Another session holds what is kept about this database.",
    "registry_corrupt": "What is kept about this database cannot be read.",
    "stopped": "The work was stopped before there was anything to show.",
}

SURROUNDINGS = {
    "unknown_code": "Help is asked about a code that no error has.",
    "missing_package": "A package that this needs is not installed.",
    "missing_extra": "An optional part of pql that this needs is not installed.",
    "missing_extension": "DuckDB reads this with an extension that is not installed.",
    "file_unreadable": "A file of statements cannot be read.",
    "file_not_writable": "The file to write to cannot be written.",
    "bad_config": "A file, variable or flag of configuration with a key or value that it cannot have.",
    "binary_output": "Parquet would go to a terminal.",
}

GROUPS: dict[str, dict[str, str]] = {
    "The text": TEXT,
    "Words and clauses": SYNTAX,
    "Arguments of an aggregate": ARGUMENTS,
    "Names": NAMES,
    "Entities and links": ENTITIES,
    "Windows": WINDOWS,
    "Meaning": MEANINGS,
    "Sources": SOURCES,
    "Keys, links and clocks": GRAPH,
    "What the data can answer": DATA,
    "Kept models": MODELS,
    "Files and packages": SURROUNDINGS,
}
CODES: dict[str, str] = {code: meaning for group in GROUPS.values() for code, meaning in group.items()}
