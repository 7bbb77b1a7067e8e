"""What each user took up in order, and batches of it. Knows no method, no file and no server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.models.happened import so_far
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import CSR, FloatArray, IndexArray, KeyOrder, TimeArray


@dataclass(frozen=True, slots=True)
class Takers:
    """Who took up some items last before a time, as it is known of them now.

    Attributes:
        items: int32 `[I]`, rows, each once.
        lists: a row for each of them, oldest first: users' rows, -1 for one who came after the data; `time` int64 epoch ms.
    """

    items: IndexArray
    lists: CSR


@dataclass(frozen=True, slots=True)
class History:
    """What one user took up before a time, and that time: all that may be read of them.

    Attributes:
        items: int32 `[M]`, rows, oldest first; one may come again.
        times: int64 `[M]` epoch ms, `NO_TIME` where an edge has none.
        before: epoch ms, the time of the prediction.
        takers: of items among these, where more is known than the data holds; None for what the data holds.
        user: the row of whose history it is; -1 for one whom the data does not have.
    """

    items: IndexArray
    times: TimeArray
    before: int
    takers: Takers | None = None
    user: int = -1

    @staticmethod
    def of(items: IndexArray, times: TimeArray, before: int, order: KeyOrder) -> History:
        """What came before a time, in the order of `sequences`.

        Args:
            items, times: of all edges, in any order.
            order: of the items' keys.
        """
        read = np.flatnonzero(times < before)
        read = read[np.lexsort((order.ranks(items[read]), times[read]))]
        return History(items[read].astype(np.int32), times[read].astype(np.int64), before)

    def only(self, kept: NDArray[np.integer]) -> History:
        """With some of the edges alone, by position."""
        return replace(self, items=self.items[kept], times=self.times[kept])


@runtime_checkable
class NextScorer(Protocol):
    """A method that tells what a user takes up next, from what came before a time."""

    def score_next(self, history: History) -> FloatArray:
        """Score every item to be next, float32 `[items]`, as a row of `UserScorer.score`.

        Of the user nothing but the history is read, and of nobody else what came at or after its time. What training learned
        stays learned.
        """
        ...


@runtime_checkable
class ReadsTakers(Protocol):
    """A `NextScorer` that reads who else has the items of a history."""

    def takers_of(self, history: History) -> tuple[IndexArray, int]:
        """Of which items it reads the last users, int32 `[I]`, each once, and how many of each."""
        ...


@runtime_checkable
class ScoresAt(Protocol):
    """A method whose scores of a user rest on what they and others did by a time."""

    def score_at(self, users: IndexArray, before: TimeArray) -> FloatArray:
        """As `UserScorer.score`, as of a time each: of others what was before it is read, of the user also what was at that very time.

        Args:
            before: int64 `[B]` epoch ms.
        """
        ...


def asked_at(data: UserItemData, asked: UserItemEdges) -> TimeArray | None:
    """When each user is asked for some edges: at the time of the first, or of the last that is known of them where that is later;
    int64 `[users]` epoch ms, 0 for one who is not asked. None where an edge has no time.
    """
    if asked.time is None or not len(asked) or (asked.time < 0).any():
        return None
    first, known = np.full(data.num_users, np.iinfo(np.int64).max), data.known()
    np.minimum.at(first, asked.user, asked.time)
    last = np.zeros(data.num_users, np.int64)
    if known.time is not None:
        np.maximum.at(last, known.user, known.time)
    there = np.zeros(data.num_users, np.bool_)
    there[asked.user] = True
    return np.where(there, np.maximum(first, last), 0)


def sequences(data: UserItemData, edges: UserItemEdges) -> CSR:
    """Each user's items, oldest first; equal times by the item's key, those without a time before all others. What is dated after
    now has not happened yet.

    Raises:
        TrainingError: there are no edges, or none has a time.
    """
    edges = so_far(edges)
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
