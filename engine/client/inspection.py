"""The engine's inspection in the graph: show what serves to people with Cypher, keep it current, take it away again.

That it is to be kept is a flag of the registry, so that nobody opens the graph for it who never asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.graph.inspection import Inspection
    from engine.refresh.inspection import PublishedInspection

KEPT = "inspection"
"""The flag; its value holds `top_k` and, once all of it is there, the `generation` that is shown."""
TOP_K = 10
_TTL_S, _WAIT_S = 10.0, 15.0
"""A process that was killed is overtaken within the wait."""


def publish_inspection(engine: Engine, *, top_k: int | None = None, cause: str = "asked for") -> PublishedInspection:
    """Write what serves into the graph, for inspection with Cypher, and keep it current from now on. Recorded as a run.

    Embeddings, neighbourhoods with their weights, each item's nearest items and a vector index, all under labels and types of
    the engine's own; only what differs from what is there is written. See docs/operations.md.

    Args:
        top_k: related items of each item: the nearest of its corpus, as method "pinsage" answers. As before when None, 10
            the first time.

    Raises:
        NotReadyError: no generation is published yet.
        LeaseHeldError: another process publishes or drops it.
        see `engine.refresh.inspection.publish_inspection`.
    """
    from engine.index.protocol import check_k
    from engine.refresh.inspection import publish_inspection
    from engine.registry import INSPECTING, Job
    from engine.serving.live import serving_view

    registry, mapping = engine.registry, engine.settings.graph.mapping
    view = serving_view(registry, None if engine.opened.live.answering is None else engine.view())
    if top_k is None:
        top_k = int((registry.flags.get(KEPT) or {}).get("top_k", TOP_K))
    graph = engine.graph
    with (
        registry.leases.hold(INSPECTING, ttl_s=_TTL_S, wait_s=_WAIT_S) as held,
        registry.runs.record(Job.INSPECT, cause, token=held.token) as told,
    ):
        registry.flags.set(KEPT, {"top_k": check_k(top_k)})
        while True:  # what serves may change meanwhile
            built_at = registry.generations.get(view.origin.generation).created_at.isoformat()
            done = publish_inspection(graph, mapping, view, built_at, top_k=top_k)
            told.generation, told.timings["publish"] = done.generation, done.seconds
            told.counts = {"items": done.items, "embeddings": done.embeddings, "linked": done.linked}
            latest = serving_view(registry, view)
            if latest is view:
                registry.flags.set(KEPT, {"top_k": top_k, "generation": done.generation})
                return done
            view = latest


def drop_inspection(engine: Engine) -> int:
    """Remove from the graph what `publish_inspection` wrote, and keep it current no more; how many items were shown.

    Raises:
        LeaseHeldError: another process publishes or drops it.
        GraphUnavailableError: the server is gone; run it again to go on.
    """
    from engine.graph.inspection import drop_inspection
    from engine.registry import INSPECTING

    with engine.registry.leases.hold(INSPECTING, ttl_s=_TTL_S, wait_s=_WAIT_S):
        engine.registry.flags.clear(KEPT)
        return drop_inspection(engine.graph)


def inspection_status(engine: Engine) -> Inspection | None:
    """What is shown in the graph, and whether all of it is there; None where nothing is."""
    from engine.graph.inspection import read_inspection

    return read_inspection(engine.graph)


def keep_inspection(engine: Engine, *, cause: str) -> PublishedInspection | None:
    """Bring what is shown up to what serves; None where nothing is to be kept, or nothing has changed.

    Raises:
        see `publish_inspection`.
    """
    from engine.graph.inspection import read_inspection

    serving = engine.registry.generations.serving()
    if serving is None or engine.registry.flags.get(KEPT) is None:
        return None
    shown = read_inspection(engine.graph)
    if shown is not None and shown.shows(serving.id, serving.created_at.isoformat()):
        return None
    return engine.publish_inspection(cause=cause)
