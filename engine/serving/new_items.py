"""The new items of one client: described by the caller or found in the graph. Knows the graph, views and embedders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import InputError
from engine.graph.connection import Graph
from engine.graph.queries import run
from engine.sampling.config import WalkConfig
from engine.sampling.live import LiveSampler
from engine.serving.embed_new import Embedder, embed_new, plain_fields
from engine.serving.fresh import FreshItem, FreshItems, NewItem
from engine.serving.recommend import Recommender
from engine.serving.view import View
from engine.settings import GraphMapping


class NewItems:
    """New items, embedded by the model of what serves.

    Args:
        graph: opens the graph; called only when an item is looked up there.
        load: loads the model of a view.
    """

    def __init__(self, graph: Callable[[], Graph], mapping: GraphMapping, load: Callable[[View], Embedder]) -> None:
        self._load = load
        self._graph = graph
        self._mapping = mapping
        self._fresh = FreshItems()
        self._opening = threading.Lock()
        self._embedders: dict[str, Embedder] = {}
        self._samplers: dict[WalkConfig, LiveSampler] = {}

    def carry_over(self, view: View) -> FreshItems:
        """The new items that are still new to a generation, embedded by its model."""
        kept = FreshItems()
        for fresh in self._fresh:
            if view.item_row(fresh.item.item_id) < 0:
                kept.put(embed_new(view, self.embedder(view), fresh.item))
        self._fresh = kept
        return kept

    def describe(
        self,
        recommender: Recommender,
        item_id: str,
        fields: Mapping[str, Any],
        contexts: tuple[str, ...],
        corpus: str | None,
    ) -> FreshItem:
        """Embed an item that the caller describes, and keep it.

        Raises:
            InputError: the generation knows the item already; otherwise see `embed_new`.
        """
        view = recommender.view
        if view.item_row(item_id) >= 0:
            raise InputError(
                f"item {item_id!r} is in generation {view.origin.generation} already", hint="Ask for `related` items."
            )
        name = self._mapping.items.default_corpus if corpus is None else corpus
        fresh = embed_new(view, self.embedder(view), NewItem(item_id, name, dict(fields), contexts))
        recommender.fresh.put(fresh)
        return fresh

    def find(self, view: View, item_id: str) -> FreshItem | None:
        """Look an item up in the graph as it stands, embed it and keep it; None where it is not there either."""
        rows = run(self._graph(), "serving/new_item", mapping=self._mapping, item_id=item_id)
        if not rows:
            return None
        found = rows[0]
        contexts = found["contexts"] if view.context_kind == "context" else found["users"]
        fields = plain_fields(found["properties"], view.items.fields)
        embedder = self.embedder(view)
        live = self._sampler(embedder.walk).neighbourhoods([item_id])
        fresh = embed_new(view, embedder, NewItem(item_id, found["corpus"], fields, tuple(contexts)), live)
        self._fresh.put(fresh)
        return fresh

    def embedder(self, view: View) -> Embedder:
        """The model of a view, loaded once.

        Raises:
            NotReadyError: the generation was published without a model.
        """
        with self._opening:
            if view.origin.generation not in self._embedders:
                self._embedders = {view.origin.generation: self._load(view)}
            return self._embedders[view.origin.generation]

    def _sampler(self, walk: WalkConfig) -> LiveSampler:
        if walk not in self._samplers:
            self._samplers[walk] = LiveSampler(self._graph(), self._mapping, walk)
        return self._samplers[walk]
