"""Popularity: the items that most contexts hold, whatever the query. The floor of every table."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.features.contexts import saved_in
from engine.models.base import RelatedData
from engine.types import FloatArray, IndexArray


class PopularityScorer:
    """Scores an item by the number of contexts that hold it."""

    name = "popularity"

    def fit(self, data: RelatedData) -> None:
        """Count. An item that nobody saved scores 0."""
        self._contexts: FloatArray = np.diff(saved_in(data.graph).indptr).astype(np.float32)

    def score(self, queries: IndexArray) -> FloatArray:
        """float32 `[B, N]`, the same row for each query."""
        return np.broadcast_to(self._contexts, (len(queries), len(self._contexts)))

    def report(self) -> dict[str, Any]:
        return {}
