"""A whole generation from a snapshot and its vectors: written aside, checked, published. Knows no model and no training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import write_base
from engine.errors import EmptyGraphError, EngineError
from engine.files import atomic_folder, link_folder, read_manifest
from engine.graph.snapshot import Snapshot
from engine.index.hnsw import HnswConfig
from engine.index.layered import LayeredIndex
from engine.refresh.gate import GateConfig, check_finite, check_floor, check_unit, checked_index
from engine.registry import Generation, Registry
from engine.serving import layout
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class Parts:
    """What a generation is made of.

    Attributes:
        snapshot: with a folder of its own, which the generation refers to.
        as_of: the graph was read at this time or later.
        vectors: float32 `[N, d]`, one row an item of the snapshot.
        folders: name in the generation's folder -> a folder to put there (`layout.MODEL`, `layout.BLEND`). Its files
            are shared, so they must never change.
        write_state: fills the generation's `layout.STATE` folder, which the first refresh begins with.
        config: how it was made, JSON-able.
        metrics: what was measured before.
        default_method: the ranking method where a query names none.
        training: number of the training run that made the model, where there was one.
    """

    snapshot: Snapshot
    as_of: datetime
    vectors: FloatArray
    folders: dict[str, Path] = field(default_factory=dict)
    write_state: Callable[[Path], None] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    default_method: str = "pinsage"
    training: int | None = None


def publish_generation(
    registry: Registry, folder: Path, parts: Parts, *, index: HnswConfig, gate: GateConfig
) -> Generation:
    """Write a generation below `folder`, gate it and let it serve; see `make_generation`.

    A process that dies here leaves the last generation serving; the next call begins a new one.
    """
    return registry.generations.publish(make_generation(registry, folder, parts, index=index, gate=gate).id)


def make_generation(
    registry: Registry, folder: Path, parts: Parts, *, index: HnswConfig, gate: GateConfig
) -> Generation:
    """Write a generation below `folder` and gate it. It is ready to serve, and does not yet.

    Raises:
        EmptyGraphError: there is no item.
        TrainingError: the generation does not pass the gate.
        DiskFullError: no space left.
    """
    snapshot = parts.snapshot
    if not snapshot.items.num_alive:
        raise EmptyGraphError("the graph has no items", hint="Load a data set with `engine ingest DIR`.")
    assert snapshot.path is not None
    generation = registry.generations.begin(
        watermark=snapshot.watermark,
        as_of=parts.as_of,
        config=parts.config,
        snapshot_path=snapshot.path.resolve(),
        folder=folder.resolve(),
        training=parts.training,
        model=parts.config.get("model"),
        seed=parts.config.get("seed"),
    )
    with failing(registry, generation):
        serving = registry.generations.serving()
        if serving is not None:
            check_floor(parts.metrics, serving.metrics, gate.metric_drop)
        check_finite(parts.vectors, snapshot.items.alive)
        check_unit(parts.vectors, snapshot.items.alive)
        metrics = _write(generation, parts, index, gate)
        files = read_manifest(generation.path, what="generation")["files"]
        return registry.generations.ready(generation.id, metrics=metrics, files=files)


@contextmanager
def failing(registry: Registry, generation: Generation) -> Iterator[None]:
    """Mark a generation failed and remove its folder where the block ends in an error."""
    try:
        yield
    except BaseException as error:
        registry.generations.fail(
            generation.id, str(error).splitlines()[0] if isinstance(error, EngineError) else repr(error)
        )
        shutil.rmtree(generation.path, ignore_errors=True)
        raise


def _write(generation: Generation, parts: Parts, config: HnswConfig, gate: GateConfig) -> dict[str, Any]:
    items = parts.snapshot.items
    facts = facts_of(generation, items.corpora, {"default_method": parts.default_method, "config": parts.config})
    recalls = [1.0]
    with atomic_folder(generation.path, facts) as folder:
        write_base(folder, layout.VECTORS, np.asarray(parts.vectors, np.float32))
        write_base(folder, layout.ITEM_KEYS, items.key)
        for number, corpus in enumerate(items.corpora):
            rows = np.flatnonzero(items.corpus == number)
            built, recall = checked_index(np.asarray(parts.vectors[rows]), rows, config, gate, corpus=corpus)
            LayeredIndex.of(built, parts.vectors).save(layout.index_folder(folder, number))
            recalls.append(recall)
        for name, source in parts.folders.items():
            link_folder(source, folder / name)
        if parts.write_state is not None:
            (folder / layout.STATE).mkdir()
            parts.write_state(folder / layout.STATE)
    return {**parts.metrics, "ann_recall": min(recalls), "items": items.num_alive}


def facts_of(generation: Generation, corpora: list[str], more: dict[str, Any]) -> dict[str, Any]:
    """The facts of a generation's manifest."""
    return {
        "format": layout.FORMAT,
        "generation": generation.id,
        "watermark": generation.watermark,
        "snapshot": generation.snapshot_path.name,
        "corpora": corpora,
        **more,
    }
