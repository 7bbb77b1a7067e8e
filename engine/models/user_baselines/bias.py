"""Damped bias: the mean rating, plus how the user and the item differ from it. The floor of every rating table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import FloatArray, IndexArray


class DampedBias:
    """mu + b_u + b_i, where each bias is the mean of what is left, as if `damping` more ratings were average.

    Koren and Bell (Recommender Systems Handbook, 2015, chapter 3.2), solved in turns until both fit together.

    Attributes:
        user_damping, item_damping: how many average ratings each user and item is given.
        turns: how often both are solved.
    """

    name = "bias"

    def __init__(self, user_damping: float = 5.0, item_damping: float = 3.0, turns: int = 10) -> None:
        if min(user_damping, item_damping) < 0 or turns < 1:
            raise TrainingError("damping must not be negative, and turns must be at least 1")
        self.user_damping, self.item_damping, self.turns = user_damping, item_damping, turns

    def fit(self, data: UserItemData) -> None:
        """Solve for the biases. A user or item without a rating has none.

        Raises:
            TrainingError: there are no ratings.
        """
        self.fit_edges(data.known(), data.num_users, data.num_items)

    def fit_edges(self, known: UserItemEdges, num_users: int, num_items: int) -> None:
        """`fit` for others that start from these biases."""
        if known.rating is None or not len(known):
            raise TrainingError("there are no ratings to learn from")
        rating = known.rating.astype(np.float64)
        self.mean = float(rating.mean())
        self.lowest, self.highest = float(rating.min()), float(rating.max())
        self.user_bias, self.item_bias = np.zeros(num_users), np.zeros(num_items)
        for _ in range(self.turns):
            left = rating - self.mean - self.user_bias[known.user]
            self.item_bias = _damped(known.item, left, num_items, self.item_damping)
            left = rating - self.mean - self.item_bias[known.item]
            self.user_bias = _damped(known.user, left, num_users, self.user_damping)

    def expected(self, users: IndexArray, items: IndexArray) -> NDArray[np.float64]:
        """mu + b_u + b_i, float64 `[P]`."""
        found: NDArray[np.float64] = self.mean + self.user_bias[users] + self.item_bias[items]
        return found

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """float32 `[P]`, within the ratings that were seen."""
        return np.clip(self.expected(users, items), self.lowest, self.highest).astype(np.float32)

    def report(self) -> dict[str, Any]:
        return {"mean": self.mean, "user_damping": self.user_damping, "item_damping": self.item_damping}


def _damped(node: IndexArray, left: NDArray[np.float64], count: int, damping: float) -> NDArray[np.float64]:
    ratings = np.bincount(node, minlength=count)
    total = np.bincount(node, left, minlength=count)
    bias: NDArray[np.float64] = np.divide(total, ratings + damping, out=np.zeros(count), where=ratings > 0)
    return bias
