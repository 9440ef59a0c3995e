"""What the examples print, beneath "It prints:" in each one's docstring.

`python tests/example_outputs.py [NAME …]` renews it, and the outputs that are kept in the notebook.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOK = EXAMPLES / "notebook.ipynb"
ARGUMENTS = {"nightly": ["--try"]}
BLOCK = re.compile(r"(?<=^It prints:\n\n)(?:(?:    .*)?\n)+?(?=\n*^\S)", re.M)
NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?%?")


def scripts() -> list[Path]:
    """The examples that say what they print."""
    return [path for path in sorted(EXAMPLES.glob("*.py")) if BLOCK.search(path.read_text())]


def load(path: Path) -> ModuleType:
    """An example as a module, with its folder in reach as when it is started."""
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(path: Path, folder: Path) -> str:
    """What an example prints when it runs in a folder."""
    out, before = io.StringIO(), Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out):
            module = load(path)
            module.main(ARGUMENTS[path.stem]) if path.stem in ARGUMENTS else module.main()
    finally:
        os.chdir(before)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def shown(path: Path) -> str:
    """What the docstring says it prints."""
    found = BLOCK.search(path.read_text())
    assert found is not None, f"{path.name} says nowhere what it prints"
    return "\n".join(line[4:] for line in found[0].rstrip().splitlines()) + "\n"


def renew(path: Path) -> None:
    """Write what an example prints now into its docstring."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        os.environ["PQL_HOME"] = home
        text = printed(path, Path(folder))
    block = "".join(f"    {line}".rstrip() + "\n" for line in text.rstrip().splitlines())
    path.write_text(BLOCK.sub(lambda _: block, path.read_text(), count=1))


def executed(folder: Path) -> Any:
    """The notebook, run in a folder that `data` is copied to."""
    import nbclient
    import nbformat

    shutil.copytree(EXAMPLES / "data", folder / "data", ignore=shutil.ignore_patterns("__pycache__"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, resources={"metadata": {"path": str(folder)}}, timeout=120, record_timing=False
    ).execute()
    for cell in notebook.cells:  # what a cell showed only while it ran
        shown = [output for output in cell.get("outputs", []) if output.output_type != "display_data"]
        if cell.cell_type == "code":
            cell.outputs = shown
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    return notebook


def texts(notebook: Any) -> list[list[str]]:
    """The outputs of a notebook's cells as text, without what may differ."""
    return [
        [line for output in cell.outputs for line in stable(output.get("text") or output.data["text/plain"])]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def renew_notebook() -> None:
    """Run the notebook and keep its outputs in it."""
    import nbformat

    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        os.environ["PQL_HOME"] = home
        nbformat.write(executed(Path(folder)), NOTEBOOK)


def stable(text: str) -> list[str]:
    """The lines of an output without what may differ between machines: figures, the width of columns, which rows are
    the first, the wording of a reason, and whether a difference is noise."""
    lines: list[str] = []
    in_rows = False
    for line in text.strip().splitlines():
        if set(line.strip()) <= {"─", " "} and line.strip():
            in_rows = True
        elif in_rows and line.strip() and not line.startswith("…"):
            lines.append("row")
        else:
            in_rows = False
            line = re.sub(r" \(within the noise:.*?\)", "", line)
            line = re.sub(r"that all begin with.*", "", line)
            lines.append(" ".join(NUMBER.sub("0", line).split()))
    return lines


if __name__ == "__main__":
    for name in sys.argv[1:] or [*(path.stem for path in scripts()), NOTEBOOK.stem]:
        sys.stderr.write(f"{name}\n")
        renew_notebook() if name == NOTEBOOK.stem else renew(EXAMPLES / f"{name}.py")
