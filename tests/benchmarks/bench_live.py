"""Neighbourhoods of 64 live seeds by Cypher on a 2M-edge graph.

    python -m tests.benchmarks.bench_live [--items 200000 --contexts 20000 --edges 2000000]

The bar: 64 seeds warm in 2 s. The server's page cache is warm throughout; what differs is our own store of neighbour lists:
*in use* it holds the lists that other seeds needed before (the 64 are new each time), *empty* it holds none yet, and the
peer keeps nothing even between hops (`capacity=0`).
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from engine.graph.connection import Graph
from engine.sampling.config import WalkConfig
from engine.sampling.live import DEFAULT_CAPACITY, LiveSampler
from engine.settings import GraphMapping
from tests.benchmarks.loaded_graph import loaded_graph

SEEDS = 64


def measure(graph: Graph, mapping: GraphMapping, items: int) -> None:
    """Print the seconds for 64 seeds each."""
    rng = np.random.default_rng(1)

    def seeds() -> list[str]:
        return [f"item-{n}" for n in rng.integers(0, items, SEEDS)]

    def timed(sampler: LiveSampler, ids: list[str]) -> float:
        before, started = sampler.round_trips, time.perf_counter()
        sampler.neighbourhoods(ids)
        taken = time.perf_counter() - started
        print(f"    {taken:.2f} s, {sampler.round_trips - before} round trips", flush=True)
        return taken

    def sampler(capacity: int = DEFAULT_CAPACITY) -> LiveSampler:
        return LiveSampler(graph, mapping, WalkConfig(), capacity=capacity)

    print("to warm the server's page cache:")
    for _ in range(2):
        timed(sampler(), seeds())
    print("nothing kept:")
    forgetful = [timed(sampler(capacity=0), seeds()) for _ in range(3)]
    print("an empty store of lists:")
    empty = [timed(sampler(), seeds()) for _ in range(3)]
    print("a store in use:")
    kept = sampler()
    used = [timed(kept, seeds()) for _ in range(9)]
    print("the same seeds again:")
    asked = seeds()
    timed(kept, asked)
    again = timed(kept, asked)
    bare, cold, warm = (float(np.median(times)) for times in (forgetful, empty, used[4:]))
    print(
        f"{SEEDS} live seeds: in use {warm:.2f} s, empty {cold:.2f} s, nothing kept {bare:.2f} s "
        f"({bare / warm:.1f} x), again {again:.3f} s"
    )


def main() -> None:
    """Load the graph and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--contexts", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=2_000_000)
    given = parser.parse_args()
    with loaded_graph(given.items, given.contexts, given.edges) as (graph, settings):
        measure(graph, settings.graph.mapping, given.items)


if __name__ == "__main__":
    main()
