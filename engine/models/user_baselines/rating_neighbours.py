"""Item-kNN and user-kNN for ratings: what biases leave is told by similar items of the user, or by similar users."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.compiled import compiled
from engine.errors import TrainingError
from engine.graph.snapshot_columns import NodeTable
from engine.models.user_baselines.bias import DampedBias
from engine.models.user_baselines.similarity import nearest_rows
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


class ItemKnnRatings:
    """b_ui + sum_j s_ij (r_uj - b_uj) / (damping + sum_j |s_ij|) over the similar items j that the user rated.

    Koren and Bell (Recommender Systems Handbook, 2015, chapter 3.4.2); s is the shrunk cosine of what the biases leave.

    Attributes:
        neighbours: how many similar items are kept for each.
        shrink: lowers similarities that rest on few ratings.
        damping: holds predictions that rest on little near the biases.
    """

    name = "item-knn-ratings"

    def __init__(self, neighbours: int = 300, shrink: float = 10.0, damping: float = 0.5) -> None:
        if neighbours < 1 or min(shrink, damping) < 0:
            raise TrainingError("neighbours must be at least 1, shrink and damping not negative")
        self.neighbours, self.shrink, self.damping = neighbours, shrink, damping
        self._bias = DampedBias()

    def fit(self, data: UserItemData) -> None:
        """Fit the biases and find the similar rows of what they leave.

        Raises:
            TrainingError: there are no ratings.
        """
        known = data.known()
        self._bias.fit_edges(known, data.num_users, data.num_items)
        assert known.rating is not None
        left = known.rating - self._bias.expected(known.user, known.item)
        shape = (data.num_users, data.num_items)
        total = csr_array((left.astype(np.float32), (known.user, known.item)), shape=shape)
        count = csr_array((np.ones(len(known), np.float32), (known.user, known.item)), shape=shape)
        total.sum_duplicates()
        count.sum_duplicates()
        total.data /= count.data  # the mean where a pair has several ratings
        self._left = self.oriented(total)
        self._similar = nearest_rows(self._left.T.tocsr(), self.neighbours, self.shrink, self.compared(data).order)

    def oriented(self, left: csr_array) -> csr_array:
        """Rows: where a prediction looks; columns: what is compared. Users and items here."""
        return left

    def compared(self, data: UserItemData) -> NodeTable:
        """The columns of what `oriented` gives."""
        return data.items

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """float32 `[P]`, within the ratings that were seen."""
        return self.clipped(users, items, users, items)

    def clipped(self, users: IndexArray, items: IndexArray, rows: IndexArray, columns: IndexArray) -> FloatArray:
        """The biases and what neighbours add to them, float32 `[P]`."""
        added = np.zeros(len(users))
        left, similar = self._left, self._similar
        _add(
            rows, columns, left.indptr, left.indices, left.data,
            similar.indptr, similar.indices, similar.data, self.damping, added,
        )  # fmt: skip
        expected = self._bias.expected(users, items) + added
        return np.clip(expected, self._bias.lowest, self._bias.highest).astype(np.float32)

    def report(self) -> dict[str, Any]:
        return {"neighbours": self.neighbours, "shrink": self.shrink, "damping": self.damping}


class UserKnnRatings(ItemKnnRatings):
    """The same with users and items changed over: similar users who rated the item (Herlocker et al., SIGIR'99)."""

    name = "user-knn-ratings"

    def oriented(self, left: csr_array) -> csr_array:
        """Items and users."""
        return left.T.tocsr()

    def compared(self, data: UserItemData) -> NodeTable:
        """The users."""
        return data.users

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """float32 `[P]`, within the ratings that were seen."""
        return self.clipped(users, items, items, users)


@compiled
def _add(
    rows: IndexArray,
    columns: IndexArray,
    left_indptr: NDArray[np.integer],
    left_indices: NDArray[np.integer],
    left: FloatArray,
    similar_indptr: NDArray[np.integer],
    similar_indices: NDArray[np.integer],
    similar: FloatArray,
    damping: float,
    added: NDArray[np.float64],
) -> None:
    """Both lists ascend: they are read side by side."""
    for pair in range(len(rows)):
        one, end = left_indptr[rows[pair]], left_indptr[rows[pair] + 1]
        other, last = similar_indptr[columns[pair]], similar_indptr[columns[pair] + 1]
        total, weight = 0.0, damping
        while one < end and other < last:
            if left_indices[one] < similar_indices[other]:
                one += 1
            elif left_indices[one] > similar_indices[other]:
                other += 1
            else:
                total += similar[other] * left[one]
                weight += abs(similar[other])
                one += 1
                other += 1
        added[pair] = total / weight if weight > 0 else 0.0
