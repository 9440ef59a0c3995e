"""Keys and links as they come: of every type, missing, twice, dangling, composite; ids come back as they are."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from clinic import COUNT, FAST, START, changed, clinic, fault, ids, predict

import pql
from pql.backends.connect import open_backend
from pql.backends.logical import logical_type
from pql.language.catalog import LogicalType
from pql.language.errors import PqlError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


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
    assert result.to_arrow_table().schema.types[0] == pa.array(KEYS[kind]).type


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


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("DECIMAL(38, 0)", "BIGINT"),
        ("INTEGER", "DECIMAL(38, 0)"),
        ("DECIMAL(12, 2)", "DECIMAL(10, 0)"),
        ("HUGEINT", "UBIGINT"),
        ("DOUBLE", "INTEGER"),
    ],
)
def test_whole_numbers_of_any_type_are_ids(parent: str, child: str) -> None:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE shops AS SELECT i::{parent} AS shop_id, i % 3 AS size FROM range(40) AS t(i)")
        con.execute(
            f"CREATE TABLE sales AS SELECT i::{child} AS sale_id, (i * 7 % 40)::{child} AS shop_id, "
            "TIMESTAMP '2023-01-01' + INTERVAL (i) HOUR AS sold_at FROM range(900) AS t(i)"
        )
        with pql.connect(con) as db:
            assert "sales.shop_id -> shops.shop_id" in str(db.graph())
            query = "PREDICT COUNT(sales.*, 0, 5, days) FOR shops.shop_id IN (3, 4) WITH (model = entity_mean)"
            assert ids(db.predict(query)) == {3, 4}


def test_parts_of_numbers_are_no_ids_and_numbers_beyond_64_bits_stay_what_they_are() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE odd AS SELECT (i + 0.5)::DECIMAL(12, 2) AS odd_id FROM range(40) AS t(i)")
        con.execute("CREATE TABLE big AS SELECT i::HUGEINT * 10000000000000000000 AS big_id FROM range(40) AS t(i)")
        with open_backend(con).snapshot() as snapshot:
            types = {t.name: logical_type(t.columns[0][1], t.columns[0][0]) for t in snapshot.tables()}
    assert types == {"odd": LogicalType.FLOAT, "big": LogicalType.STRING}


def test_an_id_of_the_wrong_type_is_an_error() -> None:
    assert fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id = 'seven'").code == "type_mismatch"
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (991, 992)").code == "unknown_entity"
    )


def test_an_id_with_a_fraction_is_not_cut_to_a_whole_one() -> None:
    query = "PREDICT COUNT(visits.*, 0, 20, days) FOR users.user_id IN (1.5, 2)"
    assert fault(clinic(), query).code == "unknown_entity"


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
