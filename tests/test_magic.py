"""`%pql` and `%%pql` as a notebook's user meets them."""

from __future__ import annotations

import io
import re
import signal
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import duckdb
import pytest
from shops import purchases_shop

import pql
from pql.faces.cell_faults import marked
from pql.faces.magic import options

interactive = pytest.importorskip("IPython.core.interactiveshell", reason="IPython is an extra")

QUERY = "PREDICT COUNT(purchases.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = rate)"


class Notebook:
    """Cells run in process. `ran` gives what a cell answers; `out` and `shown` are what it printed and displayed."""

    def __init__(self, shell: Any) -> None:
        self.shell, self.out, self.shown, self.error = shell, "", [], None
        shell.display_pub.publish = lambda data, **_: self.shown.append(data)

    def ran(self, cell: str) -> Any:
        self.shown.clear()
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            result = self.shell.run_cell(cell)
        self.out, self.error = out.getvalue(), result.error_in_exec
        return result.result


@pytest.fixture(scope="module")
def frames() -> dict[str, Any]:
    return purchases_shop()


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: dict[str, Any]) -> Iterator[Notebook]:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setattr("pql.faces.cell_progress.PATIENCE", 60.0)  # a slow machine shows no progress
    interactive.InteractiveShell.clear_instance()
    shell = interactive.InteractiveShell.instance(colors="nocolor")
    shell.history_manager.enabled = False
    made = Notebook(shell)
    shell.user_ns["shop"] = frames
    made.ran("%load_ext pql")
    yield made
    made.ran("%unload_ext pql")
    shell.history_manager.end_session()
    interactive.InteractiveShell.clear_instance()


