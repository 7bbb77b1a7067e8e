"""The engine's inspection: what there is, what serves, and any named query of cypher/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.serving.results import GenerationList, Status
    from engine.serving.view import View


def cypher(engine: Engine, name: str, **params: Any) -> list[dict[str, Any]]:
    """Run a named query; `engine cypher list` shows them."""
    from engine.graph.queries import run

    return run(engine.graph, name, mapping=engine.settings.graph.mapping, **params)


def view(engine: Engine) -> View:
    """The serving generation: its snapshot, vectors and indexes."""
    return engine.opened.live.recommender().view


def generations(engine: Engine) -> GenerationList:
    """All generations, newest first."""
    from engine.serving.status import generation_list

    return generation_list(engine.registry)


def status(engine: Engine) -> Status:
    """What serves, from which graph, and how far it is behind."""
    from engine.serving.status import status

    return status(engine.settings, engine.registry, lambda: engine.graph, engine.opened.live)
