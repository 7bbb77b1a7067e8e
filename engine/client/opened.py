"""What one client has open: graph, registry, the generation that serves. Each opens when first asked for; answers nothing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from engine.settings import Settings

if TYPE_CHECKING:
    from engine.graph.connection import Graph
    from engine.graph.write import GraphWriter
    from engine.registry import Registry
    from engine.serving.live import Live
    from engine.serving.new_items import NewItems
    from engine.serving.recommend import Recommender
    from engine.serving.view import View


class Opened:
    """The parts of one client, and how they are put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph server; the local one is started where no URI is set."""
        from engine.graph.connection import Graph

        return Graph.connect(self.settings)

    @functools.cached_property
    def registry(self) -> Registry:
        """The generations."""
        from engine.registry import Registry

        return Registry.open(self.settings.resolved_registry_url)

    @functools.cached_property
    def writer(self) -> GraphWriter:
        """Writes to the graph, under the mapped labels."""
        from engine.graph.write import GraphWriter

        return GraphWriter(self.graph, self.settings.graph.mapping)

    @functools.cached_property
    def live(self) -> Live:
        """The generation that serves, whichever it is now."""
        from engine.serving.live import Live

        return Live(self.registry, self._recommender_of)

    @functools.cached_property
    def new_items(self) -> NewItems:
        """The items that came after the generation that serves."""
        from engine.refresh.model import load_embedder
        from engine.serving.new_items import NewItems

        return NewItems(lambda: self.graph, self.settings.graph.mapping, load_embedder)

    def _recommender_of(self, view: View) -> Recommender:
        from engine.serving.methods import methods_of
        from engine.serving.recommend import Recommender

        return Recommender(
            view,
            self.settings.graph.mapping,
            methods_of(view, self.settings.seed),
            default=view.facts["default_method"],
            fresh=self.new_items.carry_over(view),
            find_new=lambda item: self.new_items.find(view, item),
        )

    def close(self) -> None:
        """Close the connections and forget what hangs on them; the next call opens them again."""
        opened = [self.__dict__.pop(name, None) for name in ("live", "new_items", "writer", "graph", "registry")]
        for connection in opened[-2:]:
            if connection is not None:
                connection.close()
