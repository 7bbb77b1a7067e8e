"""Items that users have in common: what is popular, what goes together, who is alike. Knows edges, no method and no view."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.models.user_item import UserItemData
from engine.types import FloatArray


class Together:
    """Counts over all edges of some data; each is made when it is first asked for."""

    def __init__(self, data: UserItemData) -> None:
        self._data = data

    @functools.cached_property
    def _seen(self) -> csr_array:
        return self._data.seen()

    @functools.cached_property
    def popularity(self) -> FloatArray:
        """float32 `[N]`, edges of each item."""
        return np.bincount(self._data.train.item, minlength=self._data.num_items).astype(np.float32)

    def shared(self, have: NDArray[np.int64]) -> FloatArray:
        """float32 `[U]`, how many of some items each user has."""
        mine = np.zeros(self._data.num_items, np.float32)
        mine[have] = 1.0
        return np.asarray(self._seen @ mine, np.float32)

    def taken_with(self, have: NDArray[np.int64]) -> FloatArray:
        """float32 `[N]`, by how many users who share an item with these each is taken up, each user counted by the share."""
        scores: FloatArray = self._seen.T @ self.shared(have)
        return scores

    def overlap(self, have: NDArray[np.int64]) -> FloatArray:
        """float32 `[U]`, the cosine of each user's set of items and this one."""
        shared, size = self.shared(have), np.sqrt(np.diff(self._seen.indptr) * max(len(have), 1))
        cosines: FloatArray = np.divide(shared, size, out=np.zeros(len(size), np.float32), where=size > 0)
        return cosines
