"""Layer-wise embedding computes each node once a layer, in blocks, in memory or on disk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.embedding import layerwise
from engine.embedding.layerwise import embed_all
from engine.embedding.new_items import embed_new
from engine.errors import DiskFullError, InputError
from engine.types import FloatArray, Neighbourhoods

NODES, DIM, WIDTH = 50, 4, 3


class CountingLayer:
    """A convolution that counts the rows it computes."""

    def __init__(self, counts: Counter[str], name: str) -> None:
        torch.manual_seed(len(name))
        self.linear, self.counts, self.name = nn.Linear(2 * DIM, DIM), counts, name

    def messages(self, inputs: Tensor) -> Tensor:
        self.counts[self.name + " messages"] += len(inputs)
        return torch.relu(inputs)

    def update_nodes(self, own: Tensor, pooled: Tensor) -> Tensor:
        self.counts[self.name + " nodes"] += len(own)
        return torch.tanh(self.linear(torch.cat([own, pooled], dim=1)))


class CountingModel:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.layers = [CountingLayer(self.counts, "first"), CountingLayer(self.counts, "second")]
        self.dim = self.hidden = DIM

    def head(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        self.counts["head"] += len(hidden)
        return hidden + inputs


RNG = np.random.default_rng(0)
H0 = torch.from_numpy(RNG.normal(size=(NODES, DIM)).astype(np.float32))
AROUND = Neighbourhoods(
    RNG.integers(0, NODES, (NODES, WIDTH)).astype(np.int32),
    np.full((NODES, WIDTH), 1 / WIDTH, dtype=np.float32),
)
AROUND.idx[7] = -1
AROUND.weight[7] = 0


def rows(which: slice | FloatArray) -> Neighbourhoods:
    return Neighbourhoods(AROUND.idx[which], AROUND.weight[which])


def embed(model: CountingModel, path: Path | None = None) -> FloatArray:
    return embed_all(model, lambda block: H0[block], rows, NODES, path)


def plainly(model: CountingModel) -> FloatArray:
    hidden = H0
    with torch.no_grad():
        for layer in model.layers:
            sent = torch.relu(hidden)[np.maximum(AROUND.idx, 0)]
            pooled = (sent * torch.from_numpy(AROUND.weight)[:, :, None]).sum(dim=1)
            hidden = torch.tanh(layer.linear(torch.cat([hidden, pooled], dim=1)))
        return (hidden + H0).numpy()


def test_each_node_is_computed_once_a_layer_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layerwise, "BLOCK", 8)
    model = CountingModel()
    assert np.allclose(embed(model), plainly(model), atol=1e-6)
    assert set(model.counts.values()) == {NODES}
    assert len(model.counts) == 5


def test_arrays_on_disk_give_the_same_and_the_result_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = embed(CountingModel())
    monkeypatch.setattr(layerwise, "IN_MEMORY_BYTES", 0)
    found = embed(CountingModel(), tmp_path / "out.npy")
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, expected)
    assert [p.name for p in tmp_path.iterdir()] == ["out.npy"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    embed(CountingModel(), path)
    before = path.read_bytes()

    def full(block: slice) -> Neighbourhoods:
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFullError, match=r"out\.npy"):
        embed_all(CountingModel(), lambda block: H0[block], full, NODES, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.npy"]


def test_a_node_embedded_as_new_equals_itself_in_the_whole() -> None:
    model = CountingModel()
    chosen = np.array([3, 7, 40])
    found = embed_new(model, H0[chosen], rows(chosen), lambda r: H0[r], rows)
    assert np.allclose(found, plainly(model)[chosen], atol=1e-6)
    with pytest.raises(InputError, match="neighbourhoods"):
        embed_new(model, H0[chosen], rows(chosen[:2]), lambda r: H0[r], rows)
