"""The report: one page for every kind of target, that loads nothing, trusts no value and tells the metrics' figures."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_why import CHANNEL, CHANNELS, EACH, ITEMS, MONTHS, PAIRS, SEGMENT, WAIT, shop

import pql
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.quality.drift import drift_of, shift_of
from pql.faces.cli import main
from pql.html import BLUE, GREEN, GREY, ORANGE
from pql.pictures.bins import binned, wilson
from pql.report.markup import esc, number, tag
from pql.report.parts import worst
from pql.report.quality import measured_split, model_of, standing, value_text
from pql.report.style import CSS, JS, policy

CHURN = f"PREDICT COUNT(orders.*, 0, 30, days) = 0 {EACH}"
SPEND = f"PREDICT SUM(orders.amount, 0, 30, days) {EACH} RETURN INTERVAL 0.8"
KINDS = {
    "yes or no": (CHURN, "instant"),
    "number": (SPEND, "instant"),
    "class": (CHANNEL, "instant"),
    "labels": (CHANNELS, "instant"),
    "forecast": (MONTHS, "instant"),
    "time": (WAIT, "rate"),
    "static": (SEGMENT, "instant"),
    "ranking": (ITEMS, "repeat"),
    "pairs": (PAIRS, "repeat"),
}
SECTIONS = (
    "question", "quality", "curves", "parts", "answers", "importance", "drift", "time", "graph", "notes", "made",
    "labels",
)  # fmt: skip
TITLES = {
    "yes or no": ("Calibration", "Gain", "Lift", "Scores"),
    "number": ("Predicted and actual", "Level by level", "Errors", "Coverage of the bounds"),
    "class": ("Calibration", "Taken for"),
    "labels": ("Calibration", "Label by label"),
    "forecast": ("Predicted and actual", "Error by step"),
    "time": ("Calibration", "Predicted and actual"),
    "static": ("Calibration", "Taken for"),
    "ranking": ("Recall at k", "Place by place"),
    "pairs": ("Recall at k",),
}
VOID = {"meta"}
PAYLOADS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "'><b>x</b>", "</style>x",
    "</script><script>x</script>", "<!-- x", "-->", "]]>", "&lt;b&gt;", "javascript:alert(1)", "{{7*7}}", "${7*7}",
    "<a href=http://x.y>z</a>", "a\x00b", "a\x1b[31mb", "\u202eevil", "<iframe src=//x.y>", "'; DROP TABLE x; --",
    "<svg><style>*{}</style>",
]  # fmt: skip


class Reader(HTMLParser):
    """Holds a page to being well nested, and collects what it has."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def is_safe(reader: Reader) -> None:
    """One style sheet and one script, allowed by their hashes; no attribute loads, links out, styles or runs."""
    names = [name for name, _ in reader.tags]
    assert names.count("style") == names.count("script") == 1
    assert not {"img", "iframe", "link", "object", "embed", "form", "base", "image", "use"} & set(names)
    for name, attributes in reader.tags:
        assert not any(key.startswith("on") or key in ("style", "src", "srcset") for key in attributes), name
        assert (attributes.get("href") or "#").startswith("#")
    contents = [a.get("content") or "" for n, a in reader.tags if n == "meta"]
    assert policy() in contents
    assert "unsafe" not in policy()
    assert "default-src 'none'" in policy()


@pytest.fixture(scope="module")
def store():  # type: ignore[no-untyped-def]
    with pql.connect(shop()) as session:
        yield session


