"""The verbs about texts and the place, configuration, and what happens when another process holds the database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from shops import seed_shop
from test_cli import Ran

import pql
from pql.faces.settings import load
from pql.language.errors import PqlError

QUERY = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    for name, table in seed_shop(customers=30, purchases=400).items():
        pq.write_table(table, tmp_path / "shop" / f"{name}.parquet")
    return str(tmp_path / "shop")


def refused(text: str, folder: Path) -> str:
    (folder / "pql.toml").write_text(text)
    with pytest.raises(PqlError) as raised:
        load(folder=folder)
    assert raised.value.code == "bad_config"
    return f"{raised.value.message} {raised.value.hint}"


def test_check_says_whether_statements_would_run(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = f"DEFINE TARGET spent AS SUM(orders.amount, 0, 30); PREDICT spent FOR EACH customers.customer_id; {QUERY}"
    ran = Ran(capsys, "check", shop, script)
    assert (ran.code, ran.out.splitlines()[0]) == (0, "3 statements would run")
    assert "spent" not in Ran(capsys, shop, "-c", "SHOW TARGETS").out, "nothing is kept"
    ran = Ran(capsys, "check", shop, "--json", f"{QUERY};\n{QUERY.replace('amount', 'amout')}")
    (fault,) = json.loads(ran.out)["errors"]
    assert (ran.code, fault["code"], fault["span"]["line"], fault["span"]["column"]) == (1, "unknown_column", 2, 20)
    assert "amount" in fault["fix"].lower().splitlines()[1]
    found = json.loads(Ran(capsys, "check", shop, "--json", f"SELECT * FROM ({QUERY})").out)
    assert (found["ok"], found["errors"]) == (True, [])


def test_fmt_checks_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "q.pql"
    file.write_text(QUERY.lower())
    assert Ran(capsys, "fmt", "--check", str(file)).code == 1
    assert file.read_text() == QUERY.lower()
    assert Ran(capsys, "fmt", "--write", str(file)).code == 0
    assert file.read_text() == QUERY + ";\n"
    assert Ran(capsys, "fmt", "--check", str(file)).code == 0
    file.write_text("-- why\n" + QUERY.lower())
    ran = Ran(capsys, "fmt", "--write", str(file))
    assert (ran.code, "comments" in ran.err, file.read_text()[:6]) == (1, True, "-- why")


def test_fmt_goes_on_after_a_file_that_cannot_be_read_and_names_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.pql").write_text("PREDICT oops")
    (tmp_path / "long.pql").write_text(QUERY.lower() + ";\n")
    ran = Ran(capsys, "fmt", "--check", *(str(tmp_path / f"{name}.pql") for name in ("bad", "none", "long")))
    assert ran.code == 1
    assert f"{tmp_path}/bad.pql: missing_for" in ran.err
    assert "none.pql can't be read" in ran.err
    assert "long.pql would change" in ran.out


def test_check_as_json_is_json_whatever_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (("none.duckdb", QUERY), (str(tmp_path), "-f", str(tmp_path / "none.pql"))):
        ran = Ran(capsys, "check", *words, "--json")
        assert (ran.code, json.loads(ran.out)["ok"], ran.err) == (1, False, "")


def test_flags_go_over_the_environment_over_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    (tmp_path / "user" / "pql").mkdir(parents=True)
    (tmp_path / "user" / "pql" / "pql.toml").write_text('limit = 5\nformat = "csv"\nseed = 7\n')
    (tmp_path / "pql.toml").write_text('limit = 6\ndatabase = "data/shop"\n')
    monkeypatch.setenv("PQL_LIMIT", "7")
    found = load({"limit": "8"}, tmp_path)
    assert (found.limit, found.origin("limit")) == (8, "flag")
    found = load(None, tmp_path)
    assert (found.limit, found.origin("limit")) == (7, "PQL_LIMIT")
    monkeypatch.delenv("PQL_LIMIT")
    assert load(None, tmp_path).limit == 6
    assert found.format == "csv"
    assert found.database == str(tmp_path / "data/shop"), "relative to the file"
    assert found.options_of_with() == {"seed": 7}


def test_a_broken_file_names_line_and_key(tmp_path: Path) -> None:
    assert "line 2" in refused('quiet = true\nformt = "csv"\n', tmp_path)
    assert "format" in refused('quiet = true\nformt = "csv"\n', tmp_path)
    assert "line 3" in refused("quiet = true\n\nformat = csv\n", tmp_path)
    assert "limit is 0" in refused("limit = 0\n", tmp_path)
    assert "one of box" in refused('format = "xml"\n', tmp_path)
    assert "model is 'gnnn'" in refused('model = "gnnn"\n', tmp_path)
    assert "quiet is 'perhaps'" in refused('quiet = "perhaps"\n', tmp_path)


def test_files_as_editors_leave_them_are_read_or_told_of(tmp_path: Path) -> None:
    (tmp_path / "pql.toml").write_bytes(b"\xef\xbb\xbflimit = 5\r\n")
    assert load(folder=tmp_path).limit == 5
    assert "there is no section [pql]. Keys stand by themselves" in refused("[pql]\nlimit = 3\n", tmp_path)


def test_colours_are_forced_and_forbidden_as_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "PQL_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert load(folder=tmp_path).color == "auto"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert load(folder=tmp_path).color == "always"
    monkeypatch.setenv("NO_COLOR", "")
    assert load(folder=tmp_path).color == "always", "an empty NO_COLOR says nothing"
    monkeypatch.setenv("NO_COLOR", "1")
    assert load(folder=tmp_path).color == "never"
    monkeypatch.setenv("PQL_COLOR", "auto")
    assert load(folder=tmp_path).color == "auto"


def test_what_is_configured_is_heeded(shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "pql.toml").write_text('database = "shop"\nmodel = "entity_mean"\nformat = "csv"\nquiet = true\n')
    ran = Ran(capsys, "-c", QUERY)
    assert (ran.code, ran.err, ran.out.splitlines()[0]) == (0, "", '"CUSTOMER_ID","anchor","prediction"')
    assert "entity_mean" in Ran(capsys, "evaluate", "-c", QUERY, "--set", "format=box").out
    ran = Ran(capsys, "config", "--format", "json")
    assert {"key": "model", "value": "entity_mean", "from": f"{tmp_path}/pql.toml:2"}.items() <= next(
        row for row in json.loads(ran.out) if row["key"] == "model"
    ).items()
    assert Ran(capsys, "config", "--set", "modle=gnn").code == 1
    assert Ran(capsys, "config", "--set", "model").code == 2


def test_doctor_tells_of_variables_that_nothing_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PQL_LIMITT", "3")
    assert "did you mean PQL_LIMIT?" in Ran(capsys, "doctor").out


def test_doctor_finds_what_is_broken(shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ran = Ran(capsys, "doctor", shop)
    assert ran.code == 0
    for word in ("duckdb", "processors", "home", "CUSTOMERS", "links"):
        assert word.lower() in ran.out.lower(), word
    ran = Ran(capsys, "doctor", str(tmp_path / "none.duckdb"))
    assert (ran.code, "source_not_found" in ran.out) == (1, True)
    (tmp_path / "file").touch()
    assert Ran(capsys, "doctor", "--set", f"home={tmp_path}/file/x").code == 1


def test_version_run_and_models_cleared(shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert Ran(capsys, "--version").out.strip() == pql.__version__
    (tmp_path / "q.pql").write_text(f"SHOW TABLES; {QUERY} WITH (model = entity_mean)")
    ran = Ran(capsys, "run", shop, "q.pql", "-q")
    assert (ran.code, "prediction" in ran.out) == (0, True)
    assert "1 model without a name and 1 stored prediction removed" in Ran(capsys, "models", shop, "--clear").out


def test_a_locked_database_names_the_process(tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE t AS SELECT 1 AS a")
    hold = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(PqlError) as raised:
            pql.connect(str(path))
        other.communicate()
    assert raised.value.code == "source_locked"
    assert f"PID {other.pid}" in raised.value.message
    assert "read_only" in raised.value.hint


def test_a_fault_in_a_file_names_the_file(shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "q.pql"
    file.write_text(f"{QUERY} WITH (model = entity_mean);\n{QUERY.replace('amount', 'amout')}")
    for line in ([shop, "-f", str(file)], ["run", shop, str(file)], ["check", shop, "-f", str(file)]):
        ran = Ran(capsys, *line)
        assert ran.code == 1
        assert f"  {file}, line 2, column 20\n" in ran.err, line
    (fault,) = json.loads(Ran(capsys, "check", shop, "--json", "-f", str(file)).out)["errors"]
    assert (fault["file"], fault["span"]["line"]) == (str(file), 2)
    (fault,) = json.loads(Ran(capsys, "check", shop, "--json", "-c", "PREDICT").out)["errors"]
    assert fault["file"] is None
    file.write_text("PREDICT")
    assert f"  {file}, line 1" in Ran(capsys, "fmt", str(file)).err
