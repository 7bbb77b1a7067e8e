"""The ranking methods a query may name, and how those that score every item are searched. Knows scorers by their protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import numpy as np

from engine.features.word_counts import WordCounts
from engine.models.base import ItemScorer, RelatedData
from engine.serving import layout
from engine.serving.nearest import ranked, rows_in
from engine.serving.query import Found, Query, Scope, boost
from engine.serving.view import View

ABOUT = {
    "blend": "pinsage, walks and content together, weighted on validation pairs",
    "pinsage": "nearest embeddings",
    "walks": "short random walks through shared contexts",
    "content": "likeness of texts and categories",
    "popularity": "what is saved most, whatever was asked",
}
"""Every method the engine knows, in the order they are shown."""

Scorer = TypeVar("Scorer", bound=ItemScorer)


class Method(Protocol):
    """A way to find items for a query."""

    name: str

    def search(self, query: Query, scope: Scope, count: int) -> Found:
        """The `count` best rows of the scope; fewer only with a reason or where the scope holds fewer."""
        ...


class DenseMethod:
    """A method that scores all items at once.

    Args:
        scorer: fitted.
        reach: the reason to give when it has nothing to say about enough items: those it scores 0. None where 0 is a
            score like any other.
    """

    def __init__(self, scorer: ItemScorer, view: View, reach: str | None) -> None:
        self.name = scorer.name
        self._scorer = scorer
        self._view = view
        self._reach = reach

    def search(self, query: Query, scope: Scope, count: int) -> Found:
        known = query.rows >= 0
        if not known.any():
            return Found(
                np.empty(0, np.int64), np.empty(0, np.float32), "the query items are newer than this generation"
            )
        weights = query.weights[known]
        merged = boost(self._scorer.score(query.rows[known]), (weights / weights.sum()).astype(np.float32))
        rows = rows_in(self._view, scope)
        scores = merged[rows]
        told = scores > (0 if self._reach else -np.inf)
        found = ranked(rows[told], scores[told], count, self._view.items.order)
        return Found(found.rows, found.scores, self._reach if len(found.rows) < min(count, len(rows)) else None)


def methods_of(view: View, seed: int) -> dict[str, Callable[[], Method]]:
    """The methods a view can answer by beside its embeddings, made when first asked for."""
    from engine.models.content import ContentScorer
    from engine.models.popularity import PopularityScorer
    from engine.models.walks import WalkScorer
    from engine.serving.blend import Blend, BlendMethod

    def fitted(scorer: Scorer, words: Mapping[str, WordCounts] | None = None) -> Scorer:
        scorer.fit(RelatedData(view.graph, view.items, contexts=view.contexts, seed=seed, words=words))
        return scorer

    @functools.cache
    def content() -> ContentScorer:  # both its own method and the blend's part
        return fitted(ContentScorer(), view.words)

    beyond, unlike = "walks from the query reach no more items", "no more items share a word or a value with the query"
    methods: dict[str, Callable[[], Method]] = {
        "walks": lambda: DenseMethod(fitted(WalkScorer()), view, beyond),
        "content": lambda: DenseMethod(content(), view, unlike),
        "popularity": lambda: DenseMethod(fitted(PopularityScorer()), view, None),
    }
    if (view.folder / layout.BLEND).is_dir():
        learned = Blend.load(view.folder / layout.BLEND)
        methods["blend"] = lambda: BlendMethod(view, learned, content())
    return methods


def popular_rows(view: View, scope: Scope, count: int) -> Found:
    """The rows of the scope that most contexts hold, scored by log(1 + contexts)."""
    rows = rows_in(view, scope)
    scores = np.log1p(view.graph.item_to_context.degrees()[rows]).astype(np.float32)
    return ranked(rows, scores, count, view.items.order)
