"""The engine's inspection: what there is, what serves, and any named query of cypher/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.graph.changes_stream import Change
    from engine.serving.operations import Status
    from engine.serving.view import View


def cypher(engine: Engine, name: str, **params: Any) -> list[dict[str, Any]]:
    """Run a named query; `engine cypher list` shows them."""
    from engine.graph.queries import run

    return run(engine.graph, name, mapping=engine.settings.graph.mapping, **params)


def changes(engine: Engine, since: int, until: int | None = None, *, limit: int | None = None) -> Iterator[Change]:
    """What happened in the graph past a rev, oldest first; see `engine.graph.changes_stream.stream_changes`."""
    from engine.graph.changes_stream import stream_changes

    return stream_changes(engine.graph, engine.settings.graph.mapping, since, until, limit=limit)


def view(engine: Engine) -> View:
    """The serving generation: its snapshot, vectors and indexes."""
    return engine.opened.live.recommender().view


def status(engine: Engine) -> Status:
    """What serves, from which graph, and how far it is behind."""
    from engine.serving.status import status

    return status(engine.settings, engine.registry, lambda: engine.graph, engine.opened.live)
