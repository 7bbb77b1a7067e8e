"""The upkeep of the change feed: find what other programs did without a stamp, and remove what every reader has passed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.graph.compact_changes import CompactedChanges
    from engine.graph.reconcile import Reconciled


def reconcile(engine: Engine, *, cause: str = "asked for") -> Reconciled:
    """Compare the graph with the snapshot of what serves, and stamp what differs. Recorded as a run of "reconcile".

    Raises:
        NotReadyError: nothing serves yet, so that there is nothing to compare with.
        see `engine.graph.reconcile.reconcile`.
    """
    from engine.errors import NotReadyError
    from engine.graph.reconcile import reconcile
    from engine.graph.snapshot import Snapshot
    from engine.registry import Job, Outcome

    serving = engine.registry.generations.serving()
    if serving is None:
        raise NotReadyError("no generation is published yet", hint="Run `engine build` first.")
    with engine.registry.runs.record(Job.RECONCILE, cause) as told:
        found = reconcile(
            engine.graph, engine.settings.graph.mapping, Snapshot.open(serving.snapshot_path, verify=False)
        )
        told.counts = {"nodes": found.nodes, "edges": found.edges}
        told.counts |= {kind: asdict(one) for kind, one in found.found.items()}
        if not found.found:
            told.outcome = Outcome.NOTHING
    return found


def compact_changes(engine: Engine) -> CompactedChanges:
    """Remove the tombstones and commit times that every reader of the change feed, and every kept generation, has passed.

    What a generation that can be rolled back to would need to catch up stays: see `engine.registry.watermarks`.
    """
    from engine.graph.compact_changes import compact_changes

    return compact_changes(engine.graph, engine.settings.graph.mapping, engine.registry.watermarks.passed())
