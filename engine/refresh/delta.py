"""A generation made from the one before it and what changed: written aside, checked, published. Knows no model.

What is the same is shared with the parent by hard links, so that it costs no disk, and a reader that has the parent open
neither checks nor loads it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import open_array, patch_from
from engine.errors import InputError, NotReadyError, TrainingError
from engine.files import atomic_folder, link_folder, read_manifest
from engine.graph.snapshot import NodeTable, Snapshot
from engine.index.hnsw import HnswConfig
from engine.index.layered import HNSW, LayeredIndex
from engine.index.recall import asked_of
from engine.refresh.build import facts_of, failing
from engine.refresh.gate import GateConfig, advanced_index, check_finite, check_unit, checked_index
from engine.refresh.state import Patch
from engine.registry import Generation, Registry
from engine.registry.leases import Lease
from engine.serving import layout
from engine.serving.view import View
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class Delta:
    """What differs from the parent.

    Attributes:
        snapshot: with a folder of its own, of the parent's lineage: no row has moved, and new ones are at the end.
        as_of: the graph was read at this time or later.
        rows: int32 `[C]`, increasing: the item rows whose vectors differ. Every new row is among them. Nothing where the
            parent has no vectors.
        vectors: float32 `[C, d]`; those of dead rows do not matter.
        write_state: fills the new generation's `layout.STATE` folder, which is there and empty; files that are linked
            from the parent's are not summed again. None where there is no state to keep.
        certificate: see `Generation`.
        metrics: what was measured before; the parent's other figures are kept.
        rebuilt: corpus number -> an index over the new vectors that takes the place of the parent's, built beside.
        users: the users whose vectors differ, new ones among them, where the parent has vectors of users.
    """

    snapshot: Snapshot
    as_of: datetime
    rows: IndexArray
    vectors: FloatArray
    write_state: Callable[[Path], None] | None = None
    certificate: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    rebuilt: Mapping[int, LayeredIndex] = field(default_factory=dict)
    users: UserRows | None = None


@dataclass(frozen=True, slots=True)
class UserRows:
    """Vectors of users that differ from the parent's.

    Attributes:
        count: how many users there are.
        patch: rows and their vectors.
    """

    count: int
    patch: Patch


def write_delta(
    registry: Registry,
    parent: View,
    delta: Delta,
    folder: Path,
    *,
    index: HnswConfig,
    gate: GateConfig,
    lease: Lease | None = None,
    cause: str = "refresh",
) -> Generation:
    """Write a delta of `parent` below `folder`, gate it and let it serve in its parent's place.

    A process that dies here leaves the last generation serving; the next call begins a new one.

    Args:
        index: how the index of a new corpus is built.
        lease: must still be held when it is published.

    Raises:
        NotReadyError: the parent is of an older format.
        InputError: the rows do not fit the parent, or the snapshot is of another lineage.
        TrainingError: the delta does not pass the gate.
        LeaseLostError, SupersededError: see `Generations.publish`; the delta is gone then.
        DiskFullError: no space left.
    """
    if parent.facts["format"] != layout.FORMAT:
        raise NotReadyError(
            f"generation {parent.origin.generation} has an older format that nothing can be added to",
            hint="Run `engine build` once.",
        )
    snapshot = delta.snapshot
    assert snapshot.path is not None
    check_lineage(parent.items, snapshot.items)
    if parent.has_vectors:
        check_finite(delta.vectors, snapshot.items.alive, delta.rows)
        if delta.users is None:
            check_unit(delta.vectors, snapshot.items.alive, delta.rows)
    if delta.users is not None and not np.isfinite(delta.users.patch.values).all():
        raise TrainingError("the gate: the vector of a user is not finite")
    before = registry.generations.get(parent.origin.generation)
    generation = registry.generations.begin(
        kind="delta",
        parent=before.id,
        watermark=snapshot.watermark,
        as_of=delta.as_of,
        config=before.config,
        snapshot_path=snapshot.path.resolve(),
        folder=folder.resolve(),
        model=before.model,
        seed=before.seed,
        training=before.training,
        slot=before.slot,
    )
    with failing(registry, generation):
        metrics = {**before.metrics, **delta.metrics, **_write(generation, parent, delta, index, gate)}
        files = read_manifest(generation.path, what="generation")["files"]
        registry.generations.ready(generation.id, metrics=metrics, files=files, certificate=delta.certificate)
        return registry.generations.publish(generation.id, cause=cause, lease=lease, replaces=before.id)


def check_lineage(before: NodeTable, items: NodeTable) -> None:
    """Refuse items whose rows are not those of the generation before.

    Raises:
        InputError: a row or a corpus stands for another one, or there are fewer rows.
    """
    if items.corpora[: len(before.corpora)] != before.corpora:
        raise InputError(f"the snapshot has the corpora {items.corpora}, its parent {before.corpora}")
    if len(items) < len(before):
        raise InputError(f"the snapshot has {len(items):,} item rows, fewer than the {len(before):,} of its parent")
    kept = items.alive[: len(before)]
    moved = np.flatnonzero(kept & (items.key[: len(before)] != before.key))
    if len(moved):
        raise InputError(f"item row {int(moved[0])} is another item than in the parent: rows never move")


def _write(generation: Generation, parent: View, delta: Delta, config: HnswConfig, gate: GateConfig) -> dict[str, Any]:
    items = delta.snapshot.items
    kept = {name: parent.facts[name] for name in ("default_method", "config", "vectors") if name in parent.facts}
    metrics: dict[str, Any] = {"items": items.num_alive}
    with atomic_folder(generation.path, facts_of(generation, items.corpora, kept), parents=[parent.folder]) as folder:
        _patch_keys(folder, parent, items)
        if parent.has_vectors:
            metrics |= _write_vectors(folder, parent, delta, config, gate)
        for name in (layout.MODEL, layout.BLEND):
            if (parent.folder / name).is_dir():
                link_folder(parent.folder / name, folder / name)
        if delta.write_state is not None:
            (folder / layout.STATE).mkdir()
            delta.write_state(folder / layout.STATE)
    return metrics


def _write_vectors(folder: Path, parent: View, delta: Delta, config: HnswConfig, gate: GateConfig) -> dict[str, Any]:
    items = delta.snapshot.items
    rows = _patch_vectors(folder, parent, delta)
    vectors, known, queries = open_array(folder, layout.VECTORS), items.alive, None
    if delta.users is not None:
        changed = delta.users.patch
        patch_from(parent.folder, layout.USER_VECTORS, folder, delta.users.count, changed.rows, changed.values)
        known = np.asarray(vectors.any(axis=1))
        queries = asked_of(open_array(folder, layout.USER_VECTORS), vectors)
    made = [
        _made_index(parent, delta, number, vectors, known, rows, config, gate, queries)
        for number in range(len(items.corpora))
    ]
    if (found := sum(len(one.index) for one in made)) != (wanted := int(known.sum())):
        raise TrainingError(f"the gate: {wanted:,} items but {found:,} in the indexes")
    for number, one in enumerate(made):
        one.index.save(layout.index_folder(folder, number), one.graph)
    return {
        "ann_recall": min((one.recall for one in made), default=1.0),
        "changed": len(rows),
        "beside_index": sum(len(one.index.layers.segment) for one in made),
        "hidden_in_index": sum(len(one.index.layers.hidden) for one in made),
    }


@dataclass(frozen=True, slots=True)
class _Made:
    """An index and, where it shares its graph with the parent, the folder of that."""

    index: LayeredIndex
    recall: float
    graph: Path | None


def _made_index(
    parent: View,
    delta: Delta,
    number: int,
    vectors: FloatArray,
    known: NDArray[np.bool_],
    rows: IndexArray,
    config: HnswConfig,
    gate: GateConfig,
    queries: FloatArray | None,
) -> _Made:
    items = delta.snapshot.items
    corpus, live = items.corpora[number], (items.corpus == number) & known
    before = delta.rebuilt.get(number, parent.indexes.get(number))
    if before is None:
        own = np.flatnonzero(live)
        graph, recall = checked_index(vectors[own], own, config, gate, corpus=corpus, queries=queries)
        return _Made(LayeredIndex.of(graph, vectors), recall, None)
    index, recall = advanced_index(before, vectors, live, rows, gate, corpus=corpus, queries=queries)
    shared = number in parent.indexes and index.hnsw is parent.indexes[number].hnsw
    return _Made(index, recall, layout.index_folder(parent.folder, number) / HNSW if shared else None)


def _patch_vectors(folder: Path, parent: View, delta: Delta) -> IndexArray:
    """Write the vectors; those of rows that died become zeros. Returns the rows that differ from the parent."""
    items, before = delta.snapshot.items, len(parent.items)
    died = np.flatnonzero(parent.items.alive & ~items.alive[:before])
    rows = np.union1d(delta.rows, died).astype(np.int32)
    values = np.zeros((len(rows), parent.vectors.shape[1]), np.float32)
    values[np.searchsorted(rows, delta.rows)] = delta.vectors
    values[~items.alive[rows]] = 0
    patch_from(parent.folder, layout.VECTORS, folder, len(items), rows, values)
    return rows


def _patch_keys(folder: Path, parent: View, items: NodeTable) -> None:
    before = len(parent.items)
    changed = np.flatnonzero(items.key[:before] != parent.items.key)
    rows = np.concatenate([changed, np.arange(before, len(items))])
    patch_from(parent.folder, layout.ITEM_KEYS, folder, len(items), rows, items.key[rows])
