"""A real notebook in a real kernel: what is kept in its file after all cells have run."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import duckdb
import pytest
from hostile_texts import assert_only_ours
from shops import purchases_shop

nbformat = pytest.importorskip("nbformat", reason="notebooks are an extra")
nbclient = pytest.importorskip("nbclient", reason="notebooks are an extra")
pytest.importorskip("ipykernel", reason="notebooks are an extra")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        for name, table in purchases_shop().items():
            con.register("frame", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
    cell = nbformat.v4.new_code_cell
    book = nbformat.v4.new_notebook(
        cells=[
            cell("%load_ext pql\n%pql connect shop.duckdb"),
            cell("%pql graph"),
            cell(
                "%%pql --out churn\nPREDICT COUNT(purchases.*, 0, 30, days) = 0 FOR EACH customers.customer_id "
                "WITH (model = instant);"
            ),
            cell("churn.why(1)"),
            cell("%pql PREDICT nonsense FOR EACH customers.customer_id", metadata={"tags": ["raises-exception"]}),
            cell("len(churn)"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    kernels = tmp_path / "kernels" / "python3"
    kernels.mkdir(parents=True)
    command = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernels / "kernel.json").write_text(f'{{"argv": {command}, "display_name": "Python 3", "language": "python"}}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    client = nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    asyncio.run(client.async_execute())
    nbformat.validate(book)
    graph, churn, why = (assert_only_ours(_html(book.cells[i])) for i in (1, 2, 3))
    assert {"svg", "table"} <= graph.elements
    assert "quality: " in churn.text
    assert "contribution" in why.text
    (fault,) = [output for output in book.cells[4].outputs if output.output_type == "error"]
    assert fault.ename == "PqlError"
    assert "^" in "\n".join(fault.traceback)
    assert "Traceback" not in "\n".join(fault.traceback)
    assert int(book.cells[5].outputs[0].data["text/plain"]) > 50


def _html(cell: object) -> str:
    found = [output.data["text/html"] for output in cell.outputs if output.output_type == "execute_result"]  # type: ignore[attr-defined]
    return str(found[-1])
