"""Encoders: fitted on rows at or before the cut, plain data, the same from run to run."""

import json

import numpy as np
import pytest
from fake_graphs import DAY, coded, node, number, shop, stamp, without_later

from pql.engine.graph.encode import (
    FIRST,
    MISSING,
    UNKNOWN,
    Encoders,
    bind_readers,
    fit_encoders,
    fit_number,
    fit_table,
    tokens,
)
from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.language.catalog import Stype
from pql.language.errors import PqlError


def one_table(*columns, time=None):
    return node("t", np.zeros(len(columns[0].data), np.int64) if time is None else time, *columns)


def test_numbers_are_standardised_with_a_flag_for_missing():
    x = np.array([1.0, 2.0, 3.0, np.nan, 4.0])
    out = fit_number("x", x).encode(x)
    assert out[3].tolist() == [0.0, 1.0]
    assert out[:, 1].sum() == 1
    assert abs(out[[0, 1, 2, 4], 0].mean()) < 1e-6
    assert np.isfinite(out).all()


def test_a_heavy_tail_is_taken_by_its_logarithm_and_an_outlier_is_clipped():
    x = np.exp(np.random.default_rng(0).normal(0, 2, 1000))
    encoder = fit_number("x", x)
    assert encoder.log
    assert np.abs(encoder.encode(np.array([1e300, -1e300]))).max() <= 5
    assert not fit_number("x", np.arange(100.0)).log


@pytest.mark.parametrize("x", [np.full(4, np.nan), np.full(4, 7.0), np.zeros(0), np.array([np.inf, -np.inf, 1.0])])
def test_degenerate_numbers_are_encoded_without_nan(x):
    assert np.isfinite(fit_number("x", x).encode(np.array([7.0, np.nan, 1e30, np.inf]))).all()


def test_categories_know_the_values_met_by_the_cut():
    time = np.array([0, 0, 1, 1, 1, 9, 9, 9])
    column = coded("c", Stype.CATEGORY, ["a", "b", "b", "a", "b", "new", "new", None], time)
    encoder = fit_table(one_table(column, time=time), 5, ())
    assert encoder.categories[0].vocabulary == ("b", "a")
    reader = bind_readers(Encoders((encoder,)), TemporalGraph((one_table(column, time=time),), (), 0))[0]
    assert reader.categories(np.arange(8))[:, 0].tolist() == [
        FIRST + 1, FIRST, FIRST, FIRST + 1, FIRST, UNKNOWN, UNKNOWN, MISSING,
    ]  # fmt: skip


def test_the_vocabulary_maps_by_value_not_by_code():
    before = one_table(coded("c", Stype.CATEGORY, ["a", "a", "b", "b"], np.arange(4)))
    after = one_table(coded("c", Stype.CATEGORY, ["b", "a", "x"], np.arange(3)))
    encoders = Encoders((fit_table(before, 10, ()),))
    reader = bind_readers(encoders, TemporalGraph((after,), (), 0))[0]
    assert reader.categories(np.arange(3))[:, 0].tolist() == [FIRST + 1, FIRST, UNKNOWN]


def test_masked_columns_get_no_encoder():
    graph = shop()
    encoders = fit_encoders(graph, 300 * DAY, {("orders", "amount"), ("orders", "channel"), ("items", "title")})
    assert encoders.tables[1].numbers == encoders.tables[1].categories == encoders.tables[2].texts == ()


def test_text_is_hashed_the_same_everywhere():
    assert tokens("Red cup, red CUP!")[:4] == [420, 3791, 420, 3791]
    assert tokens("") == []
    assert len(tokens("word " * 1000)) <= 48


def test_timestamps_and_texts_are_read_by_row():
    graph = shop()
    readers = bind_readers(fit_encoders(graph, 300 * DAY), graph)
    assert readers[0].timestamps(np.arange(3))[:, 0].tolist() == graph.nodes[0].column("born").data[:3].tolist()
    (ids, offsets), *_ = readers[2].texts(np.array([0, 0, 1]))
    assert ids[: offsets[1]].tolist() == ids[offsets[1] : offsets[2]].tolist()


@pytest.mark.parametrize("scramble", [None, 5])
def test_rows_after_the_cut_leave_the_state_identical(scramble):
    graph, cut = shop(), 200 * DAY
    state = fit_encoders(graph, cut).to_json()
    assert fit_encoders(without_later(graph, cut, scramble=scramble), cut).to_json() == state
    assert fit_encoders(graph, 300 * DAY).to_json() != state


def test_the_state_is_plain_json_that_reads_back():
    encoders = fit_encoders(shop(), 200 * DAY)
    assert Encoders.from_json(json.loads(json.dumps(encoders.to_json()))) == encoders


def test_a_lost_column_is_a_coded_error():
    full = one_table(number("x", [1.0, 2.0]), stamp("s", [0, ALWAYS]))
    encoders = Encoders((fit_table(full, 10, ()),))
    with pytest.raises(PqlError, match="model_mismatch"):
        bind_readers(encoders, TemporalGraph((one_table(number("x", [1.0])),), (), 0))
