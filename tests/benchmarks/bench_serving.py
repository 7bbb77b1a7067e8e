"""A related-items call on 200k items x 64, beside the bare hnswlib query on the same index, vectors and breadth.

    python -m tests.benchmarks.bench_serving [--items 200000 --dim 64 --calls 3000 --k 10]

The bar: the whole call, from an item's id to the answer with ids and titles, <= 1.5 x the bare query. The two take turns in
one process, block by block, and the medians are compared. The blend's call and other kinds are printed beside.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from engine.datasets.folder import DatasetTables
from engine.files import atomic_folder
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_files import write_snapshot
from engine.index.hnsw import HnswConfig
from engine.models.blend.scorer import FALLBACK
from engine.refresh.build import Parts, publish_generation
from engine.refresh.gate import GateConfig
from engine.registry import Registry
from engine.serving import layout
from engine.serving.blend import Blend
from engine.serving.live import Live, open_view
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping

BLOCK = 100


def made_vectors(items: int, dim: int, topics: int = 2_000) -> np.ndarray:
    """Unit vectors around topic centres, as embeddings lie."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((topics, dim)).astype(np.float32)
    vectors = centres[rng.integers(0, topics, items)] + rng.standard_normal((items, dim)).astype(np.float32) * 0.7
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def live_world(home: Path, items: int, dim: int) -> Live:
    """A published generation of made vectors over a made graph."""
    rng = np.random.default_rng(1)
    boards, edges = max(1, items // 10), items * 5
    tables = DatasetTables(
        "bench",
        items={
            "item_id": [f"item-{n}" for n in range(items)],
            "title": [f"The title of item {n}" for n in range(items)],
            "genre": [f"genre-{n % 100}" for n in range(items)],
            "year": (1900 + np.arange(items) % 120).astype(np.float64),
        },
        contexts={"context_id": [f"board-{n}" for n in range(boards)]},
        saves={
            "context_id": [f"board-{n}" for n in rng.integers(0, boards, edges)],
            "item_id": [f"item-{n}" for n in (items * rng.random(edges) ** 2).astype(int)],
        },
        item_fields={"title": "text", "genre": "categorical", "year": "numeric"},
    )
    path, facts = home / "snapshots" / "0", {}
    with atomic_folder(path, facts) as folder:
        facts.update(write_snapshot(folder, Snapshot.from_dataset(tables)))
    snapshot = Snapshot.open(path)
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    Blend(FALLBACK, 10.0, np.zeros(items, np.float32), 0.0).save(home / "blend")
    folders = {layout.BLEND: home / "blend"}
    parts = Parts(snapshot, datetime.now(UTC), made_vectors(items, dim), folders)
    started = time.perf_counter()
    published = publish_generation(
        registry, home / "generations", parts, index=HnswConfig(threads=2), gate=GateConfig()
    )
    print(f"index built, gated and published in {time.perf_counter() - started:.0f} s: {published.metrics}")
    assert open_view(published).origin.generation == published.id
    return Live(registry, lambda view: Recommender(view, GraphMapping(), methods_of(view, 0)))


def interleaved(calls: dict[str, Callable[[int], Any]], count: int) -> dict[str, float]:
    """Median microseconds a call; the calls take turns, block by block, and none is always the first to touch the vectors."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    turns = list(calls.items())
    for start in range(0, count, BLOCK):
        turns = turns[1:] + turns[:1]
        for name, call in turns:
            for at in range(start, min(start + BLOCK, count)):
                began = time.perf_counter()
                call(at)
                spent[name].append((time.perf_counter() - began) * 1e6)
    return {name: median(times) for name, times in spent.items()}


def main() -> None:
    """Print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--calls", type=int, default=3_000)
    parser.add_argument("--k", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        live = live_world(Path(folder), given.items, given.dim)
        recommender = live.recommender()
        view, k = recommender.view, given.k
        index: Any = view.indexes[0].hnsw
        bare = index.hnsw._graph
        rows = np.random.default_rng(2).integers(0, given.items, given.calls)
        ids = view.items.ids.take(rows)
        vectors = np.array(view.vectors[rows])
        print(f"{given.items:,} items x {given.dim}, k = {k}, ef = {index.hnsw.config.ef}, one thread a query")
        calls = {
            "bare hnswlib query (k + 1)": lambda at: bare.knn_query(vectors[at], k=k + 1, num_threads=1),
            "related(item)": lambda at: live.recommender().related(ids[at], k, method="pinsage"),
        }
        interleaved(calls, min(500, given.calls))
        took = interleaved(calls, given.calls)
        for name, micros in took.items():
            print(f"{name:50} {micros:10,.0f} us")
        base, ours = took.values()
        print(f"{'ratio (bar: 1.5)':50} {ours / base:10.2f} x")
        others = {
            "... by the blend": lambda at: recommender.related(ids[at], k, method="blend"),
            "... 5% pass the filter": lambda at: recommender.related(ids[at], k, where={"year": {">=": 2014}}),
            "... 50% pass the filter": lambda at: recommender.related(ids[at], k, where={"year": {">=": 1960}}),
            "... 1% pass the filter": lambda at: recommender.related(ids[at], k, where={"genre": "genre-7"}),
            "... diversity .3": lambda at: recommender.related(ids[at], k, diversity=0.3),
            "... explained": lambda at: recommender.related(ids[at], k, explain=True),
            "... three weighted items": lambda at: recommender.related({ids[at]: 2, ids[at - 1]: 1, ids[at - 2]: 1}, k),
            "... by walks": lambda at: recommender.related(ids[at], k, method="walks"),
            "... by content": lambda at: recommender.related(ids[at], k, method="content"),
        }
        for call in others.values():
            call(0)
        for name, micros in interleaved(others, min(BLOCK, given.calls)).items():
            print(f"related(item) {name:36} {micros:10,.0f} us")


if __name__ == "__main__":
    main()
