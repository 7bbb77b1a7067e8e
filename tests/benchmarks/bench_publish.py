"""Readers beside deltas of 200k items that are published one after another: what a flip costs those who ask.

    python -m tests.benchmarks.bench_publish [--items 200000 --changed 1000 --flips 6 --readers 2]

The bar: no failed query, and none that takes more than 100 ms longer for a flip. Each reader is a process of its own that asks
one question after another; the deltas come from another process, as from a scheduler.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.index.hnsw import HnswConfig
from engine.refresh.delta import Delta, write_delta
from engine.refresh.gate import GateConfig
from engine.registry import Registry
from engine.serving.live import Live, open_view
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping
from tests.benchmarks.bench_serving import live_world
from tests.benchmarks.untrained import now, percentile

PAUSE_S, NEAR_S = 2.0, 0.6
"""Between two flips; and how near to one a query counts as beside it."""


def read(home: Path, items: int) -> None:
    """Ask until there is a file `stop`; print each question's start and seconds, and when each generation first answered."""
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    live = Live(registry, lambda view: Recommender(view, GraphMapping(), methods_of(view, 0)))
    rng = np.random.default_rng()
    began, took, first, failed = [], [], {}, 0
    live.recommender().related("item-1", 10)
    (home / f"reading-{time.time_ns()}").touch()
    while not (home / "stop").exists():
        item, start = f"item-{rng.integers(items)}", time.time()
        try:
            answer = live.recommender().related(item, 10)
            failed += len(answer.items) != 10
            first.setdefault(answer.generation, time.time())
        except EngineError as error:
            print(error, file=sys.stderr)
            failed += 1
        began.append(start)
        took.append(time.time() - start)
    live.close()
    print(json.dumps({"began": began, "took": took, "first": first, "failed": failed}))


def publish(home: Path, changed: int, flips: int) -> dict[str, float]:
    """Publish deltas in which some vectors moved a little; generation -> when it was published."""
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    serving = registry.generations.serving()
    assert serving is not None
    view, rng, at = open_view(serving), np.random.default_rng(7), {}
    for _ in range(flips):
        rows = np.sort(rng.choice(len(view.items), changed, replace=False)).astype(np.int32)
        vectors = view.vectors[rows] + 0.02 * rng.standard_normal((changed, view.vectors.shape[1]), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        delta = Delta(view.snapshot, now(), rows, vectors)
        made = write_delta(registry, view, delta, home / "generations", index=HnswConfig(), gate=GateConfig())
        at[made.id] = time.time()
        view = open_view(made, view)
        time.sleep(PAUSE_S)
    registry.close()
    return at


def main() -> None:
    """Print how long queries took beside flips and at other times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--changed", type=int, default=1_000)
    parser.add_argument("--flips", type=int, default=6)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read is not None:
        read(given.read, given.items)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        live_world(home, given.items, 64)
        command = [sys.executable, "-m", "tests.benchmarks.bench_publish", "--read", folder]
        command += ["--items", str(given.items)]
        readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(given.readers)]
        while len(list(home.glob("reading-*"))) < given.readers:
            time.sleep(0.1)
        time.sleep(PAUSE_S)
        flipped = publish(home, given.changed, given.flips)
        (home / "stop").touch()
        report(flipped, [json.loads(reader.communicate()[0].splitlines()[-1]) for reader in readers])


def report(flipped: dict[str, float], readers: list[dict]) -> None:
    """Print what the readers saw."""
    beside, apart, seen = [], [], []
    for reader in readers:
        began, took = np.array(reader["began"]), np.array(reader["took"])
        near = np.zeros(len(began), bool)
        for generation, at in flipped.items():
            near |= (began > at - NEAR_S) & (began < at + NEAR_S)
            seen.append(reader["first"][generation] - at)
        beside += took[near].tolist()
        apart += took[~near].tolist()
    failed = sum(reader["failed"] for reader in readers)
    for name, seconds in {"beside a flip": beside, "at other times": apart}.items():
        print(
            f"{name:16} {len(seconds):7,} queries: p50 {1e3 * percentile(seconds, 50):6.2f} ms,"
            f" p99 {1e3 * percentile(seconds, 99):6.2f} ms, longest {1e3 * max(seconds):6.1f} ms"
        )
    print(f"failed: {failed}; the new generation answers after {np.median(seen):.2f} s, {max(seen):.2f} s at most")


if __name__ == "__main__":
    main()
