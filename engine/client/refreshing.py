"""The engine's refreshes: bring what serves to the graph as it is now, say what that would do, and check what serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.client.following import follow_flip
from engine.client.threads import within_threads

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.refresh.model_refresh import ModelRefresh
    from engine.refresh.report import Refreshed
    from engine.refresh.verify import Verified
    from engine.serving.view import View


@within_threads
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


@within_threads
def refresh_models(
    engine: Engine, *, max_nodes: int | None = None, budget_s: float | None = None, cause: str = "asked for"
) -> Mapping[str, Refreshed]:
    """Bring the published models about users and items up to the graph as it is now, without training. Recorded as a run.

    What a model that answers by vectors gives equals embedding every user and item again by what it learned.

    Args:
        max_nodes: embed at most so many users and items again for each model, and put off the rest; new ones always are.
        budget_s: the same by seconds.

    Returns:
        What was published, by model; one that has seen all is left as it is.

    Raises:
        LeaseHeldError: another process refreshes models.
        EngineError: a model cannot take in what came; the others are up to date.
    """
    from engine.embedding.kept import Limits

    try:
        return _models(engine).refresh(Limits(0.0, max_nodes, budget_s), cause=cause)
    finally:
        engine.opened.look_again()


@within_threads
def rehearse_models(
    engine: Engine, *, max_nodes: int | None = None, budget_s: float | None = None
) -> Mapping[str, Refreshed]:
    """Do what `refresh_models` does, publish nothing and leave nothing behind."""
    from engine.embedding.kept import Limits

    return _models(engine).rehearse(Limits(0.0, max_nodes, budget_s))


@within_threads
def rehearse_refresh(
    engine: Engine, *, epsilon: float = 0.0, max_nodes: int | None = None, budget_s: float | None = None
) -> Refreshed:
    """Do what `refresh` does, publish nothing and leave nothing behind: what would it change, and how long does it take?"""
    from engine.embedding.kept import Limits
    from engine.refresh.refresh import rehearse

    limits = Limits(epsilon, max_nodes, budget_s)
    return rehearse(engine.registry, engine.graph, engine.settings, limits, view=_open(engine))


@within_threads
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


@within_threads
def verify_models(engine: Engine, count: int = 32, seed: int = 0) -> Mapping[str, Verified]:
    """The same for some users and items of every published model that answers by vectors.

    Raises:
        NotReadyError: a generation keeps nothing to compare with: it is older than refreshes of models.
        CorruptFileError: a file of a generation is missing or altered.
    """
    return _models(engine).verify(count, seed)


def _open(engine: Engine) -> View | None:
    """What questions are answered from, where there was one already: making all that answers need takes longer."""
    return None if engine.opened.live.answering is None else engine.view()


def _models(engine: Engine) -> ModelRefresh:
    from engine.refresh.model_refresh import ModelRefresh

    return ModelRefresh(engine.registry, engine.graph, engine.settings, engine.opened.model_views)
