"""Refreshes of models about users and items beside embedding and indexing everything by the same model; no graph server.

    python -m tests.benchmarks.bench_model_refresh [--users 100000 --items 50000 --edges 1000000 --follows 300000]

The models were never trained, which is the same work. Each refresh is timed from the change set to the published delta, in a
process that has the parent open, as a scheduler has; then everything is embedded from nothing and compared.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from engine.embedding.kept import EXACT
from engine.files import atomic_folder
from engine.graph.changes import Changes, EdgeChanges, NodeChanges
from engine.graph.changes_columns import EdgeColumns, EdgeKeys
from engine.graph.connection import Graph
from engine.graph.snapshot import NO_TIME, IdColumn, NodeTable, Relations, Snapshot
from engine.graph.snapshot_apply import apply_changes
from engine.graph.snapshot_columns import node_table
from engine.graph.snapshot_csr import relation
from engine.graph.snapshot_files import write_snapshot
from engine.models.diffnet.config import DiffnetSettings
from engine.models.diffnet.files import Trained, save_model
from engine.models.diffnet.graph import Roots
from engine.models.diffnet.model import Diffnet, Sizes
from engine.models.factors.als import AlsSettings
from engine.models.learned import Learned, save_learned
from engine.models.lightgcn.config import LightGcnSettings
from engine.models.row_embedder import SIDES, Joined, embed_all
from engine.models.user_methods import find_user_method
from engine.refresh.delta import write_delta
from engine.refresh.gate import GateConfig
from engine.refresh.model import INDEX
from engine.refresh.row_follow import as_served, difference
from engine.refresh.row_state import RowState
from engine.refresh.user_model import remake_user_model
from engine.refresh.user_subject import UserSubject
from engine.registry import Generation, Registry
from engine.serving import layout
from engine.serving.live import open_view
from engine.settings import GateSettings, Settings
from tests.benchmarks.bench_refresh import drawn_by_rank
from tests.benchmarks.untrained import now

DIM = 64
RECALL = 0.3
"""Vectors of an untrained model lie close together: an index that found more of them would take longer than a real one."""


def world(home: Path, users: int, items: int, edges: int, follows: int) -> Snapshot:
    """Users who have items, some of which many have, and follow each other."""
    rng = np.random.default_rng(1)
    people, things = (
        node_table([f"user-{n}" for n in range(users)])[0],
        node_table([f"item-{n}" for n in range(items)])[0],
    )
    nobody, none = node_table([])[0], np.empty(0, np.int32)
    relations = Relations(
        saves=relation(0, items, none, none),
        interactions=relation(users, items, rng.integers(0, users, edges), drawn_by_rank(rng, items, edges)),
        follows=relation(users, users, rng.integers(0, users, follows), rng.integers(0, users, follows)),
        owns=relation(users, 0, none, none),
    )
    facts: dict[str, Any] = {}
    with atomic_folder(home / "snapshots" / "0", facts) as folder:
        facts.update(write_snapshot(folder, Snapshot(None, 0, things, nobody, people, relations)))
    return Snapshot.open(home / "snapshots" / "0")


def untrained_lightgcn(snapshot: Snapshot, folder: Path) -> None:
    """Random vectors, and the degrees as they are."""
    rng, edges = np.random.default_rng(2), snapshot.relations.interactions
    ids, arrays = _ids(snapshot), {}
    for name, side, lists in (("user", "users", edges.forward), ("item", "items", edges.backward)):
        for part in ("own", "sent"):
            arrays[f"{name}_{part}"] = rng.standard_normal((len(ids[side]), DIM)).astype(np.float32)
        arrays[f"{name}_degree"] = np.maximum(lists.degrees(), 1).astype(np.float32)
    save_learned(folder, "lightgcn", Learned(asdict(LightGcnSettings()), ids, arrays, {}))


def untrained_als(snapshot: Snapshot, folder: Path) -> None:
    """Random vectors of items."""
    vectors = 0.3 * np.random.default_rng(2).standard_normal((len(snapshot.items), DIM))
    learned = Learned(asdict(AlsSettings(dim=DIM)), _ids(snapshot), {"items": vectors.astype(np.float32)}, {})
    save_learned(folder, "als", learned)


def untrained_diffnet(snapshot: Snapshot, folder: Path) -> None:
    """Random weights, two layers."""
    settings, ids = DiffnetSettings.from_flat({"dim": DIM, "layers": 2}), _ids(snapshot)
    torch.manual_seed(2)
    model = Diffnet(settings.network, Sizes(len(ids["users"]), len(ids["items"])))
    taken, follows = snapshot.relations.interactions, snapshot.relations.follows
    sent = Roots.counted(taken.forward.degrees(), follows.backward.degrees(), taken.backward.degrees())
    save_model(folder, Trained(model.eval(), settings, None, (ids["users"], ids["items"]), sent, {}))


MODELS: dict[str, Callable[[Snapshot, Path], None]] = {
    "lightgcn": untrained_lightgcn,
    "als": untrained_als,
    "diffnet": untrained_diffnet,
}


def _ids(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    return {side: tuple(getattr(snapshot, side).ids) for side in SIDES}


def changes(snapshot: Snapshot, count: int, seed: int) -> Changes:
    """New interactions between nodes that are there, and a fifth as many follows."""
    rng, users, items = np.random.default_rng(seed), snapshot.users, snapshot.items
    user, item = rng.integers(0, len(users), count), rng.integers(0, len(items), count)
    follower, followed = (rng.integers(0, len(users), count // 5) for _ in range(2))
    rev = snapshot.watermark + 1

    def nodes(table: NodeTable, rows: np.ndarray) -> NodeChanges:
        return NodeChanges(node_table(table.ids.take(np.unique(rows)))[0])

    def edges(source: list[str], target: list[str]) -> EdgeChanges:
        size = len(source)
        times, values = np.full(size, NO_TIME, np.int64), np.full(size, np.nan, np.float32)
        columns = EdgeColumns(IdColumn(source), IdColumn(target), np.full(size, rev), times, values)
        return EdgeChanges(columns, EdgeKeys(IdColumn([]), IdColumn([]), np.empty(0, np.int64)))

    return Changes(
        snapshot.watermark,
        rev,
        None,
        items=nodes(items, item),
        contexts=NodeChanges(node_table([])[0]),
        users=nodes(users, np.concatenate([user, follower, followed])),
        saves=edges([], []),
        interactions=edges(users.ids.take(user), items.ids.take(item)),
        follows=edges(users.ids.take(follower), users.ids.take(followed)),
        owns=edges([], []),
    )


def measure(home: Path, snapshot: Snapshot, model: str, counts: list[int]) -> None:
    """Print one model's refreshes beside a remake."""
    settings = Settings(home=home, gate=GateSettings(ann_recall=RECALL), threads=1)
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    config: dict[str, Any] = {"model": model, "seed": 0, "settings": {}}
    learned = registry.generations.begin(
        watermark=0, as_of=now(), config=config, snapshot_path=snapshot.path, folder=home / "learned", slot=model
    )
    learned.path.mkdir(parents=True)
    MODELS[model](snapshot, learned.path / layout.MODEL)
    started = time.perf_counter()
    made = remake_user_model(registry, snapshot, now(), settings, learned)
    parent = registry.generations.publish(made.id)
    remake = time.perf_counter() - started
    view = open_view(parent)
    subject = UserSubject(registry, cast(Graph, None), settings, view)
    gate = GateConfig(ann_recall=RECALL)
    print(f"{model}: everything embedded and indexed in {remake:.1f} s")
    for number, count in enumerate([1, *counts]):  # the first loads what is compiled
        told, target = changes(snapshot, count, number), home / "snapshots" / f"{model}-{count}"
        took, last = {}, time.perf_counter()
        for step in ("apply", "embed", "publish"):
            if step == "apply":
                applied = apply_changes(view.snapshot, told, target)
            elif step == "embed":
                advanced = subject.advance(applied, now(), EXACT)
                assert advanced is not None
            else:
                index = replace(INDEX, threads=1)
                delta = write_delta(registry, view, advanced.delta, home / "generations", index=index, gate=gate)
            took[step], last = time.perf_counter() - last, time.perf_counter()
        if number:
            seconds = sum(took.values())
            steps = ", ".join(f"{step} {its:.2f} s" for step, its in took.items())
            print(
                f"  {count:,} interactions and {count // 5:,} follows: {seconds:.2f} s ({steps}), {remake / seconds:.0f} x"
                f" cheaper; {advanced.counts['embedded']:,} embedded, {advanced.counts['users']:,} users and"
                f" {advanced.counts['items']:,} items moved; largest difference {_difference(delta, applied.snapshot):.1e}"
            )
            print(f"    {advanced.plan}", flush=True)
        registry.generations.rollback(parent.id, slot=model)
        registry.generations.delete(delta.id)
        shutil.rmtree(delta.path)
        shutil.rmtree(target)
    registry.close()


def _difference(delta: Generation, snapshot: Snapshot) -> float:
    """The largest `difference` from embedding everything."""
    joined, embedder = Joined.in_snapshot(snapshot, delta.as_of), find_user_method(delta.slot).embedder
    state = RowState.open(delta.path)
    assert embedder is not None
    assert state is not None
    exact = embed_all(embedder(delta.path / layout.MODEL, joined), joined)[-1]
    kept = state.vectors({side: len(joined.nodes[side]) for side in SIDES})
    served = {side: as_served(exact[side], joined.nodes[side].alive) for side in SIDES}
    return max(float(difference(served[side], kept[side], joined.every()[side]).max()) for side in SIDES)


def main() -> None:
    """Print each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--follows", type=int, default=300_000)
    parser.add_argument("--changes", type=int, nargs="+", default=[10, 100, 1_000])
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = world(Path(folder), given.users, given.items, given.edges, given.follows)
        for model in MODELS:
            measure(Path(folder), snapshot, model, given.changes)


if __name__ == "__main__":
    main()
