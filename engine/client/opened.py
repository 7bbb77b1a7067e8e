"""What one client has open: graph, registry, the generation that serves. Each opens when first asked for; answers nothing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from engine.errors import StaleAnswerError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.graph.connection import Graph
    from engine.graph.write import GraphWriter
    from engine.registry import Registry
    from engine.serving.canary import Canary
    from engine.serving.freshness import Freshness
    from engine.serving.live import Live
    from engine.serving.new_items import NewItems
    from engine.serving.recommend import Recommender
    from engine.serving.shadow import Shadowing
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
    def canary(self) -> Canary:
        """Compares a share of the questions with exact search."""
        from engine.serving.canary import Canary

        return Canary(self.registry, floor=self.settings.gate.ann_recall)

    @functools.cached_property
    def shadowing(self) -> Shadowing:
        """The candidate that answers beside what serves, where one does."""
        from engine.serving.shadow import Shadowing

        return Shadowing(self.registry, self.recommender_of)

    @functools.cached_property
    def freshness(self) -> Freshness:
        """How far what answers is behind the graph."""
        from engine.serving.freshness import Freshness

        return Freshness(lambda: self.graph)

    def fresh_recommender(self, max_staleness_s: float | None) -> Recommender:
        """The serving generation's recommender, if it is no further behind the graph than is allowed.

        Raises:
            StaleAnswerError: it is.
        """
        recommender = self.live.recommender()
        if max_staleness_s is None:
            return recommender
        try:
            self.freshness.check(recommender.view.origin, max_staleness_s)
        except StaleAnswerError:
            self.live.look_again()
            newer = self.live.recommender()
            if newer is recommender:
                raise
            self.freshness.check(newer.view.origin, max_staleness_s)
            return newer
        return recommender

    @functools.cached_property
    def new_items(self) -> NewItems:
        """The items that came after the generation that serves."""
        from engine.refresh.model import load_embedder
        from engine.serving.new_items import NewItems

        return NewItems(lambda: self.graph, self.settings.graph.mapping, load_embedder)

    def recommender_of(self, view: View) -> Recommender:
        """Answers from a view alone: items that came after it are unknown."""
        from engine.serving.methods import methods_of
        from engine.serving.recommend import Recommender

        mapping, methods = self.settings.graph.mapping, methods_of(view, self.settings.seed)
        return Recommender(view, mapping, methods, default=view.facts["default_method"])

    def _recommender_of(self, view: View) -> Recommender:
        from engine.serving.methods import methods_of
        from engine.serving.recommend import Recommender

        fresh = self.new_items.carry_over(view)
        return Recommender(
            view,
            self.settings.graph.mapping,
            methods_of(view, self.settings.seed),
            default=view.facts["default_method"],
            fresh=fresh,
            find_new=lambda item: self.new_items.find(view, fresh, item),
            saw=self.canary.saw,
        )

    def close(self) -> None:
        """Close the connections and forget what hangs on them; the next call opens them again."""
        for name in ("shadowing", "canary", "live", "freshness", "new_items", "writer", "graph", "registry"):
            opened = self.__dict__.pop(name, None)
            if name in ("shadowing", "live", "graph", "registry") and opened is not None:
                opened.close()
