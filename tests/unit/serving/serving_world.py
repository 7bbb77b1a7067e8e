"""A small world with known topics, opened as a generation that the test published itself: no server and no training."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.folder import DatasetTables
from engine.files import atomic_folder
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_files import write_snapshot
from engine.index.hnsw import HnswConfig
from engine.refresh.build import Parts, publish_generation
from engine.refresh.gate import GateConfig
from engine.registry import Generation, Registry

TOPICS = ("jazz", "rock", "folk")
AS_OF = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """A data set and each item's topic."""

    tables: DatasetTables
    topic: dict[str, int]


def make_world(per_topic: int = 60, seed: int = 0) -> World:
    """Three topics; each board and each user keeps to one, but for the user "both" who likes the first two."""
    rng = np.random.default_rng(seed)
    topic = {f"{name}-{n}": t for t, name in enumerate(TOPICS) for n in range(per_topic)}
    ids = list(topic)
    saves: list[tuple[str, str, int]] = []
    for t, name in enumerate(TOPICS):
        own = [i for i in ids if topic[i] == t]
        for board in range(20):
            for item in rng.choice(own, 8, replace=False):
                saves.append((f"board-{name}-{board}", str(item), 1_700_000_000_000 + len(saves)))
    seen = [("both", f"jazz-{n}", 1_700_000_000_000 + n) for n in range(9)]
    seen += [("both", f"rock-{n}", 1_700_000_000_000 + n) for n in range(3)]
    for name in TOPICS:
        seen += [(f"user-{name}-{n}", f"{name}-{m % per_topic}", 5) for n in range(10) for m in range(n, n + 5)]
    tables = DatasetTables(
        "world",
        items={
            "item_id": [*ids, *(f"ad-{n}" for n in range(12)), "lonely"],
            "corpus": ["organic"] * len(ids) + ["ads"] * 12 + ["organic"],
            "title": [f"All about {i}" for i in ids] + [f"Buy {n}" for n in range(12)] + [None],
            "genre": [TOPICS[topic[i]] + ("|live" if i.endswith("0") else "") for i in ids] + [""] * 13,
            "year": [1950 + int(i.split("-")[1]) for i in ids] + [None] * 13,
        },
        contexts={
            "context_id": [f"board-{name}-{n}" for name in TOPICS for n in range(20)],
            "title": [f"My {name} {n}" for name in TOPICS for n in range(20)],
            "owner_id": [f"user-{name}-{n % 10}" for name in TOPICS for n in range(20)],
        },
        users={"user_id": ["both", "nobody", *(f"user-{name}-{n}" for name in TOPICS for n in range(10))]},
        saves=dict(zip(("context_id", "item_id", "time"), map(list, zip(*saves, strict=True)), strict=True)),
        interactions=dict(zip(("user_id", "item_id", "time"), map(list, zip(*seen, strict=True)), strict=True)),
        item_fields={"title": "text", "genre": "categorical", "year": "numeric"},
        context_fields={"title": "text"},
    )
    return World(tables, topic)


def topic_vectors(snapshot: Snapshot, topic: dict[str, int], dim: int = 16, seed: int = 0) -> np.ndarray:
    """Unit vectors near their topic's axis; ads take turns, what has no topic is on an axis of its own."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 0.15, (len(snapshot.items), dim)).astype(np.float32)
    for row, item_id in enumerate(snapshot.items.ids):
        at = topic.get(item_id, int(item_id.split("-")[1]) % 3 if item_id.startswith("ad-") else 4)
        vectors[row, at] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def publish(registry: Registry, home: Path, world: World, **parts: Any) -> Generation:
    """Write a snapshot folder and a generation of made vectors, and let it serve."""
    snapshot = Snapshot.from_dataset(world.tables)
    path = home / "snapshots" / f"{len(registry.generations.list())}"
    facts: dict[str, Any] = {}
    with atomic_folder(path, facts) as folder:
        facts.update(write_snapshot(folder, snapshot))
    opened = Snapshot.open(path)
    given = {"vectors": topic_vectors(opened, world.topic), "as_of": AS_OF, **parts}
    return publish_generation(
        registry, home / "generations", Parts(opened, **given), index=HnswConfig(), gate=GateConfig()
    )
