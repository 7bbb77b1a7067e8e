"""Simple methods that go by the order of a user's items: a Markov chain, and what is like the latest items."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from engine.errors import TrainingError
from engine.models.happened import so_far
from engine.models.sequences import History, as_sequence, newest, sequences
from engine.models.user_baselines.neighbours import UserItemKnn, Weighting
from engine.models.user_item import UserItemData
from engine.types import CSR, FloatArray, IndexArray


class MarkovChain:
    """How likely an item follows the user's last one: a first-order chain, smoothed by how likely the item is at all.

    P(j | i) = (n_ij + smoothing p_j) / (n_i + smoothing), where n_ij counts j right after i, and p_j is the share of j
    among all edges (Chen and Goodman, 1999, section 2.3: Bayesian smoothing with a prior). Who has nothing gets p.

    Attributes:
        smoothing: how many counts the prior is worth, above 0.
    """

    name = "markov"

    def __init__(self, smoothing: float = 1.0) -> None:
        if smoothing <= 0:
            raise TrainingError(f"smoothing must be above 0, not {smoothing}")
        self.smoothing = smoothing

    def fit(self, data: UserItemData) -> None:
        """Count which item comes right after which.

        Raises:
            TrainingError: there are no edges with times.
        """
        lists = self._lists = sequences(data, data.known())
        follows = np.ones(max(len(lists.indices) - 1, 0), np.bool_)
        ends = lists.indptr[1:-1] - 1
        follows[ends[(ends >= 0) & (ends < len(follows))]] = False
        before, after = lists.indices[:-1][follows], lists.indices[1:][follows]
        shape = (data.num_items, data.num_items)
        self._next = csr_array((np.ones(len(before), np.float32), (before, after)), shape=shape)
        self._left = np.bincount(before, minlength=data.num_items).astype(np.float32)
        self._prior = (np.bincount(lists.indices, minlength=data.num_items) / len(lists.indices)).astype(np.float32)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, the chance of each item to be next."""
        return self._after(newest(self._lists, users, 1))

    def score_new(self, items: IndexArray, ratings: FloatArray | None = None) -> FloatArray:
        """float32 `[N]`, for a user who has these items, oldest first."""
        del ratings
        scores: FloatArray = self._after(newest(as_sequence(items), np.zeros(1, np.int32), 1))[0]
        return scores

    def score_next(self, history: History) -> FloatArray:
        """float32 `[N]`; see `engine.models.sequences.NextScorer`."""
        return self.score_new(history.items)

    def report(self) -> dict[str, Any]:
        return {"smoothing": self.smoothing, "transitions": int(self._next.nnz)}

    def _after(self, last: CSR) -> FloatArray:
        found = np.broadcast_to(self._prior, (last.num_rows, len(self._prior))).copy()
        has = last.degrees() > 0
        counts = self._next[last.indices].toarray() + np.float32(self.smoothing) * self._prior
        found[has] = counts / (self._left[last.indices, None] + np.float32(self.smoothing))
        return found


class SessionKnn:
    """The sum of an item's similarities to the user's latest items, each older one counting less (Ludewig and Jannach, 2018).

    Attributes:
        recent: how many of the latest items count.
        decay: what an item counts in comparison with the one after it, above 0 and at most 1.
    """

    name = "session-knn"

    def __init__(
        self,
        neighbours: int = 100,
        shrink: float = 10.0,
        weighting: Weighting = "none",
        recent: int = 10,
        decay: float = 0.8,
    ) -> None:
        if recent < 1 or not 0 < decay <= 1:
            raise TrainingError(f"recent must be at least 1 and decay in (0, 1], not {recent} and {decay}")
        self.items = UserItemKnn(neighbours, shrink, weighting)
        self.recent, self.decay = recent, decay

    def fit(self, data: UserItemData) -> None:
        """Find each item's most similar items.

        Raises:
            TrainingError: there are no edges with times.
        """
        self._lists = sequences(data, data.known())
        self.items.fit(replace(data, train=so_far(data.train), valid=so_far(data.valid)))

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, 0 for what is like none of the user's latest items."""
        return self._like(newest(self._lists, users, self.recent))

    def score_new(self, items: IndexArray, ratings: FloatArray | None = None) -> FloatArray:
        """float32 `[N]`, for a user who has these items, oldest first."""
        del ratings
        scores: FloatArray = self._like(newest(as_sequence(items), np.zeros(1, np.int32), self.recent))[0]
        return scores

    def score_next(self, history: History) -> FloatArray:
        """float32 `[N]`; see `engine.models.sequences.NextScorer`."""
        return self.score_new(history.items)

    def report(self) -> dict[str, Any]:
        return {**self.items.report(), "recent": self.recent, "decay": self.decay}

    def _like(self, last: CSR) -> FloatArray:
        age = np.repeat(last.indptr[1:], last.degrees()) - 1 - np.arange(last.num_edges)
        weight = np.float32(self.decay) ** age.astype(np.float32)
        shape = (last.num_rows, self.items.similar.shape[0])
        latest = csr_array((weight, last.indices, last.indptr), shape=shape)
        scores: FloatArray = (latest @ self.items.similar).toarray()
        return scores
