"""Draw the pictures of these pages: `python docs/pictures.py` writes docs/pictures/*.svg.

Timeline and neighbourhood show what the planner and the sampler really chose for the query of `docs/stages.py`; the
rooms are read from the import contract and what each room says of itself. Colours follow the reader's light or dark
setting; every picture has a ground of its own, so it can be read on either. Calibration, lift and the cell are what
`result.picture(…)` and `result.html(…)` give for the question of the page on reports.
"""

from __future__ import annotations

import ast
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
STYLE = """
text{font:14px system-ui,sans-serif;fill:#1f2328}.small{font-size:12px;fill:#57606a}
.mono{font-family:ui-monospace,monospace}
.bold{font-weight:600}.mid{text-anchor:middle}.end{text-anchor:end}
.ground{fill:#fff;stroke:#d0d7de}.box{fill:#f6f8fa;stroke:#8c959f}.line{stroke:#57606a;stroke-width:1.5;fill:none}
.thin{stroke:#d0d7de}.arrow{fill:#57606a}
.train{fill:#54aeff}.valid{fill:#d4a72c}.test{fill:#cf4f7f}.predict{fill:#2da44e}.lag{fill:#afb8c1}
.later{fill:none;stroke:#8c959f;stroke-dasharray:3 3}
.cut{stroke:#cf222e;stroke-width:2;stroke-dasharray:6 4}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9da7b3}.ground{fill:#0d1117;stroke:#30363d}
.box{fill:#161b22;stroke:#6e7681}.line{stroke:#9da7b3}.thin{stroke:#30363d}.arrow{fill:#9da7b3}.lag{fill:#6e7681}
.later{stroke:#9da7b3}.cut{stroke:#ff7b72}}
"""
CELL = """
.cell{font:13px system-ui,sans-serif;color:#1f2328}
@media (prefers-color-scheme:dark){.cell{color:#e6edf3}}
"""


@dataclass(slots=True)
class Picture:
    """An SVG that is being drawn, `width` by `height` pixels, with what it says for those who can't see it."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        self.parts.append(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(words)}</text>')

    def rect(self, x: float, y: float, w: float, h: float, kind: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="4" class="{kind}"/>')

    def dot(self, x: float, y: float, kind: str, r: float = 6) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}" class="{kind}"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "line") -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def arrow(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """A line with a head, straight down or to the right."""
        self.line(x1, y1, x2, y2)
        head = (
            ((x2, y2), (x2 - 5, y2 - 9), (x2 + 5, y2 - 9))
            if x1 == x2
            else ((x2, y2), (x2 - 9, y2 - 5), (x2 - 9, y2 + 5))
        )
        self.parts.append(f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in head)}" class="arrow"/>')

    def box(self, x: float, y: float, w: float, h: float, head: str, *lines: str) -> None:
        """A box with a heading and lines beneath it."""
        self.rect(x, y, w, h, "box")
        self.text(x + 12, y + 23, head, "bold")
        for i, words in enumerate(lines):
            self.text(x + 12, y + 43 + 17 * i, words, "small")

    def svg(self) -> str:
        """The file's text."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        ground = f'<rect x=".5" y=".5" width="{self.width - 1}" height="{self.height - 1}" rx="8" class="ground"/>'
        inside = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{escape(self.title)}</title>\n'
            f"<style>{STYLE}</style>\n{ground}\n{inside}\n</svg>\n"
        )


def timeline() -> str:
    """The anchors of the query with their windows and what each is for."""
    from pql.engine.planning.anchors import completes_at
    from pql.engine.planning.planner import future_windows

    with _stages() as stages:
        moment, plan = _module("stages").moment, stages.plan
        split = plan.split
        us = completes_at(split.prediction, future_windows(plan.query)) - split.prediction
        anchors = sorted(split.anchors, key=lambda a: a.time)
        oldest = min(int(node.time[node.time > -(2**62)].min()) for node in stages.graph.nodes if _dated(node))
    picture = Picture(860, 110 + 22 * len(anchors) + 46, "Anchors and their windows in time")
    left, right, top = 190, 820, 84
    first, last = min(oldest, anchors[0].time), anchors[-1].time + us

    def at(time: int) -> float:
        return left + (right - left) * (time - first) / (last - first)

    picture.text(
        20, 30, "One row per anchor: the history before it is read, the 30 days after it are the label", "bold"
    )
    picture.text(20, 52, "The window of the last anchor lies in the future: it is what the query asks for.", "small")
    for i, anchor in enumerate(anchors):
        y = top + 22 * i
        picture.text(20, y + 5, anchor.role, "small mono")
        picture.text(90, y + 5, moment(anchor.time), "small mono")
        picture.line(at(first), y, at(anchor.time), y, "line")
        picture.rect(at(anchor.time), y - 7, at(anchor.time + us) - at(anchor.time), 14, anchor.role)
    bottom = top + 22 * len(anchors)
    end = at(anchors[-1].time)
    picture.line(end, top - 14, end, bottom + 6, "cut")
    picture.text(end - 6, bottom + 20, f"the data ends: {moment(anchors[-1].time)}", "small end")
    marks = (
        ("lag", "a feature only"),
        ("train", "learnt from"),
        ("valid", "models chosen"),
        ("test", "looked at once"),
        ("predict", "answered"),
    )
    x = 20.0
    for role, words in marks:
        picture.rect(x, bottom + 42, 14, 14, role)
        picture.text(x + 20, bottom + 54, f"{role}: {words}", "small")
        x += 40 + 6.4 * len(f"{role}: {words}")
    return picture.svg()


