"""Whether the model is due to be trained anew, beside its schedule. Reads the registry alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.errors import EngineError, TrainingError
from engine.refresh.job_control import ask
from engine.registry import Generation, Job, Registry
from engine.settings import SchedulerSettings


def ask_to_retrain(registry: Registry, settings: SchedulerSettings, refused: EngineError | None = None) -> str | None:
    """Ask for a retraining where there is a reason, after a refresh; not again within `retrain_pause_s` of the last.

    Args:
        refused: what the refresh ended with; a gate that refuses the result of the model asks for another model.

    Returns:
        The reason, where a run was asked for.
    """
    last = registry.runs.last(Job.RETRAIN)
    if last is not None and datetime.now(UTC) - last.started_at < timedelta(seconds=settings.retrain_pause_s):
        return None
    reason = f"a refresh was refused: {refused.message}" if isinstance(refused, TrainingError) else None
    reason = reason or _grown(registry, settings.retrain_growth)
    if reason is not None:
        ask(registry, Job.RETRAIN, reason)
    return reason


def _grown(registry: Registry, share: float) -> str | None:
    """How far the items are from those that the model was trained with, where that is too far."""
    serving = registry.generations.serving()
    if serving is None:
        return None
    now, then = serving.metrics.get("items"), _full(registry, serving).metrics.get("items")
    if not now or not then or abs(now - then) < share * then:
        return None
    return f"there are {now:,} items now, and {then:,} when the model was trained"


def _full(registry: Registry, generation: Generation) -> Generation:
    while generation.parent is not None:
        generation = registry.generations.get(generation.parent)
    return generation