@pytest.fixture(scope="module")
def results(store: pql.Session) -> dict[str, pql.Predictions]:
    return {
        kind: store.predict(f"{query} WITH (model = {model}, budget = '5 s', anchors = 4)")
        for kind, (query, model) in KINDS.items()
    }


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_target_has_a_whole_page(results: dict[str, pql.Predictions], kind: str, tmp_path: Path) -> None:
    result = results[kind]
    page = result.report(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert len(page.encode()) < 300_000  # of few rows; figures draw at most some hundred marks each
    reader = read(page)
    is_safe(reader)
    assert not re.search(r"https?:|//[a-z]", page.replace('xmlns="http://www.w3.org/2000/svg"', ""))
    sections = [attributes.get("id") for name, attributes in reader.tags if name == "section"]
    assert sections == list(SECTIONS)
    assert page.count("<svg") == page.count("</svg>") > 4
    assert "\\x" not in " ".join(reader.text)
    assert not {"nan", "inf"} & set(" ".join(reader.text).lower().split())
    for title in TITLES[kind]:
        assert f"<h3>{title}</h3>" in page


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_figures_are_those_of_the_metrics(results: dict[str, pql.Predictions], kind: str) -> None:
    result = results[kind]
    page = result.report()
    split = measured_split(result.metrics)
    rows = [row for row in result.metrics.rows if row.split == split]
    assert rows
    for row in rows:
        assert value_text(row) in page
    assert esc(result.metrics.verdict(), 1000) in page
    for note in result.notes:
        assert esc(note, 5000) in page


def test_the_sample_of_tested_rows_has_the_metrics_of_the_model(results: dict[str, pql.Predictions]) -> None:
    from pql.engine.quality.metrics import measure

    for kind in ("yes or no", "number", "forecast"):
        result = results[kind]
        behind = result.background()
        assert behind is not None
        checked = behind.checked
        assert checked is not None
        assert len(checked) == checked.total
        name = model_of(result.metrics)
        assert name is not None
        found = measure(checked.kind, checked.truth, checked.score)
        for metric in ("auroc", "brier", "ece", "mae", "rmse", "r2"):
            if metric in found:
                assert found[metric] == pytest.approx(result.metrics.value(name, checked.split, metric))
        assert all(len(values) == len(checked) for values in checked.keys.values())


def test_ranked_lists_keep_what_recall_is_made_of(results: dict[str, pql.Predictions]) -> None:
    result = results["ranking"]
    behind = result.background()
    assert behind is not None
    checked = behind.checked
    assert checked is not None
    k = result.plan.task.top_k
    recall = (checked.more["hits"][:, :k].sum(axis=1) / checked.truth).mean()
    name = model_of(result.metrics)
    assert name is not None
    assert recall == pytest.approx(result.metrics.value(name, checked.split, f"recall@{k}"))


def test_a_loaded_model_reports_the_same_curves(store: pql.Session, results: dict[str, pql.Predictions]) -> None:
    for kind in ("yes or no", "ranking", "time"):
        query, model = KINDS[kind]
        again = store.predict(f"{query} WITH (model = {model}, budget = '5 s', anchors = 4)")
        assert again.model.cached
        first, second = results[kind].report(), again.report()
        start, end = '<section id="curves">', '<section id="importance">'
        assert first[first.index(start) : first.index(end)] == second[second.index(start) : second.index(end)]


def test_when_a_baseline_wins_the_page_says_so_first(results: dict[str, pql.Predictions]) -> None:
    result = results["yes or no"]
    _, words = standing(result.metrics)
    page = result.report()
    assert page.index(str(esc(words))) < page.index('<section id="question">')
    rows = tuple(r for r in result.metrics.rows if r.split == "test" and r.metric == "auroc")
    worse = pql.engine.quality.metrics.MetricsTable("auroc", tuple(
        type(r)(r.model, r.role, r.split, r.metric, 0.9 if r.model == "rate" else 0.4, r.n) for r in rows
    ))  # fmt: skip
    assert standing(worse) == ("lost", "A baseline wins: rate")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_values_are_text_and_nothing_else(payload: str) -> None:
    made = tag("td", payload, title=payload)
    reader = read(made)
    assert [name for name, _ in reader.tags] == ["td"]
    assert "\x00" not in made
    assert "\x1b" not in made
    assert "\u202e" not in made


def test_hostile_names_and_values_stay_text() -> None:
    rng = np.random.default_rng(0)
    n, m = 60, 900
    ids = [f"{PAYLOADS[i % 20]}{i}" for i in range(n)]
    start = dt.datetime(2024, 1, 1)
    when = [start + dt.timedelta(minutes=int(t)) for t in np.sort(rng.integers(0, 300 * 1440, m))]
    people = pa.table({'i"d': ids, "<b>kind</b>": [PAYLOADS[i % 3] for i in range(n)]})
    facts = pa.table(
        {
            "<script>": np.arange(m),
            'i"d': [ids[int(i)] for i in rng.integers(0, n, m)],
            "at": pa.array(when, pa.timestamp("us")),
            "</style>": rng.normal(10, 2, m),
            "what": [PAYLOADS[int(i)] for i in rng.integers(0, 4, m)],
        }
    )
    with pql.connect({"<img src=x>": people, "facts": facts}) as db:
        db.key('facts."<script>"')
        db.time("facts.at")
        db.link('facts."i""d"', '"<img src=x>"."i""d"')
        query = (
            'PREDICT LAST(facts.what, 0, 20, days) FOR EACH "<img src=x>"."i""d" WITH (model = instant, anchors = 4)'
        )
        page = db.predict(query).report()
    is_safe(read(page))


def test_drift_is_told_where_there_is_some() -> None:
    rng = np.random.default_rng(0)
    old = rng.normal(0, 1, 2000)
    assert shift_of("same", old, rng.normal(0, 1, 2000)).psi < 0.03
    moved = shift_of("moved", old, rng.normal(1, 1, 2000))
    assert moved.psi > 0.5
    assert moved.ks == pytest.approx(0.38, abs=0.05)
    gone = shift_of("gone", old, np.where(np.arange(2000) % 2, np.nan, old))
    assert gone.after[-1] == pytest.approx(0.5)
    assert gone.psi > 0.5
    columns = np.stack([old, old], axis=1).astype(np.float32)
    later = np.stack([old, old + 3], axis=1).astype(np.float32)
    found = drift_of(FeatureMatrix(("a", "b"), columns), FeatureMatrix(("a", "b"), later))
    assert found is not None
    assert [(s.feature, found.level(s)) for s in found.shifts] == [("b", "much"), ("a", "little")]
    assert drift_of(FeatureMatrix(("a", "b"), columns[:5]), FeatureMatrix(("a", "b"), later)) is None


def test_no_later_row_changes_a_page() -> None:
    until = dt.datetime(2023, 12, 1)
    query = f"{CHURN} AS OF '2023-12-01' WITH (model = instant, anchors = 4, cache = off)"
    pages = []
    for tables in (shop(), shop(until)):
        with pql.connect(tables) as db:
            page = db.predict(query).report()
        pages.append(page[page.index('<section id="quality">') : page.index('<section id="time">')])
    assert pages[0] == pages[1]


def test_the_biggest_misses_are_told_with_what_the_model_goes_by(results: dict[str, pql.Predictions]) -> None:
    for kind, result in results.items():
        behind = result.background()
        assert behind is not None
        assert behind.checked is not None
        assert behind.told is not None
        at = worst(behind.checked)
        told = behind.told(at)
        assert len(told) == (0 if kind == "pairs" else len(at)), kind
    behind = results["yes or no"].background()
    assert behind is not None
    checked = behind.checked
    assert checked is not None
    miss = np.abs(checked.truth - checked.score)
    assert miss[worst(checked)[0]] == miss.max()


def test_the_command_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, table in shop().items():
        pq.write_table(table, folder / f"{name}.parquet")
    for output in (str(tmp_path / "page.html"), "-"):
        with pytest.raises(SystemExit) as done:
            main(["report", str(folder), f"{CHURN} WITH (model = rate, anchors = 3)", "-o", output, "-q"])
        assert done.value.code == 0
    page = capsys.readouterr().out
    is_safe(read(page))
    assert (tmp_path / "page.html").read_text(encoding="utf-8")[:200] == page[:200]


def test_a_file_that_cannot_be_written_says_so(results: dict[str, pql.Predictions], tmp_path: Path) -> None:
    with pytest.raises(pql.PqlError) as error:
        results["yes or no"].report(tmp_path / "nowhere" / "page.html")
    assert error.value.code == "file_not_writable"


def test_numbers_read_well_and_bins_hold_equals_together() -> None:
    assert [number(v) for v in (0.75564, 12345.6, float("nan"), -0.5, 0.0)] == [
        "0.7556",
        "12,346",
        "–",
        "−0.5000",
        "0",
    ]
    assert sum(len(at) for at in binned(np.zeros(100), most=10)) == 100
    assert len(binned(np.zeros(100), most=10)) == 1
    low, high = wilson(0.5, 100)
    assert (round(low, 2), round(high, 2)) == (0.4, 0.6)


def luminance(colour: str) -> float:
    """The relative luminance of #rrggbb or #rgb (WCAG 2)."""
    plain = colour.lstrip("#")
    plain = "".join(2 * c for c in plain) if len(plain) == 3 else plain
    parts = [int(plain[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_every_text_stands_out_in_light_dark_and_print(part: int) -> None:
    themes = re.findall(r":root\{([^}]*)\}", CSS)
    assert len(themes) == 3
    colours = dict(re.findall(r"--(\w+):(#[0-9a-f]+)", themes[part]))
    for text in ("ink", "soft", "faint", "model", "other", "bad", "good"):
        for ground in ("paper", "card"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["ink"], colours["tint"]) >= 4.5
    for shape in (BLUE, ORANGE, GREEN, GREY):
        assert contrast(shape, colours["paper"]) >= 3, shape


def test_the_script_is_short() -> None:
    assert len(JS.splitlines()) < 15
    assert "url(" not in CSS
    assert "@import" not in CSS
