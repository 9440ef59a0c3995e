"""Bad input, through the front door: a correct prediction or a coded error that says what to do.

Never a traceback of a library, a NaN score, a lost row or a row twice.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import pql
from pql.language.errors import PqlError

START = dt.datetime(2023, 1, 1)
DAYS = 200
FAST = "WITH (model = boosted, anchors = 3, refit = off, cache = off)"
COUNT = "PREDICT COUNT(visits.*, 0, 20, days) FOR EACH users.user_id"
SPEND = "PREDICT SUM(visits.amount, 0, 20, days) FOR EACH users.user_id"

Tables = dict[str, pa.Table]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def clinic(keys: list[Any] | None = None, visits: int = 900, seed: int = 0) -> Tables:
    """Users and their visits; every user has some."""
    rng = np.random.default_rng(seed)
    keys = list(range(30)) if keys is None else keys
    who = np.concatenate([np.arange(len(keys)), rng.integers(0, len(keys), visits - len(keys))])
    when = np.sort(rng.integers(0, DAYS * 86400, visits))
    return {
        "users": pa.table({"user_id": pa.array(keys), "age": rng.integers(18, 80, len(keys))}),
        "visits": pa.table(
            {
                "visit_id": np.arange(visits),
                "user_id": pa.array([keys[i] for i in who]),
                "at": pa.array([START + dt.timedelta(seconds=int(s)) for s in when], pa.timestamp("us")),
                "amount": np.round(rng.gamma(2.0, 10.0, visits), 2),
                "kind": [("check", "repair", "sale")[i % 3] for i in range(visits)],
            }
        ),
    }


def changed(tables: Tables, name: str, **columns: Any) -> Tables:
    """The same with columns of one table replaced or added."""
    table = tables[name]
    for column, values in columns.items():
        values = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
        at = table.schema.get_field_index(column)
        table = table.append_column(column, values) if at < 0 else table.set_column(at, column, values)
    return {**tables, name: table}


def predict(source: Any, query: str, options: str = FAST) -> pql.Predictions:
    """The answer, held to what every answer promises."""
    with pql.connect(source) as db:
        result = db.predict(f"{query} {options}")
    table = result.to_arrow_table()
    assert len(table) > 0
    flagged = table.column("status").to_pylist() if "status" in table.column_names else ["ok"] * len(table)
    scored = pa.array([status == "ok" for status in flagged])
    for name in table.column_names[table.column_names.index("anchor") :]:
        column = table.column(name).filter(scored)
        assert column.null_count == 0, name
        if pa.types.is_floating(column.type):
            assert np.isfinite(np.array(column)).all(), name
    if "rank" not in table.column_names:
        keys = list(
            zip(
                *(table.column(n).to_pylist() for n in table.column_names[: table.column_names.index("anchor")]),
                strict=True,
            )
        )
        assert len(set(keys)) == len(keys)
    return result


def fault(source: Any, query: str, options: str = FAST) -> PqlError:
    """The coded error, held to what every error promises."""
    with pql.connect(source) as db, pytest.raises(PqlError) as caught:
        db.predict(f"{query} {options}")
    assert caught.value.code
    assert caught.value.hint or caught.value.fix
    assert "Traceback" not in str(caught.value)
    return caught.value


def ids(result: pql.Predictions) -> set[Any]:
    return {row[0] for row in result}


# ---------------------------------------------------------------- keys


def _uuids() -> list[uuid.UUID]:
    return [uuid.UUID(int=2**100 + i) for i in range(30)]


KEYS: dict[str, list[Any]] = {
    "beyond 2^53": [2**60 + i for i in range(30)],
    "negative": list(range(-15, 15)),
    "strings": [f"u'{i}\";--" for i in range(30)],
    "uuid texts": [str(one) for one in _uuids()],
    "unicode": [f"ü{i} 🙂" for i in range(30)],
    "long": [f"{'x' * 300}{i}" for i in range(30)],
    "an empty one": ["", *(f"u{i}" for i in range(29))],
}


@pytest.mark.parametrize("kind", KEYS)
def test_ids_of_every_kind_come_back_as_they_are(kind: str) -> None:
    result = predict(clinic(KEYS[kind]), COUNT)
    assert ids(result) == set(KEYS[kind])
    assert result.types[0] == str(pa.array(KEYS[kind]).type)


def test_uuid_columns_keep_their_type_and_can_be_asked_for() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE users AS SELECT md5(i::VARCHAR)::UUID AS user_id, i AS age FROM range(30) t(i)")
    con.execute(
        "CREATE TABLE visits AS SELECT i AS visit_id, md5((i % 30)::VARCHAR)::UUID AS user_id,"
        " TIMESTAMP '2023-01-01' + INTERVAL (i * 5) HOUR AS \"at\" FROM range(900) t(i)"
    )
    wanted = con.execute("SELECT user_id FROM users ORDER BY age LIMIT 1").fetchall()[0][0]
    everyone = predict(con, COUNT)
    assert len(everyone) == 30
    one = predict(con, f"PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id = '{wanted}'")
    assert str(next(iter(one))[0]) == str(wanted)


def test_neighbouring_big_ids_are_told_apart() -> None:
    keys = [2**62 + i for i in range(30)]
    query = f"PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN ({keys[3]}, {keys[4]}, {2**62 + 77})"
    result = predict(clinic(keys), query)
    assert {row[0]: row[-1] for row in result} == {keys[3]: "ok", keys[4]: "ok", 2**62 + 77: "unknown id"}


def test_a_key_that_stands_twice_gives_one_row() -> None:
    tables = clinic()
    users = tables["users"]
    result = predict({**tables, "users": pa.concat_tables([users, users.slice(0, 1)])}, COUNT)
    assert ids(result) == set(range(30))
    assert any("KEY users.user_id" in note for note in result.notes)
    with pql.connect({**tables, "users": pa.concat_tables([users, users.slice(0, 1)])}) as db:
        db.key("users.user_id")
        assert sorted(row[0] for row in db.predict(f"{COUNT} {FAST}")) == list(range(30))


def test_null_keys_are_nobody() -> None:
    tables = clinic()
    users = pa.table({"user_id": pa.array([*range(30), None, None]), "age": pa.array([40] * 32)})
    assert ids(predict({**tables, "users": users}, COUNT)) == set(range(30))


def test_dangling_links_lose_nobody_and_invent_nobody() -> None:
    tables = clinic(visits=900)
    who = tables["visits"].column("user_id").to_pylist()
    who[500:520] = [None] * 20
    who[520:525] = [999] * 5
    result = predict(changed(tables, "visits", user_id=who), COUNT)
    assert ids(result) == set(range(30))


def test_ids_may_be_integers_of_different_width() -> None:
    tables = clinic()
    narrow = tables["visits"].column("user_id").cast(pa.int16())
    assert ids(predict(changed(tables, "visits", user_id=narrow), COUNT)) == set(range(30))


def test_an_id_of_the_wrong_type_is_an_error() -> None:
    assert fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id = 'seven'").code == "type_mismatch"
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (991, 992)").code == "unknown_entity"
    )


def test_composite_keys() -> None:
    rng = np.random.default_rng(0)
    seats = [(venue, seat) for venue in range(5) for seat in range(6)]
    owner = [seats[i] for i in [*range(30), *rng.integers(0, 30, 870)]]
    tables = {
        "seats": pa.table(
            {"venue_id": [v for v, _ in seats], "seat_id": [s for _, s in seats], "row": ["a", "b"] * 15}
        ),
        "venues": pa.table({"venue_id": range(5), "size": [10, 20, 30, 40, 50]}),
        "sales": pa.table(
            {
                "sale_id": range(900),
                "venue_id": [v for v, _ in owner],
                "seat_id": [s for _, s in owner],
                "at": pa.array([START + dt.timedelta(hours=5 * i) for i in range(900)], pa.timestamp("us")),
            }
        ),
    }
    assert ids(predict(tables, "PREDICT COUNT(sales.*, 0, 20, days) FOR EACH venues.venue_id")) == set(range(5))
    con = duckdb.connect()
    for name, table in tables.items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {name}_ AS SELECT * FROM given")
    con.execute("CREATE TABLE venue (venue_id BIGINT PRIMARY KEY, size BIGINT)")
    con.execute("CREATE TABLE seat (venue_id BIGINT, seat_id BIGINT, row VARCHAR, PRIMARY KEY (venue_id, seat_id))")
    con.execute(
        'CREATE TABLE sale (sale_id BIGINT PRIMARY KEY, venue_id BIGINT, seat_id BIGINT, "at" TIMESTAMP,'
        " FOREIGN KEY (venue_id, seat_id) REFERENCES seat (venue_id, seat_id))"
    )
    for name in ("venue", "seat", "sale"):
        con.execute(f"INSERT INTO {name} SELECT * FROM {name}s_")
        con.execute(f"DROP TABLE {name}s_")
    result = predict(con, "PREDICT COUNT(sale.*, 0, 20, days) FOR EACH seat")
    assert result.columns[:3] == ["venue_id", "seat_id", "anchor"]
    assert {row[:2] for row in result} == set(seats)


# ---------------------------------------------------------------- tables and links


def test_tables_with_names_that_are_words_or_hold_quotes() -> None:
    tables = clinic()
    renamed = {"type": tables["users"].rename_columns(["select", "where"]), 'a"b': tables["visits"]}
    with_key = {**renamed, 'a"b': tables["visits"].rename_columns(["from", "select", "date", "rank", "week"])}
    with pql.connect(with_key) as db:
        db.key("type.select")
        db.link('"a""b".select', "type.select")
        result = db.predict(f'PREDICT SUM("a""b".rank, 0, 20, days) FOR EACH type.select {FAST}')
        assert result.columns == ["select", "anchor", "prediction"]
        assert len(result) == 30


def test_a_table_without_a_key_can_be_counted() -> None:
    tables = clinic()
    assert ids(predict({**tables, "visits": tables["visits"].drop_columns(["visit_id"])}, COUNT)) == set(range(30))


def test_an_entity_without_a_table_is_a_virtual_one() -> None:
    result = predict({"visits": clinic()["visits"]}, "PREDICT COUNT(visits.*, 0, 20, days) FOR EACH user")
    assert ids(result) == set(range(30))


def test_self_links() -> None:
    tables = changed(clinic(), "users", referred_by=pa.array([None, *range(29)], pa.int64()))
    with pql.connect(tables) as db:
        db.link("users.referred_by", "users.user_id")
        assert ids(db.predict(f"{COUNT} {FAST}")) == set(range(30))


def test_two_links_to_one_parent_are_ambiguous_until_one_is_left_out() -> None:
    rng = np.random.default_rng(0)
    tables = {
        "teams": pa.table({"team_id": range(12), "city": ["a", "b"] * 6}),
        "games": pa.table(
            {
                "game_id": range(600),
                "home_team_id": rng.integers(0, 12, 600),
                "away_team_id": rng.integers(0, 12, 600),
                "at": pa.array([START + dt.timedelta(hours=8 * i) for i in range(600)], pa.timestamp("us")),
            }
        ),
    }
    query = f"PREDICT COUNT(games.*, 0, 20, days) FOR EACH teams.team_id {FAST}"
    with pql.connect(tables) as db:
        with pytest.raises(PqlError) as error:
            db.predict(query)
        assert error.value.code == "ambiguous_join"
        assert "home_team_id" in str(error.value)
        assert "away_team_id" in str(error.value)
        assert ids(db.predict(error.value.fix)) == set(range(12))
        db.unlink("games.away_team_id", "teams.team_id")
        result = db.predict(query)
    assert ids(result) == set(range(12))


def test_an_empty_table_beside_the_others_is_left_out() -> None:
    tables = clinic()
    empty = pa.table(
        {
            "note_id": pa.array([], pa.int64()),
            "user_id": pa.array([], pa.int64()),
            "at": pa.array([], pa.timestamp("us")),
        }
    )
    assert ids(predict({**tables, "notes": empty}, COUNT)) == set(range(30))
    assert (
        fault({**tables, "notes": empty}, "PREDICT COUNT(notes.*, 0, 20, days) FOR EACH users.user_id").code
        == "no_data"
    )
    gone = {**tables, "users": tables["users"].slice(0, 0)}
    error = fault(gone, "PREDICT users.age FOR EACH users.user_id")
    assert error.code in ("no_data", "no_labels", "no_entities")


def test_nothing_at_all() -> None:
    with pytest.raises(PqlError) as error, pql.connect({}) as db:
        db.predict(COUNT)
    assert error.value.code == "empty_source"


# ---------------------------------------------------------------- values


def test_columns_of_nulls_infinities_and_constants() -> None:
    tables = clinic()
    amount = tables["visits"].column("amount").to_pylist()
    amount[100:110], amount[110:120], amount[120:130], amount[130:140] = (
        [np.inf] * 10,
        [-np.inf] * 10,
        [np.nan] * 10,
        [None] * 10,
    )
    tables = changed(
        tables, "visits", amount=amount, nothing=pa.nulls(900, pa.float64()), same=[1] * 900, void=pa.nulls(900)
    )
    tables = changed(tables, "users", nothing=pa.nulls(30, pa.string()), huge=[1e308] * 29 + [-1e308])
    for target in (
        "SUM(visits.amount, 0, 20, days)",
        "MAX(visits.amount, 0, 20, days)",
        "AVG(visits.amount, 0, 20, days)",
    ):
        assert ids(predict(tables, f"PREDICT {target} FOR EACH users.user_id")) == set(range(30))


def test_a_target_of_nulls_only_has_no_labels() -> None:
    tables = changed(clinic(), "visits", nothing=pa.nulls(900, pa.float64()))
    assert fault(tables, "PREDICT AVG(visits.nothing, 0, 20, days) FOR EACH users.user_id").code == "no_labels"


def test_decimals_are_numbers() -> None:
    amount = [decimal.Decimal(i % 50) / 4 for i in range(900)]
    tables = changed(clinic(), "visits", amount=pa.array(amount, pa.decimal128(18, 4)))
    assert ids(predict(tables, SPEND)) == set(range(30))


def test_enums_are_categories() -> None:
    con = duckdb.connect()
    for name, table in clinic().items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    con.execute("CREATE TYPE kinds AS ENUM ('check', 'repair', 'sale')")
    con.execute("ALTER TABLE visits ALTER kind TYPE kinds")
    assert (
        len(predict(con, "PREDICT COUNT(visits.* WHERE visits.kind = 'sale', 0, 20, days) > 1 FOR EACH users.user_id"))
        == 30
    )
    result = predict(con, "PREDICT LAST(visits.kind, 0, 20, days) FOR EACH users.user_id")
    assert {row[2] for row in result} <= {"check", "repair", "sale"}


def test_columns_of_types_nobody_reads_do_no_harm() -> None:
    tables = changed(
        clinic(),
        "visits",
        tags=[["a", "b"]] * 900,
        raw=[b"\x00\xff"] * 900,
        place=[{"x": 1.0}] * 900,
        clock=pa.array([dt.time(12, 30)] * 900),
        took=pa.array([dt.timedelta(seconds=5)] * 900),
        done=[True, False] * 450,
        small=pa.array([1.5] * 900, pa.float32()),
        word=pa.array(["a", "b", "c"] * 300).dictionary_encode(),
    )
    assert ids(predict(tables, COUNT)) == set(range(30))


# ---------------------------------------------------------------- time


def test_rows_without_a_time_are_in_no_window() -> None:
    tables = clinic()
    when = tables["visits"].column("at").to_pylist()
    when[400:450] = [None] * 50
    assert ids(predict(changed(tables, "visits", at=pa.array(when, pa.timestamp("us"))), COUNT)) == set(range(30))


def test_a_clock_of_nulls_only_has_no_history() -> None:
    tables = changed(clinic(), "visits", at=pa.nulls(900, pa.timestamp("us")))
    assert fault(tables, COUNT).code in ("no_data", "missing_time_column")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit_and_zone_mean_the_same_moments(unit: str) -> None:
    tables = clinic()
    plain = predict(tables, COUNT)
    at = tables["visits"].column("at")
    seconds = at.cast(pa.int64()).to_pylist()
    zoned = pa.array([s // 10**6 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit] for s in seconds], pa.int64())
    zoned = zoned.cast(pa.timestamp(unit, "Europe/Berlin"))
    assert predict(changed(tables, "visits", at=zoned), COUNT).fetchall() == plain.fetchall()


def test_dates_are_clocks() -> None:
    tables = clinic()
    at = tables["visits"].column("at").cast(pa.timestamp("s"), safe=False).cast(pa.date32(), safe=False)
    assert ids(predict(changed(tables, "visits", at=at), COUNT)) == set(range(30))


def test_endless_times_are_no_moments() -> None:
    con = duckdb.connect()
    for name, table in clinic().items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    con.execute(
        "UPDATE visits SET \"at\" = 'infinity' WHERE visit_id IN (1, 2);"
        "UPDATE visits SET \"at\" = '-infinity' WHERE visit_id = 3"
    )
    result = predict(con, COUNT)
    assert ids(result) == set(range(30))
    assert {row[1].year for row in result} == {2023}


def test_a_window_that_the_data_cannot_fill() -> None:
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 300, days) FOR EACH users.user_id").code == "insufficient_history"
    )


def test_a_moment_before_all_data() -> None:
    assert fault(clinic(), f"{COUNT} AS OF 2001-01-01").code in ("no_data", "insufficient_history", "empty_source")


def test_a_moment_that_the_data_does_not_reach_is_warned_of() -> None:
    late = predict(clinic(), f"{COUNT} AS OF 2024-07-20")
    assert any("366 days before the anchor" in note for note in late.notes)
    assert not any("before the anchor" in note for note in predict(clinic(), COUNT).notes)


# ---------------------------------------------------------------- labels and entities


def test_one_class_only() -> None:
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) > 10000 FOR EACH users.user_id").code
        == "no_positive_labels"
    )
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) >= 0 FOR EACH users.user_id").code == "no_negative_labels"
    )


def test_one_value_only_is_what_is_predicted() -> None:
    tables = changed(clinic(), "visits", amount=[0.0] * 900)
    assert {row[2] for row in predict(tables, SPEND)} == {0.0}


def test_an_entity_without_history_is_flagged_when_asked_for_and_scored_without_the_guard() -> None:
    tables = clinic()
    tables = {**tables, "users": pa.table({"user_id": range(35), "age": range(35)})}
    assert ids(predict(tables, COUNT)) == set(range(30))
    asked = predict(tables, "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (1, 33, 77)")
    assert {row[0]: row[-1] for row in asked} == {1: "ok", 33: "not eligible", 77: "unknown id"}
    nobody = predict(tables, "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id = 33")
    assert [(row[0], row[2], row[3]) for row in nobody] == [(33, None, "not eligible")]
    unguarded = predict(tables, COUNT, FAST.replace("refit = off", "first_seen = off"))
    assert ids(unguarded) == set(range(35))


def test_the_same_id_asked_for_twice_gives_one_row() -> None:
    result = predict(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (3, 3, 4)")
    assert sorted(row[0] for row in result) == [3, 4]


def test_nobody_passes_the_filter() -> None:
    assert fault(clinic(), f"{COUNT} WHERE users.age > 200").code in ("no_labels", "no_entities")


def test_very_little_data_is_answered_by_a_baseline_that_says_so() -> None:
    result = predict(clinic([1, 2], visits=40), COUNT)
    assert len(result) == 2
    assert any("baseline" in note for note in result.notes)


def test_more_items_asked_for_than_there_are() -> None:
    tables = clinic()
    tables["things"] = pa.table({"thing_id": range(4), "label": ["w", "x", "y", "z"]})
    tables = changed(tables, "visits", thing_id=[i % 4 for i in range(900)])
    result = predict(tables, "PREDICT LIST_DISTINCT(visits.thing_id, 0, 20, days) RANK TOP 50 FOR EACH users.user_id")
    assert ids(result) == set(range(30))
    assert max(row[-1] for row in result) == 4


STATIC = [
    ("users.plan", "FOR EACH users.user_id", 30),
    ("users.plan", "FOR users.user_id = 3", 1),
    ("users.tier", "FOR EACH users.user_id", 10),  # those without a value
    ("users.flag", "FOR EACH users.user_id", 30),
    ("users.age > 40", "FOR EACH users.user_id", 30),
    ("users.age", "FOR EACH users.user_id", 30),
    ("visits.kind", "FOR visits.visit_id IN (1, 880)", 2),
]


@pytest.mark.parametrize(("target", "entity", "rows"), STATIC)
def test_columns_of_the_entity(target: str, entity: str, rows: int) -> None:
    tables = changed(clinic(), "users", tier=["a", "b", None] * 10, flag=[True, False, None] * 10, plan=["p", "q"] * 15)
    assert len(predict(tables, f"PREDICT {target} {entity}")) == rows


def test_rows_too_early_to_be_scored_are_counted() -> None:
    result = predict(clinic(), "PREDICT visits.amount FOR EACH visits.visit_id")
    left_out = next(note for note in result.notes if "left out" in note)
    assert left_out.startswith(f"{900 - len(result)} rows")


# ---------------------------------------------------------------- names

NAMES = [
    ("PREDICT COUNT(visit_log.*, 0, 20, days) FOR EACH users.user_id", "unknown_table"),
    ("PREDICT SUM(visits.amout, 0, 20, days) FOR EACH users.user_id", "unknown_column"),
    ("PREDICT SUM(visits.user_id, 0, 20, days) FOR EACH users.nobody", "unknown_column"),
    ("PREDICT COUNT(visits.*, 0, 20, days) FOR EACH users.age", "entity_not_key"),
    ("PREDICT SUM(user_id, 0, 20, days) FOR EACH users.user_id", "ambiguous_column"),
    ("PREDICT SUM(visits.kind, 0, 20, days) FOR EACH users.user_id", "type_mismatch"),
    ("PREDICT COUNT(visits.*, 20, 0, days) FOR EACH users.user_id", "window_inverted"),
    ("PREDICT COUNT(users.*, 0, 20, days) FOR EACH users.user_id", "no_join_path"),
    ("PREDICT", "missing_target"),
    ("DEFINE TARGET churn AS COUNT(visits.*, 0, 20, days) = 0", "not_a_prediction"),
]


@pytest.mark.parametrize(("query", "code"), NAMES)
def test_names_and_types_that_do_not_fit(query: str, code: str) -> None:
    assert fault(clinic(), query, "").code == code


MODELS = [
    ("SUM(visits.amount, 0, 20, days)", ("rate", "instant", "rfm", "two_tower", "popularity")),
    ("COUNT(visits.*, 0, 20, days) = 0", ("repeat", "als", "interval")),
    ("LAST(visits.kind, 0, 20, days)", ("entity_mean", "last_window", "rate")),
    ("LIST_DISTINCT(visits.kind, 0, 20, days) CLASSIFY", ("rules", "entity_mean")),
    ("LIST_DISTINCT(visits.kind, 0, 20, days) RANK TOP 2", ("entity_mean", "instant", "als")),
    ("users.age", ("entity_mean", "last_window")),
]


@pytest.mark.parametrize(("target", "models"), MODELS)
def test_a_model_that_cannot_answer_is_refused_before_anything_is_read(target: str, models: tuple[str, ...]) -> None:
    with pql.connect(clinic()) as db:
        for model in models:
            query = f"PREDICT {target} FOR EACH users.user_id"
            with pytest.raises(PqlError) as error:
                db.explain(f"{query} WITH (model = {model})")
            assert error.value.code == "not_supported"
            assert f"The model {model}" in str(error.value)
            assert error.value.fix == f"{query} WITH (model = auto)"
            assert str(db.explain(error.value.fix))


# ---------------------------------------------------------------- sources


def _filled(con: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table], schema: str = "main") -> None:
    for name, table in tables.items():
        con.register("given", table)
        con.execute(f'CREATE TABLE {schema}."{name}" AS SELECT * FROM given')
        con.unregister("given")


def _pandas() -> Any:
    return {name: table.to_pandas() for name, table in clinic().items()}


def _polars() -> Any:
    import polars

    return {name: polars.from_arrow(table) for name, table in clinic().items()}


def _views() -> Any:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA raw")
    _filled(con, clinic(), "raw")
    con.execute("CREATE VIEW users AS SELECT * FROM raw.users; CREATE VIEW visits AS SELECT * FROM raw.visits")
    return con


def _declared() -> Any:
    path = Path("declared.duckdb")
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE users (user_id BIGINT PRIMARY KEY, age BIGINT)")
        con.execute(
            "CREATE TABLE visits (visit_id BIGINT PRIMARY KEY, user_id BIGINT REFERENCES users (user_id),"
            ' "at" TIMESTAMP NOT NULL, amount DOUBLE, kind VARCHAR)'
        )
        for name, table in clinic().items():
            con.register("given", table)
            con.execute(f"INSERT INTO {name} SELECT * FROM given")
    return path


def _parquet() -> Any:
    import pyarrow.parquet as pq

    folder = Path("folder")
    folder.mkdir()
    for name, table in clinic().items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def _csv() -> Any:
    import pyarrow.csv as csv

    folder = Path("texts")
    folder.mkdir()
    for name, table in clinic().items():
        csv.write_csv(table, folder / f"{name}.csv")
    return str(folder)


SOURCES: list[Callable[[], Any]] = [_pandas, _polars, _views, _declared, _parquet, _csv]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Any, ...]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        yield predict(clinic(), SPEND).fetchall()


@pytest.mark.parametrize("make", SOURCES, ids=lambda make: make.__name__.strip("_"))
def test_the_same_data_from_anywhere_gives_the_same_answer(make: Callable[[], Any], expected: list[Any]) -> None:
    source = make()
    assert predict(source, SPEND).fetchall() == expected


def test_other_schemas_are_read() -> None:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA shop")
    _filled(con, clinic(), "shop")
    assert len(predict(con, COUNT)) == 30


def test_a_users_transaction_goes_on() -> None:
    con = duckdb.connect()
    _filled(con, clinic())
    con.begin()
    con.execute("INSERT INTO users VALUES (500, 33)")
    assert len(predict(con, COUNT)) == 30
    con.rollback()
    assert con.execute("SELECT count(*) FROM users").fetchall() == [(30,)]


def test_sources_that_are_not_there_or_not_databases() -> None:
    Path("broken.duckdb").write_bytes(b"not a database at all" * 50)
    Path("empty").mkdir()
    for source, code in (
        ("nowhere.duckdb", "source_not_found"),
        ("broken.duckdb", "source_unreadable"),
        ("empty", "empty_source"),
        (7, "unsupported_source"),
    ):
        with pytest.raises(PqlError) as error, pql.connect(source) as db:
            db.predict(COUNT)
        assert error.value.code == code
