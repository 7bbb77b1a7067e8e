"""Scores that are inner products of what was learned of users and items. Knows no training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.models.learned import LearnedMethod
from engine.models.taught import Places
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class VectorAnswers:
    """Vectors under the row numbers of some data; see `engine.models.user_item.VectorScorer`.

    Attributes:
        users: float32 `[users, d]`, zeros for a user nothing is known of.
        items: float32 `[items, d]`, zeros for an item nothing is known of.
        known_users, known_items: bool.
    """

    users: FloatArray
    items: FloatArray
    known_users: NDArray[np.bool_]
    known_items: NDArray[np.bool_]

    @staticmethod
    def of(
        data: UserItemData,
        known_users: NDArray[np.bool_],
        users: FloatArray,
        item_ids: tuple[str, ...],
        item_vectors: FloatArray,
    ) -> VectorAnswers:
        """Find the learned items in some data.

        Args:
            users: float32 `[users, d]`, by row.
            item_vectors: float32 `[C, d]`, in the order of the ids.
        """
        items = Places.of(item_ids, data.items)
        return VectorAnswers(users, items.spread(item_vectors, 0), known_users, items.column >= 0)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, items]`; -inf for a user or an item that nothing is known of."""
        scores = self.users[users] @ self.items.T
        scores[:, ~self.known_items] = -np.inf
        scores[~self.known_users[users]] = -np.inf
        return np.asarray(scores, dtype=np.float32)


class AnswersByVectors:
    """A method whose answers are `VectorAnswers`."""

    _answers: VectorAnswers

    @property
    def user_vectors(self) -> FloatArray:
        """float32 `[users, d]`; zeros for a user that nothing is known of."""
        return self._answers.users

    @property
    def item_vectors(self) -> FloatArray:
        """float32 `[items, d]`; zeros for an item that nothing is known of."""
        return self._answers.items

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`; -inf for a user or an item that nothing is known of."""
        return self._answers.score(users)


class VectorMethod(AnswersByVectors, LearnedMethod):
    """A `LearnedMethod` that answers by vectors."""
