"""What each user took up in order, and batches of it. Knows no method, no file and no server."""

from __future__ import annotations

import numpy as np

from engine.errors import TrainingError
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import CSR, IndexArray


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
