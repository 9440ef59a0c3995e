"""The fast path and PyTorch Geometric's modules give the same numbers."""

import warnings

import numpy as np
import pytest
from fake_graphs import DAY, shop

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("torch_geometric")

from pql.engine.graph.encode import bind_readers, fit_encoders  # noqa: E402
from pql.engine.graph.sample import sample  # noqa: E402
from pql.engine.nn.hetero import HeteroNetwork, collate, describe  # noqa: E402
from pql.engine.nn.reference import reference_forward, to_hetero_data  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def trees_of(graph, table=0, neighbors=(5, 4), n=40):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(graph.nodes[table]), n)
    return sample(graph, rows, rng.integers(100, 400, n) * DAY, neighbors, table=table)


@pytest.mark.parametrize("table", [0, 1, 2])
@pytest.mark.parametrize("neighbors", [(5,), (5, 4), (4, 3, 2)])
def test_fast_path_equals_hetero_conv_of_sage_conv(table, neighbors):
    graph = shop()
    trees = trees_of(graph, table, neighbors)
    encoders = fit_encoders(graph, 300 * DAY)
    torch.manual_seed(0)
    network = HeteroNetwork(describe(graph, encoders, hidden=16, layers=2, unit=30.0)).double()
    batch = collate(trees, bind_readers(encoders, graph))
    batch = in_double(batch)
    with torch.no_grad():
        fast, reference = network(batch), reference_forward(network, graph, trees, batch)
    assert fast.abs().max() > 0.1
    torch.testing.assert_close(fast, reference, rtol=1e-9, atol=1e-9)


def in_double(batch):
    from dataclasses import replace

    return replace(
        batch,
        tables={t: replace(v, numbers=v.numbers.double()) for t, v in batch.tables.items()},
        blocks=tuple(replace(b, ages=b.ages.double(), counts=b.counts.double()) for b in batch.blocks),
    )


def test_a_sample_is_to_be_had_as_hetero_data():
    graph = shop()
    trees = trees_of(graph)
    data = to_hetero_data(graph, trees)
    data.validate()
    assert data["users"].n_id.tolist() == trees.blocks[0].rows.tolist()
    assert set(data.edge_types) == {("orders", "orders.user", "users"), ("items", "rev_orders.item", "orders")}
    source, target = data["orders", "orders.user", "users"].edge_index
    assert (data["orders"].batch[source] == data["users"].batch[target]).all()
    assert (data["orders"].time <= torch.from_numpy(trees.anchors)[data["orders"].batch]).all()
