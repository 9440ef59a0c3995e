"""The command line: data on stdout, talk on stderr, exit codes 0 (done), 1 (query or data) and 2 (command line)."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import typer
from shops import seed_shop

from pql.faces.cli import app, main

SHOP = Path(__file__).resolve().parents[2] / "shared" / "data" / "shop"
QUERY = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id WITH (model = boosted, anchors = 3)"
BAD = "PREDICT SUM(orders.amout, 0, 30, days) FOR EACH customers.customer_id"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cli")
    path = folder / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, table in seed_shop(customers=40, purchases=800).items():
            con.register("given", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            con.unregister("given")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(folder / "home"))
        yield str(path)


class Ran:
    """What a run of the command left: exit code, stdout, stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *args: str) -> None:
        with pytest.raises(SystemExit) as done:
            main(list(args))
        self.code = done.value.code
        self.out, self.err = capsys.readouterr()


def test_a_prediction_as_a_box(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, shop, "-c", QUERY)
    assert ran.code == 0
    head = ran.out.splitlines()[0].split()
    assert head == ["CUSTOMER_ID", "NAME", "anchor", "prediction"]
    assert "Customer" in ran.out
    assert "rows in all" in ran.out
    assert "boosted" in ran.err  # progress by stage, never on stdout
    assert "boosted" not in ran.out.splitlines()[0]


