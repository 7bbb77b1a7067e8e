"""Walks and top 50 together on 1M items, 200k contexts, 10M edges, beside vectorised NumPy and torch walks on the graph.

    python -m tests.benchmarks.bench_walks [--items 1000000 --contexts 200000 --edges 10000000 --seeds 100000]

Popularity follows rank^-0.7. The bars: 100 k seeds/s on two threads, and 6 x the better of the vectorised walks; torch has as many threads as we.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from engine.graph.snapshot_csr import relation
from engine.sampling.config import WalkConfig
from engine.sampling.walks import neighbourhoods
from engine.types import CSR, ItemContextGraph


def power_law_graph(items: int, contexts: int, edges: int, seed: int = 0) -> ItemContextGraph:
    """Edges between contexts drawn evenly and items drawn by rank^-0.7."""
    rng = np.random.default_rng(seed)
    mass = np.cumsum(np.arange(1, items + 1) ** -0.7)
    drawn = np.searchsorted(mass, rng.random(edges) * mass[-1]).astype(np.int32)
    item = rng.permutation(items).astype(np.int32)[np.minimum(drawn, items - 1)]
    context = rng.integers(0, contexts, edges, dtype=np.int32)
    saves = relation(contexts, items, context, item, rev=np.arange(edges) // 10_000)
    keys = np.sort(rng.integers(0, 1 << 64, items, dtype=np.uint64))
    return ItemContextGraph(
        saves.backward, saves.forward, keys, np.sort(rng.integers(0, 1 << 64, contexts, dtype=np.uint64))
    )


def numpy_walk(graph: ItemContextGraph, seeds: NDArray[np.int32], config: WalkConfig, block: int = 1_024) -> int:
    """The same walk as a NumPy user would write it: all walkers of a block at once, counts by sorting."""
    rng = np.random.default_rng(0)
    kept = 0

    def hop(csr: CSR, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        first = csr.indptr[rows]
        degree = csr.indptr[rows + 1] - first
        return csr.indices[first + (rng.random(len(rows)) * degree).astype(np.int64)]

    for at in range(0, len(seeds), block):
        starts = seeds[at : at + block]
        start = np.repeat(starts, config.num_walks)
        current, seen = start, []
        for _ in range(config.walk_length):
            current = np.where(rng.random(len(start)) < config.restart, start, current)
            current = hop(graph.context_to_item, hop(graph.item_to_context, current))
            seen.append(current)
        owner = np.tile(np.repeat(np.arange(len(starts)), config.num_walks), config.walk_length)
        pairs, count = np.unique(owner * graph.num_items + np.concatenate(seen), return_counts=True)
        owner = pairs // graph.num_items
        order = np.lexsort((-count, owner))
        place = np.arange(len(order)) - np.searchsorted(owner, owner)
        kept += int((place < config.top_t).sum()) + int(order[0] < 0)
    return kept


@torch.no_grad()
def torch_walk(graph: ItemContextGraph, seeds: NDArray[np.int32], config: WalkConfig, block: int = 1_024) -> int:
    """The same walk as a torch user would write it, in torch's own threads."""
    generator = torch.Generator().manual_seed(0)
    items, contexts = (
        (torch.from_numpy(csr.indptr), torch.from_numpy(csr.indices))
        for csr in (graph.item_to_context, graph.context_to_item)
    )
    kept = 0

    def hop(csr: tuple[torch.Tensor, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
        first = csr[0][rows]
        degree = csr[0][rows + 1] - first
        return csr[1][first + (torch.rand(len(rows), generator=generator) * degree).long()].long()

    for at in range(0, len(seeds), block):
        starts = torch.from_numpy(seeds[at : at + block]).long()
        start = starts.repeat_interleave(config.num_walks)
        current, seen = start, []
        for _ in range(config.walk_length):
            back = torch.rand(len(start), generator=generator) < config.restart
            current = hop(contexts, hop(items, torch.where(back, start, current)))
            seen.append(current)
        owner = torch.arange(len(starts)).repeat_interleave(config.num_walks).repeat(config.walk_length)
        pairs, count = torch.unique(owner * graph.num_items + torch.cat(seen), return_counts=True)
        owner = pairs // graph.num_items
        order = torch.argsort(owner * (count.max() + 1) + count.max() - count)
        place = torch.arange(len(order)) - torch.searchsorted(owner, owner)
        kept += int((place < config.top_t).sum()) + int(order[0] < 0)
    return kept


def main() -> None:
    """Print seeds/s of each, and the ratio to the better peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--contexts", type=int, default=200_000)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--seeds", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    graph = power_law_graph(given.items, given.contexts, given.edges)
    print(f"largest degree {graph.item_to_context.degrees().max():,}")
    config = WalkConfig()
    rng = np.random.default_rng(1)
    connected = np.flatnonzero(graph.item_to_context.degrees())
    seeds = rng.choice(connected, given.seeds, replace=False).astype(np.int32)
    neighbourhoods(graph, seeds[:2_000], config, threads=given.threads)
    numpy_walk(graph, seeds[:2_000], config)
    torch_walk(graph, seeds[:2_000], config)
    few = seeds[: max(1, len(seeds) // 10)]
    runs: dict[str, tuple[int, int, Callable[[], object]]] = {
        "ours": (len(seeds), given.threads, lambda: neighbourhoods(graph, seeds, config, threads=given.threads)),
        "NumPy": (len(few), 1, lambda: numpy_walk(graph, few, config)),
        "torch": (len(few), given.threads, lambda: torch_walk(graph, few, config)),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    alone: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(3):
        for name, (count, threads, run) in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            rates[name].append(count / (time.perf_counter() - wall))
            alone[name].append(count * threads / (time.process_time() - processor))
    print(f"walks + top {config.top_t}, {given.threads} threads, seeds/s")
    for title, found in (("by the clock", rates), ("by the processor time of all threads, as on idle cores", alone)):
        print(title)
        for name, figures in found.items():
            print(f"    {name:6} {', '.join(f'{rate:,.0f}' for rate in figures)}")
        ours, *peers = (sorted(figures)[1] for figures in found.values())
        print(f"    ratio of the medians to the better peer: {ours / max(peers):.1f} x")


if __name__ == "__main__":
    main()
