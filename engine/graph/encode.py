"""Encoders by semantic type, fitted on rows at or before a cut, and the numbers they make of a table's rows.

number: standardised (sign·log1p first where heavy-tailed), clipped, with a flag for missing. category: a vocabulary of
the values seen by the cut, the rest unknown. timestamp: its age at the anchor; a value later than the anchor is hidden,
since nothing tells when it was filled in. text: hashed words and character trigrams. Masked columns are skipped.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.graph.key_index import as_text
from pql.engine.graph.temporal import ALWAYS, NodeColumn, NodeTable, TemporalGraph
from pql.language.catalog import Stype
from pql.language.errors import PqlError

CLIP = 5.0  # standard deviations
MIN_COUNT = 2  # rows a value needs by the cut to be in the vocabulary
MAX_VOCABULARY = 5_000
UNKNOWN, MISSING, FIRST = 0, 1, 2  # codes of values outside the vocabulary, of NULL, and of its first value
BUCKETS = 4_096
MAX_TOKENS = 48
SAMPLE = 200_000  # rows statistics are taken from, evenly spaced


@dataclass(frozen=True, slots=True)
class NumberEncoder:
    """x → clip((t(x) - center) / scale), where t is sign·log1p|x / unit| if `log`, else the identity."""

    name: str
    center: float
    scale: float
    log: bool
    unit: float

    def encode(self, data: NDArray[np.float64]) -> NDArray[np.float32]:
        """float32[n, 2]: the value (0 where missing) and 1 where missing."""
        known = np.isfinite(data)
        x = np.where(known, data, 0.0)
        if self.log:
            x = np.sign(x) * np.log1p(np.abs(x) / self.unit)
        z = np.clip((x - self.center) / self.scale, -CLIP, CLIP)
        return np.stack([np.where(known, z, 0.0), ~known], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class CategoryEncoder:
    """Value → code: its place in the vocabulary (commonest first) + FIRST, MISSING for NULL, else UNKNOWN."""

    name: str
    vocabulary: tuple[str, ...]

    @property
    def size(self) -> int:
        return FIRST + len(self.vocabulary)

    def lookup(self, column: NodeColumn) -> NDArray[np.int64]:
        """int64[len(values) + 1]: the code of every value of the column; the last entry stands for -1 (NULL)."""
        codes = np.full(_count(column) + 1, UNKNOWN, np.int64)
        codes[-1] = MISSING
        if len(codes) > 1 and self.vocabulary:
            places = pc.index_in(_strings(column), value_set=pa.array(self.vocabulary, pa.string()))
            found = np.asarray(places.fill_null(-1))
            codes[:-1] = np.where(found >= 0, found + FIRST, UNKNOWN)
        return codes


@dataclass(frozen=True, slots=True)
class TimestampEncoder:
    """The age of the value at the anchor (`engine.nn.hetero.TimeEncoding` makes features of it)."""

    name: str


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """Text → hashed words and trigrams, at most MAX_TOKENS of them, each below BUCKETS."""

    name: str


@dataclass(frozen=True, slots=True)
class TableEncoder:
    """The encoders of one node table. `timed`: some row of it by the cut has a time of its own."""

    table: str
    timed: bool
    numbers: tuple[NumberEncoder, ...]
    categories: tuple[CategoryEncoder, ...]
    timestamps: tuple[TimestampEncoder, ...]
    texts: tuple[TextEncoder, ...]


@dataclass(frozen=True, slots=True)
class Encoders:
    """The fitted encoders of all node tables, in the graph's order."""

    tables: tuple[TableEncoder, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Plain JSON that `Encoders.from_json` takes back."""
        return [asdict(table) for table in self.tables]

    @classmethod
    def from_json(cls, value: Sequence[dict[str, Any]]) -> Encoders:
        return cls(
            tuple(
                TableEncoder(
                    t["table"],
                    t["timed"],
                    tuple(NumberEncoder(**e) for e in t["numbers"]),
                    tuple(CategoryEncoder(e["name"], tuple(e["vocabulary"])) for e in t["categories"]),
                    tuple(TimestampEncoder(**e) for e in t["timestamps"]),
                    tuple(TextEncoder(**e) for e in t["texts"]),
                )
                for t in value
            )
        )


def _count(column: NodeColumn) -> int:
    return 0 if column.values is None else len(column.values)


def _strings(column: NodeColumn) -> pa.Array:
    values = pa.array([], pa.string()) if column.values is None else column.values
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    return as_text(values)


def fit_number(name: str, data: NDArray[np.float64]) -> NumberEncoder:
    """A robust standardiser of the finite values, of their logarithm where a tail is far longer than the middle."""
    x = data[np.isfinite(data)]
    if len(x) > SAMPLE:
        x = x[np.linspace(0, len(x) - 1, SAMPLE).astype(np.int64)]
    if not len(x):
        return NumberEncoder(name, 0.0, 1.0, False, 1.0)
    q05, q25, q50, q75, q95 = np.quantile(x, [0.005, 0.25, 0.5, 0.75, 0.995])
    spread = max(q75 - q25, 1e-9 * max(1.0, abs(q50)))
    log = bool(max(q95 - q50, q50 - q05) > 8 * spread)
    magnitudes = np.abs(x[x != 0])
    unit = float(np.median(magnitudes)) if log and len(magnitudes) else 1.0
    if log:
        x = np.sign(x) * np.log1p(np.abs(x) / unit)
    low, high = np.quantile(x, [0.005, 0.995])
    x = np.clip(x, low, high)
    center, scale = float(x.mean()), float(x.std())
    if not np.isfinite(scale) or scale <= 1e-12 * max(1.0, abs(center)):
        scale = 1.0
    return NumberEncoder(name, center, scale, log, unit)


def fit_category(column: NodeColumn, codes: NDArray[np.int32]) -> CategoryEncoder:
    """The vocabulary of the given rows' codes: values met MIN_COUNT times or more, commonest first, ties by value."""
    counts = np.bincount(codes[codes >= 0], minlength=_count(column))
    kept = np.flatnonzero(counts >= MIN_COUNT)
    if not len(kept):
        return CategoryEncoder(column.name, ())
    strings = _strings(column).take(pa.array(kept)).to_pylist()
    totals: dict[str, int] = {}
    for value, count in zip(strings, counts[kept].tolist(), strict=True):
        if value is not None:
            totals[value] = totals.get(value, 0) + count
    ranked = sorted(totals, key=lambda value: (-totals[value], value))
    return CategoryEncoder(column.name, tuple(ranked[:MAX_VOCABULARY]))


def fit_table(node: NodeTable, cut: int, masked: Collection[tuple[str, str]]) -> TableEncoder:
    """The encoders of one table, from its rows with time <= cut only."""
    known = node.time <= cut
    numbers, categories, timestamps, texts = [], [], [], []
    for column in node.columns:
        if (node.name, column.name) in masked:
            continue
        if column.stype == Stype.NUMBER:
            numbers.append(fit_number(column.name, column.data[known]))
        elif column.stype == Stype.CATEGORY:
            categories.append(fit_category(column, column.data[known]))
        elif column.stype == Stype.TIMESTAMP:
            timestamps.append(TimestampEncoder(column.name))
        elif column.stype == Stype.TEXT:
            texts.append(TextEncoder(column.name))
    timed = bool((node.time[known] != ALWAYS).any())
    return TableEncoder(node.name, timed, tuple(numbers), tuple(categories), tuple(timestamps), tuple(texts))


def fit_encoders(graph: TemporalGraph, cut: int, masked: Collection[tuple[str, str]] = ()) -> Encoders:
    """The encoders of every table. Rows later than `cut` (µs) have no influence; `masked` columns get no encoder."""
    return Encoders(tuple(fit_table(node, cut, masked) for node in graph.nodes))


_WORD = re.compile(r"\w+")


def tokens(text: str) -> list[int]:
    """The hashed words and word-bounded character trigrams of a text, in order, at most MAX_TOKENS."""
    out: list[int] = []
    words = _WORD.findall(text.lower())[:MAX_TOKENS]
    out.extend(zlib.crc32(b"w" + word.encode()) % BUCKETS for word in words)
    for word in words:
        if len(out) >= MAX_TOKENS:
            break
        bounded = f"<{word}>"
        out.extend(zlib.crc32(b"c" + bounded[i : i + 3].encode()) % BUCKETS for i in range(len(bounded) - 2))
    return out[:MAX_TOKENS]


class TableReader:
    """A table encoder bound to the rows of a node table: what the network reads of any set of rows.

    Lookups are made once; texts are hashed when first met and remembered.
    """

    def __init__(self, encoder: TableEncoder, node: NodeTable) -> None:
        self.encoder = encoder
        self.node = node
        present = {column.name: column for column in node.columns}
        wanted = [e.name for group in (encoder.numbers, encoder.categories) for e in group]
        wanted += [e.name for group in (encoder.timestamps, encoder.texts) for e in group]
        lost = [name for name in wanted if name not in present]
        if lost:
            raise PqlError(
                "model_mismatch",
                f"the model reads {node.name}.{lost[0]}, which the data no longer has",
                hint="Train again, or restore the column.",
            )
        self._numbers = [(e, present[e.name].data) for e in encoder.numbers]
        self._categories = [(e.lookup(present[e.name]), present[e.name].data) for e in encoder.categories]
        self._timestamps = [present[e.name].data for e in encoder.timestamps]
        self._texts = [present[e.name] for e in encoder.texts]
        self._hashed: list[dict[int, list[int]]] = [{-1: []} for _ in encoder.texts]

    def numbers(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32[n, 2·columns]: each number column's value and missing flag."""
        if not self._numbers:
            return np.zeros((len(rows), 0), np.float32)
        return np.concatenate([encoder.encode(data[rows]) for encoder, data in self._numbers], axis=1)

    def categories(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n, columns]: the code of each category column."""
        if not self._categories:
            return np.zeros((len(rows), 0), np.int64)
        return np.stack([lookup[data[rows]] for lookup, data in self._categories], axis=1)

    def timestamps(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n, columns]: µs, ALWAYS for NULL."""
        if not self._timestamps:
            return np.zeros((len(rows), 0), np.int64)
        return np.stack([data[rows] for data in self._timestamps], axis=1)

    def texts(self, rows: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """For each text column: the tokens of all n rows in a run, and int64[n + 1] offsets into them."""
        out = []
        for column, hashed in zip(self._texts, self._hashed, strict=True):
            codes = column.data[rows].tolist()
            for code in codes:
                if code not in hashed:
                    value = column.values[code].as_py() if column.values is not None else None
                    hashed[code] = [] if value is None else tokens(str(value))
            runs = [hashed[code] for code in codes]
            offsets = np.zeros(len(runs) + 1, np.int64)
            np.cumsum([len(run) for run in runs], out=offsets[1:])
            out.append((np.array([token for run in runs for token in run], np.int64), offsets))
        return out


def bind_readers(encoders: Encoders, graph: TemporalGraph) -> tuple[TableReader, ...]:
    """One reader per node table; PqlError `model_mismatch` if the graph lacks a table or column the encoders know."""
    if [t.table for t in encoders.tables] != [node.name for node in graph.nodes]:
        raise PqlError(
            "model_mismatch",
            f"the model was trained on the tables {', '.join(t.table for t in encoders.tables)}, "
            f"the graph has {', '.join(node.name for node in graph.nodes)}",
            hint="Train again.",
        )
    return tuple(TableReader(encoder, node) for encoder, node in zip(encoders.tables, graph.nodes, strict=True))