def neighbourhood() -> str:
    """The rows sampled around one member at an earlier anchor, and later rows that are not seen."""
    with _stages() as stages:
        lines, anchor, member = stages.rows_around(), stages.earlier, _module("stages").MEMBER
        moment = _module("stages").moment
    tables = list(dict.fromkeys(table for table, *_ in lines))
    picture = Picture(860, 150 + 92 * len(tables) + 20, "Rows around one member, before and after an anchor")
    left, right = 150, 830
    times = [time for _, time, _ in lines]
    first, last = min(times), max(times)

    def at(time: int) -> float:
        return left + (right - left) * (time - first) / (last - first)

    picture.text(20, 30, f"What is sampled around member {member} as of {moment(anchor)}", "bold")
    picture.text(
        20,
        52,
        "Full: among the last 8 of its link, read by the network. Grey: known, read by the features only.",
        "small",
    )
    picture.text(20, 70, "Dashed: later than the anchor. These rows do not exist for this example.", "small")
    for i, table in enumerate(tables):
        y = 130 + 92 * i
        own = [(time, kind) for name, time, kind in lines if name == table]
        picture.text(20, y + 5, table, "bold")
        picture.line(left, y, right, y, "thin")
        for time, kind in own:
            picture.dot(at(time), y, {"sampled": "train", "known": "lag", "later": "later"}[kind], 6)
        counts = {kind: sum(k == kind for _, k in own) for kind in ("known", "sampled", "later")}
        said = f"{counts['known'] + counts['sampled']} known, {counts['sampled']} sampled, {counts['later']} later"
        picture.text(left, y + 28, said, "small")
    bottom = 130 + 92 * len(tables)
    picture.line(at(anchor), 92, at(anchor), bottom - 30, "cut")
    picture.text(at(anchor), 86, f"anchor {moment(anchor)}", "small mid")
    picture.text(
        20,
        bottom + 18,
        "Each sampled visit leads on to its class (second hop), again only if known at this anchor.",
        "small",
    )
    picture.text(left, bottom - 12, moment(first), "small")
    picture.text(right, bottom - 12, moment(last), "small end")
    return picture.svg()


ARCHITECTURE = (
    ("pql.faces", "command line", "what people type into: no decisions"),
    ("pql.session · pql.statements", "front door", "connect; one file per kind of statement"),
    ("pql.pipeline", "one question", "plan, history, labels, graph, model, predictions, in this order"),
    ("pql.engine", "engine", "its rooms: planning, labels, graph, features, models, training, answers, reasons"),
    ("pql.backends", "data", "DuckDB, folders, frames: a snapshot to read; keys, links and clocks inferred"),
    ("pql.language", "language", "text, tree, bound query, errors with spans and fixes; pure Python"),
)
FLOW = ("text", "tree", "bound", "plan", "labels", "graph", "features", "members", "blend", "result")


def architecture() -> str:
    """The layers of the package, and what a query becomes on its way."""
    picture = Picture(860, 130 + 66 * len(ARCHITECTURE) + 40, "The layers of pql and the way of a query")
    picture.text(20, 30, "Layers: each may import those beneath it, never those above", "bold")
    for i, (name, what, words) in enumerate(ARCHITECTURE):
        y = 50 + 66 * i
        picture.box(20, y, 820, 54, name, words)
        picture.text(828, y + 23, what, "small end")
        if i:
            picture.arrow(430, y - 12, 430, y)
    y = 50 + 66 * len(ARCHITECTURE) + 36
    picture.text(20, y, "A query on its way", "bold")
    width = 820 / len(FLOW)
    for i, words in enumerate(FLOW):
        x = 20 + width * i
        picture.rect(x, y + 18, width - 14, 40, "box")
        picture.text(x + (width - 14) / 2, y + 43, words, "small mid")
        if i:
            picture.arrow(x - 14, y + 38, x, y + 38)
    return picture.svg()


