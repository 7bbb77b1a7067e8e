"""The engine's models: snapshot, train, build a generation, evaluate. Asks no questions of what serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.client.following import follow_flip
from engine.client.threads import within_threads

_WAIT_S = 2.0
"""Collecting garbage holds the lease for a moment too."""

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.evaluation.run import EvaluationReport
    from engine.graph.snapshot import Snapshot
    from engine.registry import Generation


def snapshot(engine: Engine) -> Snapshot:
    """Export the graph as it is now, or open the export that is true already."""
    from engine.graph.migrate import migrate
    from engine.graph.snapshot_export import export_snapshot

    migrate(engine.graph, engine.settings.graph.mapping)
    return export_snapshot(engine.graph, engine.settings)


@within_threads
def train(engine: Engine, model: str = "pinsage", config: Mapping[str, Any] | None = None) -> Path:
    """Train a model on the graph as it is now; a training that was interrupted goes on where it was.

    Args:
        model: "pinsage", or a method about users and items: see `engine.models.user_methods`. The latter is published at
            once, so that `recommend` or `predict` answer by it; "pinsage" is published by `build`.
        config: the model's settings that differ from its defaults.

    Returns:
        The folder of what was trained; the same graph and settings find it again without training.

    Raises:
        UnknownNameError: no such model.
        ConfigError: an unknown setting of the model, or a wrong value.
        TrainingError: the graph holds nothing to learn from.
        LeaseHeldError: another process trains or builds.
    """
    from engine.refresh import model as pinsage
    from engine.registry import BUILDING

    if _is_about_users(model):
        built = build(engine, model, config)
        assert built.training is not None
        return engine.registry.trainings.get(built.training).path
    pinsage.untrained(model, config or {})  # a wrong setting is said before the graph is read
    with engine.registry.leases.hold(BUILDING, wait_s=_WAIT_S):
        return pinsage.train(engine.registry, engine.snapshot(), engine.settings, model, config or {})


@within_threads
def build(
    engine: Engine, model: str = "pinsage", config: Mapping[str, Any] | None = None, *, publish: bool = True
) -> Generation:
    """Snapshot, train, embed, index, check and publish a new generation. What serves keeps serving until then.

    Args:
        model: "pinsage" answers `related` and `home`. A method about users and items answers `recommend` or `predict`, in a
            slot of its own: it takes no other model's place.
        config: the model's settings that differ from its defaults.
        publish: False leaves it ready beside what serves, to run as a shadow.

    Raises:
        UnknownNameError, ConfigError: see `train`.
        EmptyGraphError: the graph has no items or no edges.
        TrainingError: training failed, or the result does not pass the gate.
        LeaseHeldError: another process trains or builds.
    """
    from engine.refresh import model as pinsage
    from engine.refresh import user_model
    from engine.registry import BUILDING

    about_users = _is_about_users(model)
    make = user_model.build_user_model if about_users else pinsage.build
    check = user_model.untrained if about_users else pinsage.untrained
    check(model, config or {})
    with engine.registry.leases.hold(BUILDING, wait_s=_WAIT_S) as held:
        as_of = datetime.now(UTC)
        built = make(engine.registry, engine.snapshot(), as_of, engine.settings, model, config or {})
        if publish:
            built = engine.registry.generations.publish(built.id, lease=held.lease)
    follow_flip(engine)
    return built


def _is_about_users(model: str) -> bool:
    from engine.models.user_methods import USER_METHODS

    return model in USER_METHODS


@within_threads
def evaluate(
    engine: Engine, protocol: str, data: Path | str, methods: Sequence[str], **options: Any
) -> EvaluationReport:
    """Score methods on a data set folder, without the graph or a generation; see `engine.evaluation.run.evaluate`."""
    from engine.evaluation.run import evaluate

    return evaluate(protocol, Path(data), methods, **options)
