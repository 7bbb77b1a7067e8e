"""What each user took up in order, and batches of it. Knows no method, no file and no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import CSR, FloatArray, IndexArray, KeyOrder, TimeArray


@dataclass(frozen=True, slots=True)
class History:
    """What one user took up before a time, and that time: all that may be read of them.

    Attributes:
        items: int32 `[M]`, rows, oldest first; one may come again.
        times: int64 `[M]` epoch ms, `NO_TIME` where an edge has none.
        before: epoch ms, the time of the prediction.
        user: the user's row; -1 for one who came after the data.
    """

    items: IndexArray
    times: TimeArray
    before: int
    user: int = -1

    @staticmethod
    def of(items: IndexArray, times: TimeArray, before: int, order: KeyOrder, user: int = -1) -> History:
        """What came before a time, in the order of `sequences`.

        Args:
            items, times: of all edges, in any order.
            order: of the items' keys.
        """
        read = np.flatnonzero(times < before)
        read = read[np.lexsort((order.ranks(items[read]), times[read]))]
        return History(items[read].astype(np.int32), times[read].astype(np.int64), before, user)

    def only(self, kept: NDArray[np.integer]) -> History:
        """With some of the edges alone, by position."""
        return History(self.items[kept], self.times[kept], self.before, self.user)


@runtime_checkable
class NextScorer(Protocol):
    """A method that tells what a user takes up next, from what came before a time."""

    def score_next(self, history: History) -> FloatArray:
        """Score every item to be next, float32 `[items]`, as a row of `UserScorer.score`.

        Of the user nothing but the history is read, and of nobody else what came at or after its time. What training learned
        stays learned.
        """
        ...


def sequences(data: UserItemData, edges: UserItemEdges) -> CSR:
    """Each user's items, oldest first; equal times by the item's key, those without a time before all others.

    Raises:
        TrainingError: there are no edges, or none has a time.
    """
    if not len(edges) or edges.time is None or (edges.time < 0).all():
        raise TrainingError("sequences need edges with times", hint="Use item-knn or popularity.")
    order = np.lexsort((data.items.order.ranks(edges.item), edges.time, edges.user))
    count = np.bincount(edges.user, minlength=data.num_users)
    indptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return CSR(indptr, edges.item[order].astype(np.int32), edges.time[order])


def newest(lists: CSR, rows: IndexArray, most: int) -> CSR:
    """The last items of some rows, at most `most`, oldest first; one row for each of `rows`."""
    size = np.minimum(lists.degrees()[rows], most)
    indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    at = np.arange(indptr[-1]) + np.repeat(lists.indptr[np.asarray(rows) + 1] - indptr[1:], size)
    return CSR(indptr, lists.indices[at])


def as_sequence(items: IndexArray) -> CSR:
    """One user's items as they come, in the shape of many users'."""
    return CSR(np.array([0, len(items)], np.int64), np.asarray(items, np.int32))
