"""Item-kNN and user-kNN for ranking: what is like the user's items, and what users like this one have."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from scipy.sparse import csr_array, diags_array

from engine.errors import TrainingError
from engine.models.user_baselines.similarity import nearest_rows
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray

Weighting = Literal["none", "tfidf", "degree"]


class _Neighbours:
    """What both share.

    Attributes:
        neighbours: how many of the most similar rows count.
        shrink: lowers similarities that rest on few edges.
        weighting: what many have counts less in the similarity: by the logarithm of its share with "tfidf", by the square root
            of its number with "degree" (for items: the edges of users who have many items).
    """

    def __init__(self, neighbours: int = 100, shrink: float = 10.0, weighting: Weighting = "none") -> None:
        if neighbours < 1 or shrink < 0 or weighting not in get_args(Weighting):
            raise TrainingError(
                f"neighbours must be at least 1, shrink not negative and weighting one of {', '.join(get_args(Weighting))}"
            )
        self.neighbours, self.shrink, self.weighting = neighbours, shrink, weighting

    def read(self, data: UserItemData) -> csr_array:
        """float32 `[users, items]`.

        Raises:
            TrainingError: there are no edges.
        """
        seen = data.seen(data.known())
        if not seen.nnz:
            raise TrainingError("there are no edges to compare")
        return seen

    def report(self) -> dict[str, Any]:
        return {"neighbours": self.neighbours, "shrink": self.shrink, "weighting": self.weighting}


class UserItemKnn(_Neighbours):
    """The sum of an item's similarities to the user's items (Deshpande and Karypis, TOIS'04), by shrunk cosine of their users.

    Attributes:
        length_power: how strongly the length of the scored item's row divides: 1 is the cosine, less favours what many have
            (the asymmetric cosine of Aiolli, RecSys'13).
    """

    name = "item-knn"

    def __init__(
        self, neighbours: int = 100, shrink: float = 10.0, weighting: Weighting = "none", length_power: float = 1.0
    ) -> None:
        super().__init__(neighbours, shrink, weighting)
        if not 0 <= length_power <= 1:
            raise TrainingError(f"length_power must lie between 0 and 1, not {length_power}")
        self.length_power = length_power

    def fit(self, data: UserItemData) -> None:
        """Find each item's most similar items."""
        self._seen = self.read(data)
        rows = _weighted(self._seen.T.tocsr(), self.weighting)
        similar = nearest_rows(rows, self.neighbours, self.shrink, data.items.order)
        if self.length_power < 1:
            length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
            similar = diags_array(length ** np.float32(1 - self.length_power)) @ similar
        self.similar: csr_array = similar.T.tocsr().astype(np.float32)

    def report(self) -> dict[str, Any]:
        return {**super().report(), "length_power": self.length_power}

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, 0 for what is like none of the user's items."""
        scores: FloatArray = (self._seen[users] @ self.similar).toarray()
        return scores


class UserKnn(_Neighbours):
    """The sum of the similarities of the users who have an item (Herlocker et al., SIGIR'99, for sets), by shrunk cosine."""

    name = "user-knn"

    def fit(self, data: UserItemData) -> None:
        """Find each user's most similar users."""
        self._seen = self.read(data)
        self._similar = nearest_rows(
            _weighted(self._seen, self.weighting), self.neighbours, self.shrink, data.users.order
        )

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, 0 for what no similar user has."""
        scores: FloatArray = (self._similar[users] @ self._seen).toarray()
        return scores


def _weighted(rows: csr_array, weighting: Weighting) -> csr_array:
    if weighting == "none":
        return rows
    has = np.bincount(rows.indices, minlength=rows.shape[1])
    scale = np.log((1 + rows.shape[0]) / (1 + has)) if weighting == "tfidf" else 1 / np.sqrt(np.maximum(has, 1))
    weighted: csr_array = (rows @ diags_array(scale.astype(np.float32))).tocsr().astype(np.float32)
    return weighted
