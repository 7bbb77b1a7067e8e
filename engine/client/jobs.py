"""What the scheduler runs, by name: each is one call of the client that records its own run. Knows no schedule."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from engine.errors import GraphUnavailableError, TrainingError
from engine.registry import Job

if TYPE_CHECKING:
    from engine.client.engine import Engine


IDLE_KEPT = timedelta(days=7)
"""How long the row of a run that had nothing to do is kept."""


def jobs_of(engine: Engine) -> Mapping[str, Callable[[str], object]]:
    """The jobs of one engine, each given its cause in words."""
    return {
        Job.REFRESH: lambda cause: refresh(engine, cause),
        Job.CANARY: lambda cause: canary(engine, cause),
        Job.MODELS: lambda cause: engine.refresh_models(cause=cause),
        Job.RETRAIN: lambda cause: retrain(engine, cause),
        Job.GC: lambda cause: collect(engine, cause),
        Job.RECONCILE: lambda cause: engine.reconcile(cause=cause),
        Job.RECEIPTS: lambda cause: engine.close_receipts(cause=cause),
        Job.INSPECT: lambda cause: engine.keep_inspection(cause=cause),
    }


def refresh(engine: Engine, cause: str) -> None:
    """Bring what serves up to date, and ask for a retraining where the model no longer fits; nothing before the first build."""
    from engine.refresh.retraining import ask_to_retrain

    if engine.registry.generations.serving() is None:
        return
    try:
        engine.refresh(cause=cause)
    except TrainingError as error:
        ask_to_retrain(engine.registry, engine.settings.scheduler, error)
        raise
    ask_to_retrain(engine.registry, engine.settings.scheduler)


def canary(engine: Engine, cause: str) -> None:
    """Compare the indexes with exact search, and build anew those that need it or that a client asked for."""
    from engine.serving.canary import WANTED

    with engine.registry.runs.record(Job.CANARY, cause) as told:
        found = engine.check_indexes()
        wanted = [f"{health.corpus}: {health.why}" for health in found if health.why]
        told.counts = {
            "queries": sum(health.queries for health in found),
            "ann_recall": min((health.ann_recall for health in found), default=1.0),
            "wanted": len(wanted),
        }
        told.reason = "; ".join(wanted) or None
        asked = engine.registry.flags.list(WANTED)
    if asked:
        why = "; ".join(f"{name.removeprefix(WANTED)}: {flag['why']}" for name, flag in asked.items())
        engine.compact(cause=f"canary: {why}")


def collect(engine: Engine, cause: str) -> None:
    """Delete generations that are not kept, rows of old runs that had nothing to do, and changes that all readers have passed."""
    engine.collect_garbage(cause=cause)
    engine.registry.runs.prune(datetime.now(UTC) - IDLE_KEPT)
    with contextlib.suppress(GraphUnavailableError):
        engine.compact_changes()


def retrain(engine: Engine, cause: str) -> None:
    """Train on the graph as it is, with the settings of what serves, build a full generation, publish it."""
    registry = engine.registry
    serving = registry.generations.serving()
    learned = None if serving is None or serving.training is None else registry.trainings.get(serving.training)
    with registry.runs.record(Job.RETRAIN, cause) as told:
        built = engine.build(config=None if learned is None else learned.config)
        told.generation = built.id
        told.counts = {"watermark": built.watermark}
