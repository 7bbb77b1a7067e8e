"""Compaction: the HNSW graph of an index is built anew beside the serving one, and a delta puts it in its place.

Building takes minutes and holds nobody up: only to publish is the refresh's lease taken, and what was refreshed meanwhile
is carried over to the new graph.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, NotReadyError
from engine.files import link_folder
from engine.index.hnsw import HnswConfig
from engine.index.layered import LayeredIndex
from engine.refresh.delta import Delta, check_lineage, write_delta
from engine.refresh.gate import GateConfig, checked_index
from engine.registry import REFRESHING, Generation, Registry
from engine.registry.leases import Lease
from engine.registry.runs import Job, Outcome
from engine.serving import layout
from engine.serving.canary import FLOOR, WANTED, IndexHealth, check_index, own_queries, record
from engine.serving.live import open_view
from engine.serving.view import View
from engine.types import FloatArray

log = logging.getLogger(__name__)

LEASE = "compact"
WAIT_S = 900.0
"""How long to wait for a refresh to end before publishing."""
_BLOCK = 65_536


def measure(registry: Registry, view: View, floor: float = FLOOR) -> tuple[IndexHealth, ...]:
    """Compare each index with exact search by vectors of its own items, write it down, and ask for compaction where needed.

    Args:
        floor: see `check_index`.
    """
    numbers = range(len(view.items.corpora))
    told = tuple(check_index(view, number, own_queries(view, number), floor) for number in numbers)
    for health in told:
        record(registry, view.origin.generation, health)
    return told


def compact(
    registry: Registry,
    folder: Path,
    *,
    index: HnswConfig,
    gate: GateConfig,
    everything: bool = False,
    cause: str = "command line",
) -> Generation | None:
    """Build anew the indexes of the serving generation that need it, and publish a delta with them.

    Args:
        folder: where generations are.
        everything: all of them, whether they need it or not.

    Returns:
        What serves now; None where there was nothing to do, or a full build was published meanwhile.

    Raises:
        NotReadyError: nothing is published yet.
        LeaseHeldError: another process compacts already, or a refresh goes on for longer than `WAIT_S`.
        TrainingError: a new index does not pass the gate.
    """
    with (
        registry.leases.hold(LEASE) as alone,
        registry.runs.record(Job.COMPACT, cause, token=alone.token) as told,
    ):
        serving = registry.generations.serving()
        if serving is None:
            raise NotReadyError("no generation is published yet", hint="Run `engine build` first.")
        view = open_view(serving)
        wanted = _wanted(registry, view, gate.ann_recall, everything)
        told.plan = dict(wanted)
        built: dict[int, LayeredIndex] = {}
        with told.timed("index"):
            for corpus in wanted:
                number = view.corpus_number(corpus)
                rows = np.flatnonzero(view.items.corpus == number)
                graph, _ = checked_index(view.vectors[rows], rows, index, gate, corpus=corpus)
                built[number] = LayeredIndex.of(graph, view.vectors)
        published = None
        if built:
            with told.timed("publish"), registry.leases.hold(REFRESHING, wait_s=WAIT_S) as held:
                published = _publish(registry, folder, view, built, index, gate, held.lease)
        for corpus in wanted if published is not None else ():
            registry.flags.clear(WANTED + corpus)
        told.generation = None if published is None else published.id
        told.outcome = Outcome.NOTHING if published is None else Outcome.DONE
        told.counts = {"corpora": len(built), "items": sum(len(one) for one in built.values())}
        return published


def _wanted(registry: Registry, view: View, floor: float, everything: bool) -> dict[str, str]:
    """Corpus -> why. What a canary asked for counts where vectors have moved: the same graph again would be no better."""
    wanted = {}
    for health in measure(registry, view, floor):
        asked = registry.flags.get(WANTED + health.corpus)
        if health.why is not None or everything:
            wanted[health.corpus] = health.why or "asked for"
        elif asked is not None and view.indexes[view.corpus_number(health.corpus)].moved:
            wanted[health.corpus] = str(asked["why"])
        elif asked is not None:
            registry.flags.clear(WANTED + health.corpus)
    return wanted


def _publish(
    registry: Registry,
    folder: Path,
    view: View,
    built: Mapping[int, LayeredIndex],
    index: HnswConfig,
    gate: GateConfig,
    lease: Lease,
) -> Generation | None:
    serving = registry.generations.serving()
    assert serving is not None
    now = view if serving.id == view.origin.generation else open_view(serving, view)
    try:
        check_lineage(view.items, now.items)
    except InputError:
        log.info("generation %s was built anew meanwhile: its indexes need no compaction", serving.id)
        return None
    rebuilt = {}
    for number, one in built.items():
        live = now.items.corpus == number
        rebuilt[number] = one.advance(now.vectors, live, _differing(view.vectors, now.vectors))
    state = now.folder / layout.STATE
    none = np.empty(0, np.int32), np.empty((0, now.vectors.shape[1]), np.float32)
    delta = Delta(
        now.snapshot,
        now.origin.as_of,
        *none,
        write_state=(lambda target: link_folder(state, target)) if state.is_dir() else None,
        certificate=serving.certificate,
        rebuilt=rebuilt,
    )
    return write_delta(registry, now, delta, folder, index=index, gate=gate, lease=lease, cause="compaction")


def _differing(before: FloatArray, now: FloatArray) -> NDArray[np.int64]:
    """The rows of `before` that are others by now."""
    found = [np.empty(0, np.int64)]
    if now is not before:
        for start in range(0, len(before), _BLOCK):
            part = before[start : start + _BLOCK]
            found.append(start + np.flatnonzero((part != now[start : start + len(part)]).any(axis=1)))
    return np.concatenate(found)
