"""Whether a nearly unique text (a phone number, a note) is missing tells something, though its words don't."""

from __future__ import annotations

import duckdb
import pytest

import pql

SCHEMA = """
create table users as
  select i as id, timestamp '2023-01-01' + interval (i) hour as joined,
         case when hash(i) % 2 = 0 then 'call me at ' || hash(i * 31) end as note
  from range(300) t(i);
create table orders as
  select row_number() over () as id, u.id as user_id, timestamp '2023-02-01' + interval (k * 20 + u.id % 20) day as at
  from users u, range(15) r(k) where u.note is not null or hash(u.id, k) % 4 = 0;
"""
QUERY = "PREDICT EXISTS(orders.*, 0, 20, days) FOR EACH users.id AS OF 2023-10-01 WITH (model=boosted, cache='off')"
LATER = """
delete from orders where "at" > timestamp '2023-10-01';
insert into users select 1000 + i, timestamp '2023-11-01', null from range(200) t(i);
"""


@pytest.fixture
def path(tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        con.execute(SCHEMA)
    return str(tmp_path / "shop.duckdb")


def test_a_missing_text_is_a_feature_and_later_rows_change_nothing(path) -> None:
    with pql.connect(path) as db:
        first = db.predict(QUERY)
        assert "users.note is missing" in first.why(1).sentences[0]
        before = first.to_arrow_table()
    with duckdb.connect(path) as con:
        con.execute(LATER)
    with pql.connect(path) as db:
        assert db.predict(QUERY).to_arrow_table().equals(before)


def test_a_text_filled_in_later_is_not_read(path) -> None:
    with duckdb.connect(path) as con:
        con.execute("update users set note = case when hash(id) % 300 > id then 'left since ' || hash(id) end")
    with pql.connect(path) as db:
        assert "note" not in str(db.predict(QUERY).importance())
