"""Popularity: the items that most users have, of late or ever. The floor of every ranking table."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import TrainingError
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


class UserPopularity:
    """Scores an item by the number of users who have it."""

    name = "popularity"

    def fit(self, data: UserItemData) -> None:
        """Count. An item that nobody has scores 0.

        Raises:
            TrainingError: there are no edges.
        """
        seen = data.seen(data.known())
        if not seen.nnz:
            raise TrainingError("there are no edges to count")
        self._users = np.bincount(seen.indices, minlength=data.num_items).astype(np.float32)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, the same row for each user."""
        return np.broadcast_to(self._users, (len(users), len(self._users)))

    def report(self) -> dict[str, Any]:
        return {}


class RecentPopularity:
    """Scores an item by its edges, each worth half as much for every `half_life` of the data's span that it is older.

    A share of the span rather than days: some data sets number their steps instead of dating them.

    Attributes:
        half_life: share of the time between the first and the last edge, above 0.
    """

    name = "recent-popularity"

    def __init__(self, half_life: float = 0.05) -> None:
        if half_life <= 0:
            raise TrainingError(f"half_life must be above 0, not {half_life}")
        self.half_life = half_life

    def fit(self, data: UserItemData) -> None:
        """Add up. Edges without a time count as the oldest.

        Raises:
            TrainingError: no edge has a time.
        """
        known = data.known()
        dated = known.time[known.time >= 0] if known.time is not None else np.empty(0, np.int64)
        if known.time is None or not len(dated):
            raise TrainingError("popularity by recency needs edges with times", hint="Use popularity.")
        last, span = int(dated.max()), max(int(dated.max() - dated.min()), 1)
        age = np.where(known.time >= 0, last - known.time, span) / span
        worth = np.exp2(-age / self.half_life)
        self._worth = np.bincount(known.item, worth, minlength=data.num_items).astype(np.float32)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, the same row for each user."""
        return np.broadcast_to(self._worth, (len(users), len(self._worth)))

    def report(self) -> dict[str, Any]:
        return {"half_life": self.half_life}
