"""Content: items like those that the user has, by their fields. Says something of items that nobody has yet."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from engine.errors import TrainingError
from engine.features.tokens import inverse_frequency, token_counts, weighted
from engine.models.content import unit_rows
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


class UserContent:
    """The cosine of an item and the mean of the user's items: TF-IDF of texts and categories, and each vector field.

    The cosines of the kinds of fields are averaged. A missing vector is a vector of zeros; numeric fields take no part.
    """

    name = "content"

    def fit(self, data: UserItemData) -> None:
        """Weigh the items' tokens and average them for each user. Items without any fields all score 0.

        Raises:
            TrainingError: there are no edges.
        """
        seen = data.seen(data.known())
        if not seen.nnz:
            raise TrainingError("there are no edges to make profiles of")
        counts = token_counts(data.items)[1]
        self._tokens = weighted(counts, inverse_frequency(counts), sublinear=False) if counts.nnz else counts
        self._words = _unit_sparse(sparse.csr_matrix(seen @ self._tokens)) if counts.nnz else counts
        self._vectors: dict[str, tuple[FloatArray, FloatArray]] = {}
        for name, column in sorted(data.items.fields.items()):
            if column.kind == "vector":
                vectors = unit_rows(np.asarray(column.values, dtype=np.float32))
                self._vectors[name] = unit_rows(np.asarray(seen @ vectors, dtype=np.float32)), vectors

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, between -1 and 1."""
        scores = np.zeros((len(users), self._tokens.shape[0]), np.float32)
        if self._tokens.nnz:
            scores += (self._words[users] @ self._tokens.T).toarray()
        for profile, vectors in self._vectors.values():
            scores += profile[users] @ vectors.T
        scores /= np.float32((self._tokens.nnz > 0) + len(self._vectors) or 1)
        return scores

    def report(self) -> dict[str, Any]:
        widths = {name: int(vectors.shape[1]) for name, (_, vectors) in self._vectors.items()}
        return {"tokens": int(self._tokens.shape[1]), "vectors": widths}


def _unit_sparse(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    from sklearn.preprocessing import normalize

    scaled: sparse.csr_matrix = normalize(rows.astype(np.float32), copy=False)
    return scaled
