"""Layer-wise embedding of 1M x 128 nodes, two layers, T = 50, beside scatter-based PyG and per-batch recomputation.

    python -m tests.benchmarks.bench_embedding [--nodes 1000000 --threads 2 --peer-nodes 20000]

The bars: 15 s and 6 GiB of resident memory. The peers are slow, so they embed fewer nodes; rates are compared.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from engine.embedding.layerwise import embed_all
from engine.models.pinsage.config import PinSageConfig
from engine.models.pinsage.model import PinSage
from engine.types import Neighbourhoods

WIDTH, TOP = 128, 50


def made(nodes: int) -> tuple[Tensor, Neighbourhoods]:
    """Random inputs, and neighbours drawn by rank^-0.7 as walks find them."""
    rng = np.random.default_rng(0)
    share = rng.random((nodes, TOP), dtype=np.float32) ** (1 / 0.3)
    idx = np.minimum((share * nodes).astype(np.int32), nodes - 1)
    weight = rng.random((nodes, TOP), dtype=np.float32)
    weight /= weight.sum(axis=1, keepdims=True)
    return torch.from_numpy(rng.standard_normal((nodes, WIDTH), dtype=np.float32)), Neighbourhoods(idx, weight)


def layerwise(model: PinSage, inputs: Tensor, around: Neighbourhoods) -> np.ndarray:
    """What the engine does."""
    return embed_all(
        model,
        lambda block: inputs[block],
        lambda block: Neighbourhoods(around.idx[block], around.weight[block]),
        len(inputs),
    )


@torch.no_grad()
def scatter(model: PinSage, inputs: Tensor, around: Neighbourhoods) -> np.ndarray:
    """PyG's own message passing over all edges."""
    nodes = len(inputs)
    edges = torch.stack(
        [torch.from_numpy(around.idx.astype(np.int64)).flatten(), torch.arange(nodes).repeat_interleave(TOP)]
    )
    weight, hidden = torch.from_numpy(around.weight).flatten(), inputs
    for layer in model.layers:
        hidden = layer.over_edges(hidden, edges, weight)
    return model.head(hidden, inputs).numpy()


@torch.no_grad()
def recomputed(model: PinSage, inputs: Tensor, around: Neighbourhoods, batch: int = 256) -> np.ndarray:
    """Batch by batch, with every batch computing its own neighbours again."""
    out = np.empty((len(inputs), WIDTH), dtype=np.float32)
    first, second = model.layers
    for at in range(0, len(inputs), batch):
        own = np.arange(at, min(at + batch, len(inputs)))
        below = np.concatenate([own, around.idx[own].ravel()])
        deepest = np.unique(np.concatenate([below, around.idx[below].ravel()]))
        own_at, around_at = (torch.from_numpy(np.searchsorted(deepest, r)) for r in (below, around.idx[below]))
        weight = torch.from_numpy(around.weight)
        hidden = first(inputs[deepest], own_at, around_at, weight[below])
        neighbours = torch.arange(len(own), len(below)).view(len(own), TOP)
        top = second(hidden, torch.arange(len(own)), neighbours, weight[own])
        out[own] = model.head(top, inputs[own]).numpy()
    return out


def timed(
    run: Callable[[PinSage, Tensor, Neighbourhoods], np.ndarray], nodes: int, model: PinSage
) -> tuple[float, float, np.ndarray]:
    """Seconds by the clock and of processor time of a second run, after one that touches the memory."""
    inputs, around = made(nodes)
    run(model, inputs, around)
    started, processor = time.perf_counter(), time.process_time()
    out = run(model, inputs, around)
    return time.perf_counter() - started, time.process_time() - processor, out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--peer-nodes", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    model = PinSage(PinSageConfig(), vocabulary=1, dense=0, items=0).eval()
    alike = {}
    rates = {}
    for run in (layerwise, scatter, recomputed):
        seconds, _, alike[run.__name__] = timed(run, chosen.peer_nodes, model)
        rates[run.__name__] = chosen.peer_nodes / seconds
        print(f"{run.__name__:12} {chosen.peer_nodes:>9,} nodes {seconds:7.2f} s {rates[run.__name__]:>10,.0f} nodes/s")
    for name in ("scatter", "recomputed"):
        assert np.allclose(alike["layerwise"], alike[name], atol=1e-4), name
        print(f"layerwise is {rates['layerwise'] / rates[name]:.1f} x {name}")
    seconds, processor, _ = timed(layerwise, chosen.nodes, model)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"layerwise    {chosen.nodes:>9,} nodes {seconds:7.2f} s (bar 15 s), {processor:.2f} s of processor time on "
        f"{chosen.threads} threads, peak {peak:.1f} GiB resident (bar 6 GiB)"
    )


if __name__ == "__main__":
    main()