@pytest.fixture
def database(tmp_path: Path, frames: dict[str, Any]) -> str:
    path = tmp_path / "my shop.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, table in frames.items():
            con.register("frame", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
    return str(path)


# ------------------------------------------------------------ asking


def test_the_last_predictions_are_reported_in_pictures_or_as_a_page(notebook: Notebook, tmp_path: Path) -> None:
    notebook.ran("%pql connect @shop")
    notebook.ran("%pql report")
    assert "nothing has been predicted yet" in str(notebook.error)
    notebook.ran(f"%pql {QUERY}")
    figures = notebook.ran("%pql --out seen report")
    assert "calibration" in figures.names()
    assert notebook.shell.user_ns["seen"] is figures
    notebook.ran(f"%pql report '{tmp_path}/my page.html'")
    assert "my page.html: " in notebook.out
    assert (tmp_path / "my page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_line_and_a_cell_answer_with_results(notebook: Notebook) -> None:
    notebook.ran("%pql connect @shop")
    assert notebook.out == "@shop: 4 tables\n"
    assert len(notebook.ran("%pql tables")) == 4
    assert isinstance(notebook.ran(f"%pql {QUERY};"), pql.Predictions)
    answer = notebook.ran(f"%%pql --out churn\nSHOW TABLES;\n-- who leaves?\n{QUERY};\n")
    assert isinstance(answer, pql.Predictions)
    assert notebook.shell.user_ns["churn"] is answer
    assert ["customers" in data["text/html"] for data in notebook.shown] == [True]
    assert "<table" in answer._repr_html_()


def test_variables_are_parameters_and_never_text(notebook: Notebook) -> None:
    notebook.shell.user_ns.update(least=50, ids=[3, 4], evil="x'; DROP TABLE customers; --", n=30)
    notebook.ran("%pql connect @shop")
    rows = notebook.ran("%pql SELECT count(*) FROM customers WHERE age >= :least").fetchall()
    assert rows == [(sum(age >= 50 for age in notebook.shell.user_ns["shop"]["customers"]["AGE".lower()].to_pylist()),)]
    assert notebook.ran("%pql SELECT :evil AS e, '{least}' AS a, '$least' AS b").fetchall() == [
        ("x'; DROP TABLE customers; --", "{least}", "$least")
    ]
    asked = "PREDICT COUNT(purchases.*, 0, :n, days) = 0 FOR customers.customer_id IN :ids WITH (model = rate)"
    assert len(notebook.ran(f"%pql {asked}")) == 2
    notebook.ran("%pql SELECT :missing")
    assert "is a variable of the notebook" in notebook.out


def test_forms_rows_and_the_anchor(notebook: Notebook) -> None:
    notebook.ran("%pql connect @shop")
    frame = notebook.ran("%pql --format df --out f SELECT 1 AS a")
    assert frame.to_dict("list") == {"a": [1]}
    assert notebook.shell.user_ns["f"] is frame
    assert repr(notebook.ran("%pql --format=text --rows 2 SELECT * FROM products")).endswith("… 30 rows in all")
    assert notebook.ran("%pql --format none --out kept SELECT 1") is None
    assert len(notebook.shell.user_ns["kept"]) == 1
    few = notebook.ran("%pql --rows 3 SELECT * FROM products")
    assert "3 of 30 rows" in few._repr_html_()
    answer = notebook.ran(f"%%pql --as-of '2023-12-01'\n{QUERY}")
    assert str(answer.to_arrow_table()["anchor"][0])[:10] == "2023-12-01"


# ------------------------------------------------------------ databases


def test_one_session_is_kept_per_database(notebook: Notebook, database: str) -> None:
    notebook.ran(f"%pql --db '{database}' SELECT 1")
    notebook.ran("%pql --db @shop SELECT 1")
    magics = notebook.shell.magics_manager.registry["PqlMagics"]
    first = dict(magics._sessions)
    notebook.ran(f'%pql --db="{database}" SELECT 2')
    assert {key: one.session for key, one in magics._sessions.items()} == {k: o.session for k, o in first.items()}
    assert magics._current == database
    notebook.ran("%pql close")
    assert list(magics._sessions) == ["@shop"]


def test_other_frames_under_the_name_are_noticed(notebook: Notebook, frames: dict[str, Any]) -> None:
    notebook.ran("%pql connect @shop")
    notebook.shell.user_ns["shop"] = {**frames, "extra": frames["products"]}
    assert len(notebook.ran("%pql --db @shop tables")) == 5
    notebook.shell.user_ns["shop"]["more"] = frames["products"]
    assert len(notebook.ran("%pql tables")) == 6


def test_a_session_of_ones_own_is_used_and_left_open(notebook: Notebook, frames: dict[str, Any]) -> None:
    with pql.connect(frames) as db:
        notebook.shell.user_ns["db"] = db
        notebook.ran("%pql connect @db")
        notebook.ran("%pql close")
        assert len(db.run("SHOW TABLES")[0]) == 4


# ------------------------------------------------------------ faults


def test_a_fault_is_shown_with_its_caret_and_no_traceback(notebook: Notebook) -> None:
    notebook.ran("%pql connect @shop")
    notebook.ran("%%pql\nSHOW TABLES;\nPREDICT COUNT(purchases.*, 0, 30, days) FOR EACH customers.name")
    assert notebook.error.code == "entity_not_key"
    assert "Traceback" not in notebook.out
    assert ".py" not in notebook.out
    assert notebook.out.splitlines()[0].startswith("entity_not_key: Statement 2 of 2")
    assert "^^^" in notebook.out
    assert len(notebook.shown) == 1  # the answer before it


@pytest.mark.parametrize(
    "query",
    [
        "PREDICT COUNT(ordrs.*, 0, 30, days) FOR EACH customers.customer_id",
        "PREDICT COUNT(purchases.*, 0, 30 days) FOR EACH customers.customer_id",
        "SELECT * FROM purchasess",
        "PREDICT COUNT(purchases.*, 0, 30, days) FOR EACH customers.café",
    ],
)
def test_in_a_notebook_the_words_at_fault_are_underlined_and_the_text_is_that_of_everywhere(query: str) -> None:
    with pql.connect(purchases_shop()) as db, pytest.raises(pql.PqlError) as error:
        db.run(query)
    lines = marked(error.value)
    assert re.sub("\x1b\\[[0-9;]*m", "", "\n".join(lines)) == str(error.value)
    found = re.findall("\x1b\\[1;4m([^\x1b]*)\x1b", "\n".join(lines))
    assert found == ([query[error.value.span.start : error.value.span.end]] if query.isascii() else [])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%pql SELECT 1", "no database yet: %pql connect PATH"),
        ("%pql --fromat x SELECT 1", "there is no option --fromat; did you mean --format?"),
        ("%pql --out", "--out takes a value"),
        ("%pql --out 1x SELECT 1", "--out takes a variable's name"),
        ("%pql --format xml SELECT 1", "--format is one of html"),
        ("%pql --rows 0 SELECT 1", "--rows takes a number of rows"),
        ("%pql --db @shpo SELECT 1", "there is no variable shpo; did you mean @shop?"),
        ("%%pql PREDICT\nSELECT 1", "takes options alone"),
        ("%%pql --db @shop\n\n", "there is no statement"),
        ("%pql close", "no database is open"),
        ("%pql connect", "takes the path of a database"),
        ("%pql connect /nowhere/at/all", "source_not_found: There is no file or folder"),
    ],
)
def test_a_mistake_on_the_line_is_told_in_a_line(notebook: Notebook, cell: str, said: str) -> None:
    notebook.ran(cell)
    assert said in notebook.out
    assert notebook.error is not None
    assert "Traceback" not in notebook.out


