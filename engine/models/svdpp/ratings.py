"""The known ratings user by user, in the order of the keys, and what is said when a descent leaves all bounds. Knows no method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.models.user_item import UserItemData, UserItemEdges


@dataclass(frozen=True, slots=True)
class RatedLists:
    """Ratings by user, then item; nodes are places in the order of the keys, so that other row numbers change nothing.

    Attributes:
        edges: the same as they came.
        user, item: int64 `[E]`.
        rating: float64 `[E]`.
        indptr: int64 `[users + 1]`.
    """

    edges: UserItemEdges
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    rating: NDArray[np.float64]
    indptr: NDArray[np.int64]

    @staticmethod
    def of(data: UserItemData, method: str) -> RatedLists:
        """Lay out all that is known.

        Args:
            method: who asks, for the message.

        Raises:
            TrainingError: there are no ratings.
        """
        edges = data.known()
        if not len(edges) or edges.rating is None:
            raise TrainingError(f"{method}: there is no rating to learn from")
        user = data.users.order.ranks(edges.user).astype(np.int64)
        item = data.items.order.ranks(edges.item).astype(np.int64)
        order = np.lexsort((edges.rating, item, user))
        user, item, rating = user[order], item[order], edges.rating[order].astype(np.float64)
        return RatedLists(edges, user, item, rating, np.searchsorted(user, np.arange(data.num_users + 1)))

    def error(self, total: float, method: str, epoch: int) -> float:
        """The root mean square error of an epoch, from the sum of its squares.

        Args:
            epoch: from 0.

        Raises:
            TrainingError: it is not finite.
        """
        if not np.isfinite(total):
            raise TrainingError(f"{method}: the error is {total} in epoch {epoch + 1}", hint="Lower the learning rate.")
        return float(np.sqrt(total / len(self.rating)))
