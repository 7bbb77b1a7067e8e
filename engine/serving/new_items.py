"""The new items of one client: described by the caller or found in the graph. Knows the graph, views and embedders."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from engine.errors import EngineError, InputError
from engine.graph.connection import Graph
from engine.graph.queries import run
from engine.sampling.config import WalkConfig
from engine.sampling.live import LiveSampler
from engine.serving.embed_new import Embedder, embed_new, plain_fields
from engine.serving.fresh import FreshItem, FreshItems, NewItem
from engine.serving.recommend import Recommender
from engine.serving.view import View
from engine.settings import GraphMapping

log = logging.getLogger(__name__)


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
        self._opening = threading.Lock()
        self._embedders: weakref.WeakKeyDictionary[View, Embedder] = weakref.WeakKeyDictionary()
        self._samplers: dict[WalkConfig, LiveSampler] = {}
        self._keeping = threading.Lock()
        self._known: dict[str, NewItem] = {}
        self._newest: tuple[View, FreshItems] | None = None

    def carry_over(self, view: View) -> FreshItems:
        """The new items that are still new to a generation, embedded by its model; from now on, those that come."""
        kept = FreshItems()
        with self._keeping:
            self._newest = (view, kept)
            self._known = {name: item for name, item in self._known.items() if view.item_row(name) < 0}
            known = tuple(self._known.values())
        for item in known:
            self._carry(item, view, kept)
        return kept

    def _carry(self, item: NewItem, view: View, kept: FreshItems) -> None:
        rows = view.contexts.index_of(list(item.contexts))
        contexts = tuple(name for name, row in zip(item.contexts, rows.tolist(), strict=True) if row >= 0)
        try:
            kept.put(embed_new(view, self.embedder(view), replace(item, contexts=contexts)))
        except EngineError as error:
            log.warning(
                "new item %r is not carried over to %s: %s", item.item_id, view.origin.generation, error.message
            )

    def _keep(self, fresh: FreshItem, view: View, kept: FreshItems) -> None:
        """Keep an item for the view that it was embedded for, and for one that was opened meanwhile."""
        kept.put(fresh)
        with self._keeping:
            self._known[fresh.item.item_id] = fresh.item
            newest = self._newest
        if newest is not None and newest[1] is not kept and newest[0].item_row(fresh.item.item_id) < 0:
            self._carry(fresh.item, *newest)

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
        self._keep(fresh, view, recommender.fresh)
        return fresh

    def find(self, view: View, kept: FreshItems, item_id: str) -> FreshItem | None:
        """`read` of an item, which is kept from now on.

        Args:
            kept: the new items of the view.
        """
        fresh = self.read(view, item_id)
        if fresh is not None:
            self._keep(fresh, view, kept)
        return fresh

    def read(self, view: View, item_id: str) -> FreshItem | None:
        """An item of the graph as it stands, known to the view or not, embedded by its model; None where it is not there."""
        rows = run(self._graph(), "serving/new_item", mapping=self._mapping, item_id=item_id)
        if not rows:
            return None
        found = rows[0]
        contexts = found["contexts"] if view.context_kind == "context" else found["users"]
        fields = plain_fields(found["properties"], view.items.fields)
        embedder = self.embedder(view)
        live = self._sampler(embedder.walk).neighbourhoods([item_id])
        return embed_new(view, embedder, NewItem(item_id, found["corpus"], fields, tuple(contexts)), live)

    def embedder(self, view: View) -> Embedder:
        """The model of a view, loaded once.

        Raises:
            NotReadyError: the generation was published without a model.
        """
        with self._opening:
            if view not in self._embedders:
                self._embedders[view] = self._load(view)
            return self._embedders[view]

    def _sampler(self, walk: WalkConfig) -> LiveSampler:
        if walk not in self._samplers:
            self._samplers[walk] = LiveSampler(self._graph(), self._mapping, walk)
        return self._samplers[walk]
