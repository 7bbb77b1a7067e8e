"""Scores that are inner products of vectors of users and items. Knows no training."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.models.learned import Learned, LearnedMethod
from engine.models.row_embedder import Joined, RowEmbedder, embed_all
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True)
class VectorAnswers:
    """Vectors under the row numbers of some data; see `engine.models.user_item.VectorScorer`.

    Attributes:
        users: float32 `[users, d]`, zeros for a user nothing is known of.
        items: float32 `[items, d]`, zeros for an item nothing is known of.
    """

    users: FloatArray
    items: FloatArray

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, items]`; -inf for a user or an item that nothing is known of."""
        scores = self.users[users] @ self.items.T
        scores[:, ~self._known_items] = -np.inf
        scores[~self.users[users].any(axis=1)] = -np.inf
        return np.asarray(scores, dtype=np.float32)

    @functools.cached_property
    def _known_items(self) -> NDArray[np.bool_]:
        return np.asarray(self.items.any(axis=1))


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

    @classmethod
    def embedder(cls, folder: Path, joined: Joined) -> RowEmbedder:
        """Read what `save` wrote, to compute some rows.

        Raises:
            CorruptFileError: see `load`.
        """
        with cls._reading(folder) as learned:
            return cls._embedder(learned, joined)

    @classmethod
    def _embedder(cls, learned: Learned, joined: Joined) -> RowEmbedder:
        """What was learned, before some users and items."""
        raise NotImplementedError

    def _look_at(self, data: UserItemData) -> None:
        joined = Joined.in_data(data)
        vectors = embed_all(self._embedder(self._learned, joined), joined)[-1]
        self._answers = VectorAnswers(vectors["users"], vectors["items"])
