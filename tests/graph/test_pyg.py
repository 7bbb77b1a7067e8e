"""PyG's stock loader over Neo4j: the sampler, the stores, workers, and the example of docs/pyg.md as it stands there."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graph_worlds import World, write
from torch_geometric.data import TensorAttr
from torch_geometric.loader import LinkLoader, NodeLoader
from torch_geometric.nn import SAGEConv
from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling, NodeSamplerInput

from engine.errors import EmptyGraphError, InputError, UnknownNameError
from engine.graph.connection import Graph
from engine.graph.snapshot_export import export_snapshot
from engine.sampling.config import WalkConfig
from engine.sampling.provider import PrecomputedNeighbourhoods, SampledNeighbourhoods
from engine.sampling.pyg.loader import importance_weights
from engine.sampling.pyg.sampler import NEAR, ConsistentWalkSampler
from engine.sampling.pyg.stores import Neo4jFeatureStore, Neo4jGraphStore
from engine.settings import GraphMapping, Settings

pytestmark = pytest.mark.graph
MAPPING = GraphMapping()
CONFIG = WalkConfig(num_walks=40, top_t=6)
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "pyg.md"


def world(items: int = 90) -> World:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        {"item_id": f"i{n}", "price": float(n), "visual": rng.normal(size=4).astype("<f4").tobytes()}
        for n in range(items)
    ]
    rows[3] = {"item_id": "i3"}  # without any field
    saves = [(f"c{n % 9}", f"i{n}", 1, None) for n in range(items)]
    saves += [
        (f"c{n}", f"i{m}", 2, None) for n, m in zip(rng.integers(0, 9, 200), rng.integers(0, items, 200), strict=True)
    ]
    owned = [("u0", "c1"), ("u1", "c2")]
    return World(rows, [f"c{n}" for n in range(9)], ["u0", "u1"], saves=saves, follows=[("u0", "u1", 1.0)], owns=owned)


@pytest.fixture
def filled(graph: Graph) -> Graph:
    write(graph, world())
    return graph


def stores(graph: Graph, group: str | None = None) -> tuple[Neo4jFeatureStore, Neo4jGraphStore]:
    features = Neo4jFeatureStore(graph, MAPPING, {"x": ["price", "visual"]}, group=group)
    return features, Neo4jGraphStore(graph, MAPPING, CONFIG, numbers=features.numbers)


def test_a_stock_loader_gives_batches_that_a_stock_conv_takes(filled: Graph) -> None:
    features, edges = stores(filled)
    loader = NodeLoader(
        (features, edges),
        node_sampler=ConsistentWalkSampler(edges, [4, 2]),
        input_nodes=torch.arange(90),
        transform=importance_weights,
        batch_size=16,
    )
    batches = list(loader)
    assert sum(batch.batch_size for batch in batches) == 90
    batch = batches[0]
    assert batch.n_id[:16].tolist() == list(range(16))
    assert batch.x.shape == (len(batch.n_id), 5)
    prices = [0.0 if name == "i3" else float(name[1:]) for name in features.ids(batch.n_id)]
    assert batch.x[:, 0].tolist() == prices
    weights = torch.zeros(len(batch.n_id)).index_add(0, batch.edge_index[1], batch.edge_attr)
    assert torch.allclose(weights[:16], torch.ones(16))
    assert SAGEConv(5, 3)(batch.x, batch.edge_index).shape == (len(batch.n_id), 3)


def test_workers_with_connections_of_their_own_give_the_same_batches(filled: Graph) -> None:
    def batches(workers: int) -> list[Any]:
        features, edges = stores(filled)
        sampler = ConsistentWalkSampler(edges, [4])
        loader = NodeLoader(
            (features, edges),
            node_sampler=sampler,
            input_nodes=torch.arange(90),
            transform=importance_weights,
            batch_size=40,
            num_workers=workers,
            filter_per_worker=True,
        )
        return list(loader)

    for alone, by_worker in zip(batches(0), batches(2), strict=True):
        assert torch.equal(alone.n_id, by_worker.n_id)
        assert torch.equal(alone.x, by_worker.x)
        assert torch.equal(alone.edge_index, by_worker.edge_index)
        assert torch.equal(alone.edge_attr, by_worker.edge_attr)


def test_heterogeneous_batches(filled: Graph) -> None:
    features, edges = stores(filled, group="item")
    loader = NodeLoader(
        (features, edges),
        node_sampler=ConsistentWalkSampler(edges, [4]),
        input_nodes=("item", torch.tensor([5, 1])),
        transform=importance_weights,
        batch_size=2,
    )
    batch = next(iter(loader))
    assert batch["item"].n_id[:2].tolist() == [5, 1]
    assert batch["item"].batch_size == 2
    assert batch[NEAR].edge_attr.shape == (batch[NEAR].edge_index.shape[1],)
    everything = NodeLoader((features, edges), node_sampler=ConsistentWalkSampler(edges, [4]), input_nodes="item")
    assert len(everything) == 90


def test_a_live_sampler_and_a_snapshots_give_the_same_subgraph(filled: Graph, settings: Settings) -> None:
    _, edges = stores(filled)
    walked = export_snapshot(filled, settings).walk_graph()
    asked = NodeSamplerInput(None, torch.tensor([7, 7, 40]), torch.tensor([1, 2, 3]))
    found = [
        ConsistentWalkSampler(provider, [6, 3]).sample_from_nodes(asked)
        for provider in (edges, SampledNeighbourhoods(walked, CONFIG), PrecomputedNeighbourhoods.of(walked, CONFIG))
    ]
    for other in found[1:]:
        assert torch.equal(found[0].node, other.node)
        assert torch.equal(found[0].row, other.row)
        assert torch.equal(found[0].edge, other.edge)
    assert found[0].node[:3].tolist() == [7, 7, 40]
    assert found[0].num_sampled_nodes[0] == 3
    assert sum(found[0].num_sampled_nodes) == len(found[0].node)
    assert sum(found[0].num_sampled_edges) == len(found[0].row)
    assert found[0].metadata[1].tolist() == [1, 2, 3]


def test_a_stock_link_loader_gives_pairs(filled: Graph) -> None:
    features, edges = stores(filled)
    pairs = torch.tensor([[3, 5, 5], [9, 3, 5]])
    sampler = ConsistentWalkSampler(edges, [3])
    loader = LinkLoader(
        (features, edges), link_sampler=sampler, edge_label_index=(None, pairs), edge_label=torch.ones(3), batch_size=3
    )
    batch = next(iter(loader))
    assert torch.equal(batch.n_id[batch.edge_label_index], pairs)
    with pytest.raises(InputError, match="without negatives"):
        sampler.sample_from_edges(EdgeSamplerInput(None, *pairs), NegativeSampling("binary"))


def test_whole_edge_indices_are_there_for_those_who_want_them(filled: Graph) -> None:
    features, edges = stores(filled)
    row, col = edges.get_edge_index(("context", "saves", "item"), "coo")
    assert len(row) == len(col) == 290
    assert int(col.max()) < len(features.numbers.table)
    row, col = edges.get_edge_index(("user", "follows", "user"), "coo")
    assert len(row) == 1


def test_the_stores_survive_pickling_and_know_sizes(filled: Graph) -> None:
    features, edges = stores(filled)
    other_features, other_edges = pickle.loads(pickle.dumps((features, edges)))
    assert torch.equal(
        other_features.get_tensor(None, "x", torch.tensor([3])), features.get_tensor(None, "x", torch.tensor([3]))
    )
    assert features.get_tensor_size(TensorAttr(None, "x")) == (90, 5)
    assert features.index_of(["i5", "nobody"]).tolist()[1] == -1
    assert features.get_tensor(None, "x", slice(0, 3)).shape == (3, 5)
    assert np.array_equal(other_edges.neighbourhoods(np.array([4])).idx, edges.neighbourhoods(np.array([4])).idx)
    other_features._graph.close()


def test_what_the_stores_cannot_do_is_refused(filled: Graph) -> None:
    features, edges = stores(filled)
    with pytest.raises(InputError, match="read-only"):
        features.put_tensor(torch.zeros(90, 1), None, "x", None)
    with pytest.raises(InputError, match="read-only"):
        features.remove_tensor(None, "x", None)
    with pytest.raises(InputError, match="read-only"):
        edges.put_edge_index((torch.zeros(1), torch.zeros(1)), ("context", "saves", "item"), "coo")
    with pytest.raises(InputError, match="read-only"):
        edges.remove_edge_index(("context", "saves", "item"), "coo")
    with pytest.raises(InputError, match="node index 90"):
        features.get_tensor(None, "x", torch.tensor([90]))
    with pytest.raises(UnknownNameError, match="'y'"):
        features.get_tensor(None, "y", torch.tensor([0]))
    with pytest.raises(InputError, match="neither a number nor a vector"):
        Neo4jFeatureStore(filled, MAPPING, {"x": ["item_id"]}).get_tensor(None, "x", torch.tensor([0]))
    with pytest.raises(InputError, match="fan_out"):
        ConsistentWalkSampler(edges, [])


def test_vectors_of_several_widths_are_refused(filled: Graph) -> None:
    filled.write("MATCH (i:Item {item_id: 'i9'}) SET i.visual = [1.0, 2.0]")
    with pytest.raises(InputError, match="several widths"):
        stores(filled)[0].get_tensor(None, "x", torch.arange(90))


def test_an_empty_graph_has_nothing_to_number(graph: Graph) -> None:
    with pytest.raises(EmptyGraphError):
        stores(graph)[0].get_tensor(None, "x", torch.tensor([0]))


def test_the_example_of_the_guide_runs_and_learns(
    filled: Graph, neo4j_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, more = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    monkeypatch.setenv("ENGINE_GRAPH_URI", str(neo4j_settings.graph.uri))
    monkeypatch.setenv("ENGINE_GRAPH_PASSWORD", neo4j_settings.graph.password.get_secret_value())
    monkeypatch.setenv("ENGINE_HOME", str(neo4j_settings.home / "guide"))
    names: dict[str, Any] = {}
    exec(compile(code + more, str(GUIDE), "exec"), names)
    before, after = re.search(r"loss (\S+) -> (\S+)", capsys.readouterr().out).groups()  # type: ignore[union-attr]
    assert float(after) < float(before)
    names["graph"].close()
