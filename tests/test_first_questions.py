"""A newcomer with a folder of CSV files: what is asked first, what spreadsheets write, what is seldom meant."""

from __future__ import annotations

import csv
import datetime as dt
import shlex
from pathlib import Path

import pytest

import pql
from pql.faces.cli import main
from pql.language.errors import PqlError

LEAVING = "PREDICT COUNT(visits.*, 0, 30, days) = 0 FOR EACH members.member_id"
INSTANT = "WITH (model = instant)"


def _file(path: Path, header: str, rows: list[tuple[object, ...]], separator: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, delimiter=separator)
        out.writerow(header.split(","))
        out.writerows(rows)


@pytest.fixture
def gym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hundred members, of whom every other one stops coming half way; a visit costs 1.234,50 in every tenth row."""
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "my gym"
    folder.mkdir()
    first = dt.date(2024, 1, 1)
    visits = [
        (member, first + dt.timedelta(days=day + member % 7), "1.234,50" if member % 10 == 0 else "9,5")
        for member in range(100)
        for day in range(0, 400 if member % 2 else 200, 9 + member % 5)
    ]
    _file(folder / "members.csv", "member_id,plan", [(m, "ab"[m % 2]) for m in range(100)], ";")
    _file(folder / "visits.csv", "visit_id,member_id,day,fee", [(i, *v) for i, v in enumerate(visits)], ";")
    return folder


def test_the_graph_is_followed_by_questions_that_run_as_they_stand(
    gym: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["graph", str(gym)])
    shown = capsys.readouterr()
    assert "to ask" not in shown.out
    commands = [shlex.split(line) for line in shown.err.splitlines() if line.startswith("  pql ")]
    assert [command[3].split("(")[0] for command in commands] == ["PREDICT COUNT", "PREDICT SUM"]
    with pytest.raises(SystemExit) as done:
        main([*commands[1][1:3], f"{commands[1][3]} {INSTANT}", "-q"])
    assert done.value.code == 0
    assert "quality: " in capsys.readouterr().out


def test_what_has_amounts_is_asked_about_before_what_is_busier(gym: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mailed = [(i, i % 100, dt.date(2024, 1, 1) + dt.timedelta(days=i % 400)) for i in range(6000)]
    _file(gym / "mailings.csv", "mailing_id,member_id,sent", mailed, ";")
    with pytest.raises(SystemExit):
        main(["graph", str(gym)])
    asked = capsys.readouterr().err
    assert LEAVING in asked
    assert "COUNT(mailings" not in asked


def test_a_quiet_graph_asks_nothing(gym: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["graph", str(gym), "-q"])
    assert capsys.readouterr().err == ""


def test_numbers_with_decimal_commas_are_numbers(gym: Path) -> None:
    with pql.connect(gym) as db:
        assert db.sql("SELECT max(fee) AS most, min(fee) AS least FROM visits").fetchall() == [(1234.5, 9.5)]


def test_lists_between_commas_stay_text(tmp_path: Path) -> None:
    _file(tmp_path / "carts.csv", "cart_id,items", [(1, "1,2"), (2, "3,4")])
    with pql.connect(tmp_path) as db:
        assert db.sql("SELECT items FROM carts ORDER BY cart_id").fetchall() == [("1,2",), ("3,4",)]


def test_text_among_numbers_stays_text(tmp_path: Path) -> None:
    _file(tmp_path / "sizes.csv", "size_id,size", [(1, "1,5"), (2, "large")], ";")
    with pql.connect(tmp_path) as db:
        assert db.sql("SELECT size FROM sizes ORDER BY size_id").fetchall() == [("1,5",), ("large",)]


def test_those_who_left_long_ago_are_counted_with_the_where_that_leaves_them_out(gym: Path) -> None:
    with pql.connect(gym) as db:
        notes = " ".join(db.predict(f"{LEAVING} {INSTANT}").notes)
        assert "50 of the 100 had none in the 30 days before the anchor either" in notes
        where = "WHERE COUNT(visits.*, -60, 0, days) > 0"
        assert f"{where} leaves out" in notes
        assert "long ago" not in " ".join(db.predict(f"{LEAVING} {where} {INSTANT}").notes)


def test_a_where_that_names_entities_is_told_what_for_does(gym: Path) -> None:
    with pql.connect(gym) as db:
        with pytest.raises(PqlError) as error:
            db.predict(f"{LEAVING} WHERE members.member_id = 1 {INSTANT}")
        assert error.value.hint == "FOR members.member_id IN (…) in its place learns from all and answers for these."
        plan = str(db.explain(f"{LEAVING} WHERE members.member_id IN (1, 2)"))
        assert "only these are learnt from" in " ".join(plan.split())
        assert "only these" not in str(db.explain(f"{LEAVING} WHERE members.plan = 'a'"))
        some = db.predict(f"{LEAVING.replace('EACH ', '')} IN (1, 2) {INSTANT}")
        assert sorted(row[0] for row in some) == [1, 2]
        assert not [note for note in some.notes if "only these" in note or "long ago" in note]
