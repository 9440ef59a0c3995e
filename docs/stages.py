"""What one query becomes at every stage, as text and as values: the intermediate results that "how it works" shows.

`Stages(folder)` goes from the text to the reasons on the gym of `docs/gym.py`; `said()` gives each stage's text.
"""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import pql
from pql.engine.events import Events
from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.language.parser import parse
from pql.table import text_table

MEMBER = 308
QUERY = """PREDICT COUNT(visits.*, 0, 30, days) = 0
FOR EACH members.member_id
WHERE COUNT(visits.*, -60, 0, days) > 0"""
SHOWN_FEATURES = 12


class Stages:
    """One query, stage by stage; each is computed when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.session = pql.connect(str(folder))
        work = self.session._work
        self._open = work.backend.snapshot()
        self._work, self.snapshot = work, self._open.__enter__()

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._open.__exit__(kind, value, at)
        self.session.close()

    @cached_property
    def plan(self) -> Any:
        from pql.workspace import Request

        statement: Any = parse(QUERY)
        return self._work.planned(self.snapshot, statement, Request(QUERY))

    @cached_property
    def history(self) -> Any:
        from pql.engine.graph.history import load, needed_tables

        return load(self.snapshot, self.plan.query.catalog, needed_tables(self.plan), self.plan.split.prediction)

    @cached_property
    def labels(self) -> Any:
        from pql.engine.labels.training_table import compute_labels

        return compute_labels(self.history, self.plan)

    @cached_property
    def graph(self) -> TemporalGraph:
        from pql.engine.graph.build import build_graph

        return build_graph(self.history, self.plan)

    @cached_property
    def seed(self) -> Any:
        """The one member that is followed, at the prediction anchor, as seeds of length 1."""
        from pql.engine.answers.scoring import who

        asked, seeds = who(self.history, self.labels, self.plan, self.graph)
        names = asked.keys.column("member_id").to_pylist()
        return seeds.take(np.array([names.index(MEMBER)]))

    @cached_property
    def model(self) -> Any:
        from pql.engine.answers.kept import model_for

        return model_for(
            self.plan, self.history, self.labels, self.graph, self._work.registry, Events(None), keep=False
        ).blend

    @cached_property
    def inputs(self) -> Any:
        """What the models read of the one member."""
        from pql.engine.examples.steps import compute_stacked
        from pql.engine.examples.targets import lag_values
        from pql.engine.models.base import Inputs

        lags = lag_values(self.labels, self.plan, self.graph, self.seed)
        features = compute_stacked(self.model.spec, self.graph, self.seed, lags, None, self.model.step_names)
        return Inputs(self.graph, self.seed, features, lags)

    def graph_counts(self) -> str:
        """The node tables and edge types of the graph with their sizes."""
        nodes = [(node.name, len(node), ", ".join(c.name for c in node.columns)) for node in self.graph.nodes]
        edges = [(edge.name, len(edge.children)) for edge in self.graph.edges]
        return "\n\n".join(
            [
                text_table(["nodes", "rows", "columns read"], nodes, right=[False, True, False]),
                text_table(["edges, both ways", "links"], edges, right=[False, True]),
            ]
        )

    def features(self) -> str:
        """The names and values of some of the member's features, and how many there are."""
        found = self.inputs.features
        spread = np.unique(np.linspace(0, len(found.names) - 1, SHOWN_FEATURES).astype(int))
        weighty = [found.names.index(name) for name, _ in self.model.importance[:SHOWN_FEATURES]]
        values = ["unknown" if np.isnan(v) else f"{v:g}" for v in found.values[0].tolist()]
        rows = [(found.names[i], values[i]) for i in dict.fromkeys([*weighty, *spread.tolist()])]
        table = text_table(["feature", f"member {MEMBER}"], rows[: 2 * SHOWN_FEATURES], right=[False, True])
        return f"{table}\n{len(found.names)} features in all; the first {len(weighty)} are those the trees use most."

    def neighbourhood(self) -> str:
        """The rows that the network samples around the member, hop by hop."""
        from pql.engine.graph.sample import sample

        trees = sample(self.graph, self.seed.rows, self.seed.seen, self.plan.graph.neighbors)
        rows = []
        for block in trees.blocks:
            node = self.graph.nodes[block.table]
            link = "the seed" if block.edge < 0 else self.graph.edges[block.edge].name
            known = int(block.counts.sum())
            times = [int(t) for t in block.times if t != ALWAYS]
            newest = moment(max(times)) if times else "always"
            way = "" if block.edge < 0 else "children" if block.down else "parents"
            rows.append((block.depth, node.name, link, way, len(block), known, newest))
        heads = ["hop", "table", "along", "to", "sampled", "known", "newest"]
        return text_table(heads, rows, right=[True, False, False, False, True, True, False])

    @property
    def earlier(self) -> int:
        """The first validation anchor, µs: the moment that the picture of the neighbourhood shows."""
        return min(self.plan.split.times("valid"))

    def rows_around(self) -> list[tuple[str, int, str]]:
        """The member's rows with a time: table, time (µs), and `sampled`, `known` or `later` as of `earlier`."""
        from pql.engine.graph.sample import sample

        node = self.graph.nodes[self.graph.entity]
        row = node.keys.column(0).to_pylist().index(MEMBER)
        trees = sample(self.graph, np.array([row]), np.array([self.earlier]), self.plan.graph.neighbors[:1])
        taken = {(b.edge, int(r)) for b in trees.blocks[1:] for r in b.rows}
        found = [(node.name, int(node.time[row]), "sampled")]
        for number, edge in enumerate(self.graph.edges):
            if edge.parent != self.graph.entity:
                continue
            span = slice(int(edge.indptr[row]), int(edge.indptr[row + 1]))
            for child, time in zip(edge.children[span].tolist(), edge.times[span].tolist(), strict=True):
                kind = "later" if time > self.earlier else "sampled" if (number, child) in taken else "known"
                found.append((self.graph.nodes[edge.child].name, time, kind))
        return found

    def scores(self) -> str:
        """Each member's answer, the weights, the blend and its calibration."""
        from pql.engine.models.blend import combine

        model = self.model
        weights = dict(zip((m.name for m in model.members), model.weights, strict=True))
        said = {m.name: float(m.predict(self.inputs)[0]) for m in model.members if weights[m.name] > 0}
        rows = [(name, weights[name], score) for name, score in said.items()]
        blended = combine(model.kind, [np.array([s]) for s in said.values()], [weights[name] for name in said])
        calibration = model.calibration
        return "\n".join(
            [
                text_table(["member", "weight", "probability"], rows, right=[False, True, True]),
                f"blended (mean of the log-odds): {blended[0]:.4f}",
                f"calibrated: sigmoid({calibration.slope:.4f} * logit {calibration.intercept:+.4f}) = "
                f"{model.finish(blended)[0]:.4f}",
                f"threshold of yes: {model.threshold:.4f}",
            ]
        )

    def said(self, name: str) -> str:
        """The text of one stage: graph, features, neighbourhood or scores."""
        texts = {
            "graph": self.graph_counts,
            "features": self.features,
            "neighbourhood": self.neighbourhood,
            "scores": self.scores,
        }
        return texts[name]()


def moment(us: int) -> str:
    """A time in µs as text, without the hour where it is midnight."""
    time = dt.datetime.fromtimestamp(us / 1e6, dt.UTC)
    return f"{time:%Y-%m-%d}" if time.time() == dt.time() else f"{time:%Y-%m-%d %H:%M}"
