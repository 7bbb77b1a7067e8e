"""What there is, what serves and how far it is behind. Knows registry, graph and the opened generation."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import EngineError
from engine.graph.connection import Graph
from engine.graph.state import read_state
from engine.registry import Registry
from engine.serving.live import Live
from engine.serving.results import GenerationInfo, GenerationList, Status
from engine.settings import Settings


def status(settings: Settings, registry: Registry, graph: Callable[[], Graph], live: Live) -> Status:
    """The status; a graph server that cannot be reached is part of it, not an error."""
    rev: int | None = None
    try:
        connected = graph()
        rev = read_state(connected).rev or None
        told = f"{connected.uri} (Neo4j {connected.server_version})"
    except EngineError as error:
        told = f"not available: {error.message}"
    serving = registry.generations.serving()
    if serving is None:
        return Status(str(settings.home), told, rev, None, None, None, None, None, (), (), {})
    recommender = live.recommender()
    return Status(
        home=str(settings.home),
        graph=told,
        graph_watermark=rev,
        generation=serving.id,
        watermark=serving.watermark,
        as_of=serving.as_of,
        behind=None if rev is None else max(0, rev - serving.watermark),
        items=recommender.view.items.num_alive,
        corpora=tuple(recommender.view.items.corpora),
        methods=recommender.methods,
        metrics=serving.metrics,
    )


def generation_list(registry: Registry) -> GenerationList:
    """All generations, newest first."""
    return GenerationList(
        tuple(
            GenerationInfo(one.id, one.state, one.serving, one.created_at, one.watermark, one.metrics, one.reason)
            for one in registry.generations.list()
        )
    )