def test_every_format_holds_the_same_rows(shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(Ran(capsys, shop, "-c", QUERY, "--format", "csv").out)))
    assert len(rows) > 30
    as_json = json.loads(Ran(capsys, shop, "-c", QUERY, "--format", "json").out)
    assert [str(row["CUSTOMER_ID"]) for row in as_json] == [row["CUSTOMER_ID"] for row in rows]
    lines = Ran(capsys, shop, "-c", QUERY, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == as_json
    markdown = Ran(capsys, shop, "-c", QUERY, "--format", "md").out.splitlines()
    assert markdown[0].startswith("| CUSTOMER_ID | anchor |")
    assert len(markdown) == len(rows) + 2
    path = tmp_path / "out.parquet"
    ran = Ran(capsys, shop, "-c", QUERY, "--format", "parquet", "-o", str(path))
    assert (ran.code, ran.out) == (0, "")
    assert pq.read_table(path).column("CUSTOMER_ID").to_pylist() == [row["CUSTOMER_ID"] for row in as_json]


def test_rows_alone_on_stdout_leave_how_good_they_are_to_stderr(
    shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inside = f"SELECT count(*) AS n FROM ({QUERY}) p"
    for query in (QUERY, inside):
        for more in (["--format", "csv"], ["-o", str(tmp_path / "out.parquet")]):
            ran = Ran(capsys, shop, "-c", query, *more)
            assert "quality: " in ran.err
            assert "quality" not in ran.out
    assert Ran(capsys, shop, "-c", QUERY, "--format", "csv", "-q").err == ""


def test_parquet_goes_into_a_pipe(shop: str) -> None:
    command = [sys.executable, "-m", "pql.faces.cli", shop, "-c", "SHOW MODELS", "--format", "parquet"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert pq.read_table(io.BytesIO(done.stdout)).column_names[0] == "model"


def test_parquet_on_a_terminal_and_places_that_cannot_be_written(
    shop: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    ran = Ran(capsys, shop, "-c", "SHOW MODELS", "--format", "parquet")
    assert (ran.code, ran.out) == (1, "")
    assert "binary_output" in ran.err
    ran = Ran(capsys, shop, "-c", "SHOW MODELS", "--format", "csv", "-o", "/nowhere/at/all.csv")
    assert ran.code == 1
    assert "file_not_writable" in ran.err


def test_graph_explain_labels_evaluate_and_models(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "graph", shop)
    assert ran.code == 0
    assert "ORDERS.CUSTOMER_ID -> CUSTOMERS.CUSTOMER_ID" in ran.out
    for name, begins in (("graph.svg", "<svg"), ("graph.html", "<!doctype html>"), ("graph.txt", "tables\n")):
        ran = Ran(capsys, "graph", shop, "-q", "-o", f"{shop}.{name}")
        assert (ran.code, ran.out) == (0, "")
        assert Path(f"{shop}.{name}").read_text(encoding="utf-8").startswith(begins)
    ran = Ran(capsys, "explain", shop, QUERY)
    assert ran.code == 0
    assert "Label SQL" in ran.out
    ran = Ran(capsys, "labels", shop, QUERY, "--format", "csv")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == '"CUSTOMER_ID","anchor","label","split","events","event_count"'
    (row,) = list(csv.DictReader(ran.out.splitlines()))[:1]
    assert int(row["event_count"]) >= len(json.loads(row["events"]))
    ran = Ran(capsys, "evaluate", shop, QUERY)
    assert ran.code == 0
    for word in ("boosted", "last_window", "mae", "valid", "test"):
        assert word in ran.out, word
    ran = Ran(capsys, shop, "-c", f"CREATE OR REPLACE MODEL spend AS {QUERY}")
    assert ran.code == 0
    ran = Ran(capsys, "models", shop)
    assert ran.code == 0
    assert "spend" in ran.out
    ran = Ran(capsys, shop, "-q", "-c", f"EXPLAIN {QUERY}; SHOW GRAPH")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith("Query")


def test_queries_are_given_with_and_without_their_verb(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("explain", "labels", "evaluate"):
        bare = Ran(capsys, verb, shop, "-q", QUERY)
        assert bare.code == 0
        assert (
            Ran(capsys, verb, shop, "-q", "-c", f"{verb.upper()} {QUERY}").out.splitlines()[0]
            == bare.out.splitlines()[0]
        )
        assert Ran(capsys, verb, shop, QUERY, "-c", QUERY).code == 2
    assert json.loads(Ran(capsys, "explain", shop, "-q", "-c", QUERY, "--format", "json").out)["task"]


def test_the_last_answer_of_a_script_goes_to_the_file(
    shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    ran = Ran(capsys, shop, "-q", "-c", "SHOW TABLES; SHOW TARGETS", "--format", "csv", "-o", str(path))
    assert ran.out.startswith('"table"')
    assert path.read_text().startswith('"target"')


def test_what_was_declared_is_taken_back(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "NO TIME CUSTOMERS" in Ran(capsys, shop, "-q", "-c", "NO TIME customers").out
    assert "declared" not in Ran(capsys, "graph", shop, "--reset").out


def test_queries_come_from_files_and_pipes(
    shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "two.pql"
    script.write_text("SHOW GRAPH; -- a comment\nSHOW MODELS;\n")
    from_file = Ran(capsys, shop, "-f", str(script))
    assert from_file.code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("SHOW GRAPH; SHOW MODELS"))
    assert Ran(capsys, shop).out == from_file.out
    monkeypatch.setattr("sys.stdin", io.StringIO(QUERY))
    assert "Label SQL" in Ran(capsys, "explain", shop, "-").out
    ran = Ran(capsys, shop, "-f", str(tmp_path / "none.pql"))
    assert ran.code == 1
    assert "file_unreadable" in ran.err


def test_fmt_prints_the_canonical_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "q.pql"
    script.write_text("predict count(orders.*,0,30,DAYS)=0 for each customers.customer_id\n;show models")
    ran = Ran(capsys, "fmt", str(script))
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "SHOW MODELS;"
    assert ran.out.startswith("PREDICT COUNT(orders.*, 0, 30, days) = 0")
    script.write_text(ran.out)
    assert Ran(capsys, "fmt", str(script)).out == ran.out


def test_a_fault_of_the_query_shows_the_place(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    for args in ((shop, "-c", BAD), ("explain", shop, BAD), ("evaluate", shop, BAD), ("labels", shop, BAD)):
        ran = Ran(capsys, *args)
        assert (ran.code, ran.out) == (1, "")
        assert "unknown_column" in ran.err
        shown, caret = next(pair for pair in itertools.pairwise(ran.err.splitlines()) if "^" in pair[1])
        assert shown[caret.index("^") : caret.rindex("^") + 1] == "amout"
        assert "orders.amount" in ran.err.lower()
        assert "Traceback" not in ran.err


def test_faults_of_the_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ran = Ran(capsys, str(tmp_path / "none.duckdb"), "-c", "SHOW GRAPH")
    assert (ran.code, ran.out) == (1, "")
    assert "source_not_found" in ran.err
    assert "hint:" in ran.err
    (tmp_path / "shop.duckdb").touch()
    assert "shop.duckdb" in Ran(capsys, str(tmp_path / "shop.dukdb"), "-c", "SHOW GRAPH").err


def test_faults_of_the_command_line(shop: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for args in (
        (shop, "-c", QUERY, "--format", "xml"),
        (shop, "--nonsense"),
        ("exlpain", shop, QUERY),
        (shop, "-c", QUERY, "-f", "file"),
        ("explain", shop),
        ("fmt",),
    ):
        ran = Ran(capsys, *args)
        assert (ran.code, ran.out) == (2, ""), args
        assert ran.err


def test_a_misspelt_verb_is_told_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "explain" in Ran(capsys, "exlpain", "shop.duckdb", QUERY).err


def test_words_that_are_tried_first_are_told_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert 'pql DB -c "PREDICT …"' in Ran(capsys, "predict", "shop.duckdb", QUERY).err
    assert "try pql graph" in Ran(capsys, "schema", "shop.duckdb").err


@pytest.mark.parametrize("verb", [str(command.name) for command in typer.main.get_group(app).commands.values()])
def test_the_help_of_every_verb_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, verb, "--help")
    assert ran.code == 0
    assert "Example: " in ran.out
    assert "[[" not in ran.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_told_in_a_line(shop: str) -> None:
    command = [sys.executable, "-c", "from pql.faces.cli import main; main()", shop, "-q", "-c", "SHOW TABLES"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "the output can't be written: No space left on device\n")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "--help")
    assert ran.code == 0
    for verb in ("graph", "explain", "evaluate", "labels", "models", "fmt"):
        assert verb in ran.out
    assert "..." not in ran.out.partition("Commands:")[2], "each verb in a line of its own"
    assert Ran(capsys, "version").out[0].isdigit()


def test_a_closed_pipe_is_no_fault(shop: str, tmp_path: Path) -> None:
    text = "; ".join(["SHOW GRAPH"] * 200)
    command = f'"{sys.executable}" -c \'from pql.faces.cli import main; main()\' "{shop}" -q -c "{text}" | head -1'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.stdout == "tables\n"
    assert done.stderr == ""
    assert done.returncode == 0


def test_explain_loads_no_torch_and_answers_at_once(shop: str) -> None:
    source, query = shop, f"EXPLAIN {QUERY}"
    if SHOP.exists():
        source, query = str(SHOP), "EXPLAIN PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
    probe = (
        "import json, sys, time; start = time.process_time()\n"
        "from pql.faces.cli import main\n"
        "try: main()\n"
        "except SystemExit as done: code = done.code\n"
        "heavy = [m for m in ('torch', 'lightgbm', 'sklearn', 'torch_geometric') if m in sys.modules]\n"
        "sys.stderr.write(json.dumps([code, heavy, time.process_time() - start]))"
    )
    command = [sys.executable, "-c", probe, source, "-q", "-c", query]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    code, heavy, seconds = json.loads(done.stderr)
    assert (code, heavy) == (0, [])
    assert seconds < 6, "seconds of processor time; two on a machine of one's own"
    assert "Label SQL" in done.stdout


def test_what_the_data_says_cannot_command_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE users AS SELECT i AS user_id, chr(27) || '[31mred' || i AS name FROM range(20) t(i)")
        con.execute(
            "CREATE TABLE visits AS SELECT i AS visit_id, i % 20 AS user_id,"
            " TIMESTAMP '2023-01-01' + INTERVAL (i * 5) HOUR AS seen FROM range(900) t(i)"
        )
    query = "PREDICT COUNT(visits.*, 0, 20, days) FOR EACH users.user_id WITH (model = entity_mean, cache = off)"
    ran = Ran(capsys, str(path), "-c", query)
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert "red1" in ran.out


def test_dates_in_json_are_texts(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(Ran(capsys, shop, "-c", QUERY, "--format", "json").out)
    assert dt.datetime.fromisoformat(rows[0]["anchor"]).year in (2023, 2024)


def test_sql_around_a_prediction(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"SELECT name, p.prediction FROM ({QUERY}) p JOIN customers USING (customer_id) ORDER BY 2 DESC LIMIT 3"
    box = Ran(capsys, shop, "-c", text)
    assert (box.code, box.out.splitlines()[0].split()) == (0, ["NAME", "prediction"])
    assert "quality: " in box.out
    rows = json.loads(Ran(capsys, shop, "-c", f"SELECT sum(1) AS n, 1.5 AS x FROM ({QUERY})", "--format", "json").out)
    assert rows == [{"n": 37, "x": 1.5}]


def test_tables_are_made_with_write_only(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = f"CREATE TABLE spend AS {QUERY}"
    refused = Ran(capsys, shop, "-c", made)
    assert refused.code == 1
    assert "--write" in refused.err
    assert Ran(capsys, shop, "--write", "-c", made).code == 0
    with duckdb.connect(shop) as con:
        assert con.sql("SELECT count(*) FROM spend").fetchall() == [(37,)]
        con.execute("DROP TABLE spend")


def test_the_ending_of_the_file_says_how_it_is_written(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = "SHOW TABLES"
    assert Ran(capsys, shop, "-c", tables, "-o", str(tmp_path / "t.csv")).code == 0
    assert (tmp_path / "t.csv").read_text().startswith('"table"')
    assert Ran(capsys, shop, "-c", tables, "-o", str(tmp_path / "t.parquet")).code == 0
    assert (tmp_path / "t.parquet").read_bytes().startswith(b"PAR1")
    refused = Ran(capsys, shop, "-c", tables, "-o", str(tmp_path / "t.xlsx"))
    assert refused.code == 2
    assert "--format" in refused.err
