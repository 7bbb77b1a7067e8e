"""Item-kNN: items are alike when the same contexts hold them. The classical collaborative baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from engine.features.contexts import saved_in
from engine.models.base import RelatedData
from engine.types import FloatArray, IndexArray


class ItemKnnScorer:
    """Cosine of two items' rows of the item-context matrix (Sarwar et al., WWW'01, for sets instead of ratings)."""

    name = "item-knn"

    def fit(self, data: RelatedData) -> None:
        """Scale each row to length 1. An item without contexts scores 0 with every other."""
        held = saved_in(data.graph)
        length = np.sqrt(np.maximum(np.diff(held.indptr), 1))
        self._rows: sparse.csr_matrix = sparse.diags(1 / length).dot(held).astype(np.float32).tocsr()

    def score(self, queries: IndexArray) -> FloatArray:
        """float32 `[B, N]`, between 0 and 1."""
        scores: FloatArray = (self._rows[queries] @ self._rows.T).toarray()
        return scores

    def report(self) -> dict[str, Any]:
        return {}
