"""Completion: the words that the grammar accepts, and names by the role of their place."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from prompts import tiny

import pql
from pql.faces.complete import suggestions
from pql.faces.known import Known, Names, names_of
from pql.language.parser import parse

Q = "PREDICT COUNT(orders.*, 0, 7, days) FOR EACH users.user_id"


@pytest.fixture(scope="module")
def names() -> Names:
    with pql.connect(tiny()) as session:
        return names_of(session.catalog(), ["churn", "my model"])


@pytest.fixture(scope="module")
def after(names: Names) -> Callable[[str], list[str]]:
    values = lambda table, column: ("Bern", "Züri ch's") if column.name == "city" else ()  # noqa: E731
    return lambda text: [one.text for one in suggestions(text, names, values)]


FIRST = [  # what is offered first of all
    ("PREDICT COUNT(", "orders."),
    ("PREDICT COUNT(orders.", "*"),
    ("PREDICT SUM(orders.", "amount"),
    ("PREDICT COUNT(orders.*, 0, 7, ", "days"),
    ("PREDICT COUNT(orders.* WHERE orders.st", "status"),
    ("PREDICT COUNT(orders.*, 0, 7, days) ", "FOR EACH"),
    ("PREDICT COUNT(orders.*, 0, 7, days) FOR EACH ", "users.user_id"),
    ("PREDICT COUNT(orders.*, 0, 7, days) FOR EACH users.", "user_id"),
    (f"{Q} WHERE users.city = ", "'Bern'"),
    (f"{Q} WHERE users.city = 'Zü", "'Züri ch''s'"),
    (f"{Q} WHERE users.city IN ('Bern', '", "'Bern'"),
    (f"{Q} WHERE city = ", "'Bern'"),
    (f"{Q} WITH (", "model = "),
    (f"{Q} WITH (model = ", "auto"),
    (f"{Q} WITH (model = ran", ""),
    (f"{Q} USING MODEL ", "churn"),
    ("DROP MODEL m", "`my model`"),
    ("DESCRIBE ", "users"),
    ("SHOW MOD", "MODELS"),
    ("predict count(orders.*, 0, 7, days) fo", "for each"),
    ("SELECT * FROM ", "users"),
    ("SELECT o. FROM", ""),
    ("SELECT * FROM orders o JOIN users u ON o.user_id = u.", "user_id"),
    (f"SELECT * FROM ({Q} WHERE users.", "user_id"),
    (".mo", ".models"),
    (".mode j", "json"),
    (".schema us", "users"),
    (".model ch", "churn"),
    ("SELECT 1;\n.hel", ".help"),
]


@pytest.mark.parametrize(("text", "first"), FIRST)
def test_what_fits_best_comes_first(after: Callable[[str], list[str]], text: str, first: str) -> None:
    assert (after(text) or [""])[0] == first


NEVER = [
    ("PREDICT COUNT(", "users."),  # it has no clock
    ("PREDICT SUM(orders.", "*"),
    ("PREDICT SUM(orders.", "status"),
    ("PREDICT COUNT(orders.*, 0, 7, days) FOR EACH ", "users.name"),
    (f"{Q} WITH (model = auto, ", "model = "),
    ("SHOW ", "RANK"),
    (f"{Q} ", "BARE_TOP"),
]


@pytest.mark.parametrize(("text", "never"), NEVER)
def test_what_cant_stand_there_is_not_offered(after: Callable[[str], list[str]], text: str, never: str) -> None:
    assert after(text)
    assert never not in after(text)


@pytest.mark.parametrize("text", ["-- FOR ", "PREDICT 12", "SELECT 'x", "/* PRE", "PREDICT ) FOR ", "\0", "'" * 999])
def test_in_comments_numbers_and_broken_text_there_is_nothing(after: Callable[[str], list[str]], text: str) -> None:
    assert after(text) == []


def test_names_are_offered_in_the_quotes_they_need() -> None:
    tables = {
        "for": pa.table({"key": range(9), "in": ["a", "b", "c"] * 3, "full name": ["x"] * 9}),
        "order-items": pa.table({"id": range(9), "key": range(9), "sold at": pa.array([0] * 9, pa.timestamp("us"))}),
    }
    with pql.connect(tables) as session:
        odd = names_of(session.catalog())

    def first(text: str) -> str:
        return suggestions(text, odd)[0].text

    assert first("PREDICT COUNT(") == "`order-items`."
    assert first("PREDICT COUNT(ord") == "`order-items`."
    assert first("PREDICT COUNT(`order-items`.*, 0, 7, days) FOR EACH ") == "`for`.key"
    assert first("PREDICT COUNT(`order-items`.* WHERE `order-items`.so") == "`sold at`"
    assert first("PREDICT COUNT(`order-items`.*, 0, 7, days) FOR EACH `for`.key WHERE ful") == "`for`.`full name`"
    assert first("SELECT * FROM ord") == '"order-items"'
    assert suggestions('SELECT * FROM "for" WHERE fu', odd)[0].text == '"full name"'


def test_files_after_read(after: Callable[[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "week.sql").write_text("")
    (tmp_path / "world").mkdir()
    (tmp_path / ".hidden").write_text("")
    monkeypatch.chdir(tmp_path)
    assert after(".read ") == ["week.sql", "world/"]
    assert after(f".read {tmp_path}/wo") == [f"{tmp_path}/world/"]
    assert after(".read nowhere/") == []


def test_a_value_that_is_offered_can_be_read(after: Callable[[str], list[str]]) -> None:
    for value in after(f"{Q} WHERE users.city = ")[:2]:
        assert parse(f"{Q} WHERE users.city = {value}")


def test_completion_takes_less_than_ten_milliseconds(after: Callable[[str], list[str]]) -> None:
    text = f"{Q} WHERE COUNT(orders.* WHERE orders.status = 'paid', -90, 0, days) > 3 AND users.city IN ('Bern') AND "
    after(text)
    times = []
    for _ in range(10):
        start = time.thread_time()
        after(text)
        times.append(time.thread_time() - start)
    assert min(times) < 0.010


def test_names_are_read_in_the_background_and_values_when_first_asked_for() -> None:
    with pql.connect(tiny()) as session:
        known = Known(lambda: session)
        told: list[int] = []  # so that the menu is drawn anew, without another key
        known.learnt = lambda: told.append(1)
        assert known.names == Names()
        known.begin()
        assert _waited(lambda: known.names.tables)
        assert _waited(lambda: tuple(told)) == (1,)
        users = known.names.table("user")
        assert users is not None
        assert known.values(users, users.column("name")) == ()  # as many as there are users, so asked for
        assert known.values(users, users.column("city")) == ()
        assert _waited(lambda: known.values(users, users.column("city"))) == ("Bern", "Genf", "Züri ch's")
        assert _waited(lambda: tuple(told[2:])) == (1,)
        assert known.values(users, users.column("user_id")) == ()


def test_what_cant_be_read_is_simply_not_known() -> None:
    session = pql.connect(tiny())
    session.close()
    known = Known(lambda: session)
    known.begin()
    time.sleep(0.05)
    assert known.names == Names()


def _waited(found: Callable[[], tuple[object, ...]]) -> tuple[object, ...]:
    end = time.monotonic() + 20
    while not (value := found()) and time.monotonic() < end:
        time.sleep(0.01)
    return value


def test_via_offers_the_links_that_need_a_choice_and_after_a_dot_foreign_keys_alone() -> None:
    at = pa.array([1, 2], pa.timestamp("us"))
    played = {"id": [1, 2], "home": ["a", "b"], "away": ["b", "a"], "cup": ["x", "x"], "goals": [1, 2], "at": at}
    tables = {"teams": pa.table({"team": ["a", "b"]}), "matches": pa.table(played), "cups": pa.table({"cup": ["x"]})}
    with pql.connect(tables) as session:
        for column, key in (("home", "teams.team"), ("away", "teams.team"), ("cup", "cups.cup")):
            if f"matches.{column}" not in " ".join(map(str, session.catalog().links)):
                session.link(f"matches.{column}", key)
        names = names_of(session.catalog())
    query = "PREDICT COUNT(matches.*, 0, 7, days) FOR EACH teams.team VIA "
    offered = [one.text for one in suggestions(query, names)]
    assert {"matches.home", "matches.away", "teams", "matches"} <= set(offered)
    assert set(offered[:2]) == {"matches.home", "matches.away"}
    assert "matches.cup" not in offered
    assert {one.text for one in suggestions(query + "matches.", names)} == {"home", "away", "cup"}
