"""A model about users and items, from a snapshot to a generation in a slot of its own. Knows methods by their protocols."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import write_base
from engine.errors import TrainingError
from engine.files import atomic_folder, link_folder, open_folder, read_manifest
from engine.graph.snapshot import Snapshot
from engine.hashing import digest
from engine.index.layered import LayeredIndex
from engine.index.recall import asked_of
from engine.models.friends import friendship_in
from engine.models.row_embedder import SIDES, Joined, Outputs, embed_all
from engine.models.user_graph import graph_data, learnable
from engine.models.user_item import Kept, UserItemData
from engine.models.user_method import UserMethod
from engine.models.user_methods import find_user_method
from engine.refresh.build import facts_of, failing
from engine.refresh.gate import GateConfig, check_finite, checked_index
from engine.refresh.model import INDEX, gate_of
from engine.refresh.row_follow import as_served
from engine.refresh.row_state import write_begun
from engine.registry import Generation, Registry
from engine.serving import layout
from engine.settings import Settings
from engine.threads import threads_taken

FORMAT = 1
TRAINING = "training.json"


def untrained(model: str, config: Mapping[str, Any]) -> Any:
    """A method of these settings.

    Raises:
        UnknownNameError: no such method.
        ConfigError: an unknown setting or a wrong value.
    """
    method = find_user_method(model)
    return method.make(method.configuration({model: config}))


def train_user_model(
    registry: Registry, snapshot: Snapshot, settings: Settings, model: str, config: Mapping[str, Any]
) -> Path:
    """Train a method on all edges of a snapshot. One that was interrupted goes on; the same result is found again.

    The folder holds `training.json` (settings and the method's report) and, where the method keeps anything, `model`.

    Raises:
        UnknownNameError: there is no such method.
        ConfigError: an unknown setting or a wrong value.
        EmptyGraphError: there are no edges.
        TrainingError: there is nothing to learn from, or the training diverged.
    """
    fitted, chosen = untrained(model, config), find_user_method(model).configuration({model: config})
    assert snapshot.path is not None
    key = digest([FORMAT, snapshot.path.name, model, chosen, settings.seed])
    folder = settings.home / "models" / f"{snapshot.path.name}-{key[:12]}"
    if folder.is_dir():
        open_folder(folder, what="trained model")
        return folder
    work = folder.with_name(f"{folder.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"model": model, "config": chosen, "seed": settings.seed, "watermark": snapshot.watermark}
    with registry.trainings.record(folder, **told):
        fitted.fit(graph_data(snapshot, seed=settings.seed, workdir=work))
        with atomic_folder(folder, {"kind": "trained model", "format": FORMAT}) as temporary:
            if isinstance(fitted, Kept):
                fitted.save(temporary / layout.MODEL)
            report = {"settings": chosen, "threads": threads_taken(), "report": fitted.report()}
            (temporary / TRAINING).write_text(json.dumps(report, indent=2), encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return folder


def build_user_model(
    registry: Registry,
    snapshot: Snapshot,
    as_of: datetime,
    settings: Settings,
    model: str,
    config: Mapping[str, Any],
) -> Generation:
    """Train, and make a generation in the slot of the model's name. It is ready, and does not serve yet.

    Raises:
        TrainingError: training failed, or the generation does not pass the gate.
        see `train_user_model`.
    """
    trained = train_user_model(registry, snapshot, settings, model, config)
    run = registry.trainings.find(trained)
    chosen = json.loads((trained / TRAINING).read_text(encoding="utf-8"))["settings"]
    config = {"model": model, "seed": settings.seed, "settings": chosen}
    return _make(registry, snapshot, as_of, settings, trained, config, None if run is None else run.number)


def remake_user_model(
    registry: Registry, snapshot: Snapshot, as_of: datetime, settings: Settings, before: Generation
) -> Generation:
    """A generation of what one learned, about a later snapshot, without training. It is ready, and does not serve yet.

    Raises:
        InputError, DataError: the later data has what the method cannot take in.
        TrainingError: the generation does not pass the gate.
    """
    return _make(registry, snapshot, as_of, settings, before.path, before.config, before.training, parent=before.id)


def _make(
    registry: Registry,
    snapshot: Snapshot,
    as_of: datetime,
    settings: Settings,
    learned: Path,
    config: dict[str, Any],
    training: int | None,
    parent: str | None = None,
) -> Generation:
    """A generation by what was learned before, gated.

    Args:
        learned: a folder with `model` in it, where the method keeps anything.
        config: `model`, `seed` and `settings`.
        parent: what it takes over from.
    """
    assert snapshot.path is not None
    generation = registry.generations.begin(
        watermark=snapshot.watermark,
        as_of=as_of,
        config=config,
        snapshot_path=snapshot.path.resolve(),
        folder=(settings.home / "generations").resolve(),
        training=training,
        model=config["model"],
        seed=config["seed"],
        slot=config["model"],
        parent=parent,
    )
    with failing(registry, generation):
        metrics = _write(generation, learned, snapshot, gate_of(settings), settings)
        files = read_manifest(generation.path, what="generation")["files"]
        return registry.generations.ready(generation.id, metrics=metrics, files=files)


def opened_method(method: UserMethod, folder: Path, settings: Mapping[str, Any], data: UserItemData) -> Any:
    """A method ready to answer: read from `folder/model`, or fitted where it keeps nothing."""
    if method.load is not None:
        return method.load(folder / layout.MODEL, data)
    fitted = method.make(settings)
    fitted.fit(data)
    return fitted


def check_takes_in(method: UserMethod, folder: Path, snapshot: Snapshot, seed: int) -> None:
    """Refuse a snapshot that what was learned cannot answer about. A method that keeps nothing is fitted by who asks it.

    Raises:
        InputError, DataError, EmptyGraphError: it cannot.
        CorruptFileError: what was learned is damaged.
    """
    if method.load is not None:
        method.load(folder / layout.MODEL, graph_data(snapshot, seed=seed))


def _write(
    generation: Generation, learned: Path, snapshot: Snapshot, gate: GateConfig, settings: Settings
) -> dict[str, Any]:
    items, method = snapshot.items, find_user_method(generation.config["model"])
    facts: dict[str, Any] = {"config": generation.config, "vectors": method.embedder is not None}
    metrics: dict[str, Any] = {"items": items.num_alive, "users": learnable(snapshot)[0].num_alive}
    with atomic_folder(generation.path, facts_of(generation, items.corpora, facts)) as folder:
        write_base(folder, layout.ITEM_KEYS, items.key)
        if (learned / layout.MODEL).is_dir():
            link_folder(learned / layout.MODEL, folder / layout.MODEL)
        if method.embedder is None:
            check_takes_in(method, learned, snapshot, settings.seed)
        else:
            friendship = friendship_in(generation.config["settings"])
            joined = Joined.in_snapshot(snapshot, generation.as_of, friendship)
            embedder = method.embedder(learned / layout.MODEL, joined)
            outputs = embed_all(embedder, joined)
            metrics["ann_recall"] = _write_vectors(folder, outputs, joined, gate, settings.threads)
    return metrics


def _write_vectors(folder: Path, outputs: Sequence[Outputs], joined: Joined, gate: GateConfig, threads: int) -> float:
    """Vectors, indexes of the items that have one, and what the next refresh goes on from. Returns the lowest ann_recall."""
    users, vectors = (as_served(outputs[-1][side], joined.nodes[side].alive) for side in SIDES)
    if not np.isfinite(users).all():
        raise TrainingError("the gate: the vector of a user is not finite", hint="Lower the learning rate.")
    items = joined.nodes["items"]
    check_finite(vectors, items.alive)
    write_base(folder, layout.VECTORS, vectors)
    write_base(folder, layout.USER_VECTORS, users)
    recalls, known, queries = [1.0], vectors.any(axis=1), asked_of(users, vectors)
    for number, corpus in enumerate(items.corpora):
        rows = np.flatnonzero((items.corpus == number) & known)
        config = replace(INDEX, threads=threads)
        built, recall = checked_index(vectors[rows], rows, config, gate, corpus=corpus, queries=queries)
        LayeredIndex.of(built, vectors).save(layout.index_folder(folder, number))
        recalls.append(recall)
    (folder / layout.STATE).mkdir()
    write_begun(folder / layout.STATE, outputs[:-1])
    return min(recalls)