def test_an_interrupt_ends_the_query_and_keeps_the_session(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    from pql.faces.cell_progress import CellProgress

    notebook.ran("%pql connect @shop")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patched:
        patched.setattr(CellProgress, "stage", lambda *_: signal.raise_signal(signal.SIGINT))
        notebook.ran(f"%pql {QUERY.replace('rate', 'rate, cache = off')}")
    signal.signal(signal.SIGINT, before)
    assert isinstance(notebook.error, KeyboardInterrupt)
    assert notebook.out.strip() == "stopped"
    assert notebook.ran("%pql SELECT 1").fetchall() == [(1,)]


def test_progress_appears_late_and_clears_itself(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    from pql.faces import cell_progress

    notebook.ran("%pql connect @shop")
    monkeypatch.setattr(cell_progress, "PATIENCE", 60.0)
    notebook.ran(f"%pql {QUERY.replace('rate', 'rate, cache = off')}")
    assert notebook.shown == []
    monkeypatch.setattr(cell_progress, "PATIENCE", 0.0)
    monkeypatch.setattr(cell_progress, "PAUSE", 0.0)
    notebook.ran(f"%pql {QUERY.replace('rate', 'rate, cache = off')}")
    assert "<progress" in notebook.shown[0]["text/html"]
    assert notebook.shown[-1] == {"text/plain": "", "text/html": ""}


def test_options_end_where_the_statement_begins() -> None:
    asked = options("--db 'a b' --rows 3  SELECT 1 -- --out x")
    assert (asked.db, asked.rows, asked.out, asked.rest) == ("a b", 3, None, "SELECT 1 -- --out x")


def test_loading_the_package_for_the_extension_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import pql, sys; pql.load_ipython_extension; print({'IPython', 'duckdb', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


# ------------------------------------------------------------ completion


def completed(notebook: Notebook, cell: str) -> list[str]:
    """The cell with each completion in place of what it completes, as a notebook's frontend makes it."""
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        found = list(notebook.shell.Completer.completions(cell, len(cell)))
    return [cell[: one.start] + one.text for one in found]


@pytest.mark.parametrize(
    ("cell", "offered"),
    [
        ("%pql co", "%pql connect"),
        ("%pql rep", "%pql report"),
        ("%pql PRED", "%pql PREDICT"),
        ("%pql PREDICT COUNT(pur", "%pql PREDICT COUNT(purchases."),
        ("%pql --out x PREDICT COUNT(pur", "%pql --out x PREDICT COUNT(purchases."),
        ("found = %pql PREDICT COUNT(pur", "found = %pql PREDICT COUNT(purchases."),
        ("%pql --fo", "%pql --format"),
        (
            "%%pql --out x\nSELECT 1;\nPREDICT SUM(purchases.am",
            "%%pql --out x\nSELECT 1;\nPREDICT SUM(purchases.amount",
        ),
        (
            "%pql PREDICT COUNT(purchases.*, 0, 30, days) FOR EACH cus",
            "%pql PREDICT COUNT(purchases.*, 0, 30, days) FOR EACH customers.customer_id",
        ),
    ],
)
def test_a_statement_is_completed_as_at_the_prompt(notebook: Notebook, cell: str, offered: str) -> None:
    notebook.ran("%pql connect @shop")
    assert offered in completed(notebook, cell)


def test_python_is_completed_as_ever(notebook: Notebook) -> None:
    notebook.ran("%pql connect @shop\npurchasing = 1")
    assert completed(notebook, "purchasi") == ["purchasing"]
    notebook.ran("%unload_ext pql")
    assert not [one for one in notebook.shell.Completer.custom_matchers if "pql" in str(one.matcher_identifier)]
    notebook.ran("%load_ext pql")