def rooms() -> list[tuple[str, str]]:
    """The engine's rooms, the highest first, each with the sentence it says of itself."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == ["pql.engine"])
    found = []
    for name in (name for layer in layers for name in layer.split(" : ")):
        path = ROOT / "engine" / name / "__init__.py"
        if path.exists():
            found.append((name, (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]))
    return found


def engine() -> str:
    """The engine's rooms in the order of the import contract."""
    found = rooms()
    picture = Picture(860, 64 + 46 * len(found), "The rooms of the engine")
    picture.text(20, 30, "Rooms of the engine: a room may import those beneath it, never those above", "bold")
    picture.line(34, 54, 34, 54 + 46 * len(found) - 12)
    picture.arrow(34, 54, 34, 54 + 46 * len(found) - 6)
    for i, (name, words) in enumerate(found):
        y = 50 + 46 * i
        picture.rect(56, y, 784, 38, "box")
        picture.text(70, y + 24, name, "bold mono")
        picture.text(170, y + 24, words.replace("`", ""), "small")
    return picture.svg()


def graph() -> str:
    """The gym as a graph, as notebooks show it."""
    with _gym() as db:
        return db.graph().picture().svg()


def query() -> str:
    """What a query reads of the gym."""
    with _gym() as db:
        asked = "PREDICT SUM(payments.amount, 0, 30, days) FOR EACH members.member_id USING members, payments"
        return db.explain(asked).picture().svg()


LEAVING = (
    "PREDICT COUNT(visits.*, 0, 30, days) = 0 FOR EACH members.member_id\n"
    "WHERE COUNT(visits.*, -60, 0, days) > 0 WITH (model = instant)"
)


@cache
def _of_leaving() -> dict[str, str]:
    """What a result draws of itself, and the notebook cell it is shown in."""
    with _gym() as db:
        leaving = db.predict(LEAVING)
        drawn = {name: leaving.picture(name).svg() for name in ("calibration", "lift")}
        return drawn | {"cell": _cell(f"%%pql\n{LEAVING}", leaving.html(4))}


def _cell(text: str, shown: str) -> str:
    """A notebook's cell: its text and, beneath, the markup that it shows."""
    lines = text.splitlines()
    picture = Picture(780, 296 + 20 * len(lines), "A notebook cell with a query, and what it shows")
    picture.text(14, 42, "In [2]:", "small mono")
    picture.rect(74, 18, 690, 20 * len(lines) + 18, "box")
    for i, line in enumerate(lines):
        picture.text(88, 42 + 20 * i, line, "mono")
    top = 20 * len(lines) + 48
    inside = f'<div xmlns="http://www.w3.org/1999/xhtml" class="cell"><style>{CELL}</style>{shown}</div>'
    size = f'width="690" height="{picture.height - top - 10}"'
    picture.parts.append(f'<foreignObject x="74" y="{top}" {size}>{inside}</foreignObject>')
    return picture.svg()


def calibration() -> str:
    """How far to trust the probabilities of who leaves."""
    return _of_leaving()["calibration"]


def lift() -> str:
    """How many more leave among the first tenths than among all."""
    return _of_leaving()["lift"]


def cell() -> str:
    """What a notebook's cell shows."""
    return _of_leaving()["cell"]


PICTURES: dict[str, Callable[[], str]] = {
    "timeline": timeline,
    "neighbourhood": neighbourhood,
    "architecture": architecture,
    "engine": engine,
    "graph": graph,
    "query": query,
    "calibration": calibration,
    "lift": lift,
    "cell": cell,
}
LEARNT = frozenset({"calibration", "lift", "cell"})  # figures that may differ a little between machines


def _dated(node: object) -> bool:
    return bool((node.time > -(2**62)).any())  # type: ignore[attr-defined]


def _module(name: str):  # type: ignore[no-untyped-def]
    if str(ROOT / "docs") not in sys.path:
        sys.path.insert(0, str(ROOT / "docs"))
    return __import__(name)


def _gym():  # type: ignore[no-untyped-def]
    """A session on a fresh gym."""
    import pql

    return pql.connect(_module("gym").write(Path(tempfile.mkdtemp(prefix="gym")) / "gym"))


def _stages():  # type: ignore[no-untyped-def]
    """The stages of the query on a fresh gym."""
    folder = Path(tempfile.mkdtemp(prefix="gym"))
    return _module("stages").Stages(_module("gym").write(folder / "gym"))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for title, draw in PICTURES.items():
        (FOLDER / f"{title}.svg").write_text(draw(), encoding="utf-8")
