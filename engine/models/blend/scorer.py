"""PinSage, walks and content in one score that stays right where an item has no edges."""

from __future__ import annotations

from typing import Any

from engine.models.base import ItemScorer, RelatedData
from engine.models.blend.candidates import gather
from engine.models.blend.search import learn
from engine.models.blend.weights import BlendWeights
from engine.types import FloatArray, IndexArray

FALLBACK = BlendWeights(1.0, 0.1, 1.0, 1e-5, 1.0, 1.0, -1.0)
"""For data too small to hold any validation pair."""


class BlendScorer:
    """A linear blend with weights of its own for pairs that no walk can join; learned on validation pairs.

    Args:
        embedding, walks, content: fitted scorers.
    """

    name = "blend"

    def __init__(self, embedding: ItemScorer, walks: ItemScorer, content: ItemScorer) -> None:
        self._parts = (embedding, walks, content)
        self.weights = FALLBACK

    def fit(self, data: RelatedData) -> None:
        """Learn the weights; the parts stay as they are."""
        self._has_edges = data.graph.item_to_context.degrees() > 0
        if len(data.validation):
            warm = gather(data.validation, *self._parts, self._has_edges)
            cold = gather(data.validation_cold, *self._parts, self._has_edges)
            self.weights = learn(warm, cold)

    def score(self, queries: IndexArray) -> FloatArray:
        """float32 `[B, N]`."""
        connected = self._has_edges[queries][:, None] & self._has_edges[None, :]
        embedding, walk, content = (part.score(queries) for part in self._parts)
        return self.weights.combine(embedding, walk, content, connected)

    def report(self) -> dict[str, Any]:
        return {"weights": self.weights.to_json()}
