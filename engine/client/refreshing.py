"""The engine's refreshes: bring what serves to the graph as it is now, say what that would do, and check what serves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.client.following import follow_flip

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.refresh.report import Refreshed
    from engine.refresh.verify import Verified
    from engine.registry import Generation
    from engine.serving.view import View

_WAIT_S = 2.0
"""A refresh of what serves may be under way."""


def refresh(
    engine: Engine,
    *,
    epsilon: float = 0.0,
    max_nodes: int | None = None,
    budget_s: float | None = None,
    cause: str = "asked for",
) -> Refreshed:
    """Embed what changed in the graph since the serving generation, and publish the result in its place.

    It equals embedding everything again with the same model, up to rounding, or as far as its certificate says.

    Args:
        epsilon: leave items whose embedding provably moved by less than this (Euclidean, of unit vectors); 0 is exact.
        max_nodes: embed at most so many items again, and put off the rest; new items always are.
        budget_s: the same by seconds.
        cause: why, for the run's row.

    Raises:
        NotReadyError: nothing is published yet, or it holds no model.
        LeaseHeldError: another process refreshes.
        TrainingError: the result does not pass the gate.
        see `engine.refresh.refresh.refresh`.
    """
    from engine.embedding.kept import Limits
    from engine.refresh.refresh import refresh

    told = refresh(
        engine.registry,
        engine.graph,
        engine.settings,
        Limits(epsilon, max_nodes, budget_s),
        cause=cause,
        view=_open(engine),
    )
    follow_flip(engine)
    return told


def refresh_models(engine: Engine, *, cause: str = "asked for") -> Mapping[str, Generation]:
    """Bring the published models about users and items up to the graph as it is now, without training. Recorded as a run.

    Returns:
        The new generations by model; a model that has seen all is left as it is.

    Raises:
        LeaseHeldError: another process refreshes.
        EngineError: a model cannot take in what came; the others are up to date.
    """
    from engine.errors import EngineError
    from engine.refresh.user_model import advance_user_model
    from engine.registry import REFRESHING, Job, Outcome

    made: dict[str, Generation] = {}
    failures: list[EngineError] = []
    with (
        engine.registry.leases.hold(REFRESHING, wait_s=_WAIT_S) as held,
        engine.registry.runs.record(Job.MODELS, cause, token=held.token) as told,
    ):
        published = engine.published_models()
        as_of = datetime.now(UTC)
        snapshot = engine.snapshot() if published else None
        for name, before in published.items():
            if snapshot is None or snapshot.watermark <= before.watermark:
                continue
            try:
                made[name] = advance_user_model(engine.registry, snapshot, as_of, engine.settings, before, held.lease)
            except EngineError as error:
                failures.append(error)
        told.counts = {"models": len(made), "failed": len(failures)}
        if not made and not failures:
            told.outcome = Outcome.NOTHING
        engine.opened.look_again()
        if failures:
            raise failures[0]
    return made


def rehearse_refresh(
    engine: Engine, *, epsilon: float = 0.0, max_nodes: int | None = None, budget_s: float | None = None
) -> Refreshed:
    """Do what `refresh` does, publish nothing and leave nothing behind: what would it change, and how long does it take?"""
    from engine.embedding.kept import Limits
    from engine.refresh.refresh import rehearse

    return rehearse(
        engine.registry, engine.graph, engine.settings, Limits(epsilon, max_nodes, budget_s), view=_open(engine)
    )


def verify(engine: Engine, items: int = 32, seed: int = 0) -> Verified:
    """Compute some items of what serves from scratch and compare: neighbourhoods bit for bit, embeddings to 1e-5.

    Raises:
        NotReadyError: nothing is published yet, or it keeps nothing to compare with.
        CorruptFileError: a file of the generation is missing or altered.
    """
    from engine.refresh.model import load_network
    from engine.refresh.verify import verify
    from engine.serving.live import serving_view

    view = serving_view(engine.registry, _open(engine))
    return verify(view, load_network(view, engine.settings.threads), items, seed)


def _open(engine: Engine) -> View | None:
    """What questions are answered from, where there was one already: making all that answers need takes longer."""
    return None if engine.opened.live.answering is None else engine.view()
