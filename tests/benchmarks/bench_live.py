"""Neighbourhoods of 64 live seeds by Cypher on a 2M-edge graph, first with nothing kept, then warm.

    python -m tests.benchmarks.bench_live [--items 200000 --contexts 20000 --edges 2000000]

The bar: 64 seeds warm in 2 s. Warm means that other seeds were asked for before, so that popular lists are kept; the 64
themselves are new each time. The peer is the same walk in plain Cypher round trips with nothing kept (`capacity=0`).
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from engine.sampling.config import WalkConfig
from engine.sampling.live import LiveSampler
from tests.benchmarks.loaded_graph import loaded_graph

SEEDS = 64


def main() -> None:
    """Print the seconds for 64 seeds each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--contexts", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=2_000_000)
    given = parser.parse_args()
    with loaded_graph(given.items, given.contexts, given.edges) as (graph, settings):
        rng = np.random.default_rng(1)

        def seeds() -> list[str]:
            return [f"item-{n}" for n in rng.integers(0, given.items, SEEDS)]

        def timed(sampler: LiveSampler, ids: list[str]) -> float:
            before, started = sampler.round_trips, time.perf_counter()
            sampler.neighbourhoods(ids)
            taken = time.perf_counter() - started
            print(f"    {taken:.2f} s, {sampler.round_trips - before} round trips")
            return taken

        forgetful = LiveSampler(graph, settings.graph.mapping, WalkConfig(), capacity=0)
        sampler = LiveSampler(graph, settings.graph.mapping, WalkConfig())
        print("nothing kept:")
        cold = [timed(forgetful, seeds()) for _ in range(4)]
        print("kept from other seeds:")
        warm = [timed(sampler, seeds()) for _ in range(8)]
        asked = seeds()
        timed(sampler, asked)
        print("the same seeds again:")
        again = timed(sampler, asked)
        middle, bare = float(np.median(warm[3:])), float(np.median(cold[1:]))
        print(
            f"64 live seeds: warm {middle:.2f} s, nothing kept {bare:.2f} s ({bare / middle:.1f} x), again {again:.3f} s"
        )


if __name__ == "__main__":
    main()
