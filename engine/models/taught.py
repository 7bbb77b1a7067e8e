"""The nodes that a method learned something of, and where they are in the data at hand. Knows no method.

What is learned stands in the order of the nodes' keys, so that other row numbers change nothing, and goes by ids, so that it
can answer about later data: a user is what it has now, and an item that came later is one that the method cannot say
anything of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.errors import TrainingError
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray

if TYPE_CHECKING:
    from engine.graph.snapshot import NodeTable


@dataclass(frozen=True, slots=True)
class Places:
    """Where learned nodes are in some data.

    Attributes:
        rows: int32 `[C]`, the row of each learned node; -1 where it is not there any more.
        column: int32 `[N]`, the learned node of each row; -1 for one that nothing was learned of.
    """

    rows: IndexArray
    column: IndexArray

    @staticmethod
    def of(ids: tuple[str, ...], nodes: NodeTable) -> Places:
        rows = nodes.index_of(ids)
        column = np.full(len(nodes), -1, dtype=np.int32)
        column[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        return Places(rows, column)

    @property
    def taught(self) -> NDArray[np.bool_]:
        """bool `[N]`, of which rows something was learned."""
        return np.asarray(self.column >= 0)

    def take(self, learned: FloatArray, rows: NDArray[np.integer]) -> FloatArray:
        """Values of the learned nodes as values of some rows, float32 `[R, ...]`; zeros for those of nothing learned."""
        column = self.column[rows]
        out = np.zeros((len(rows), *learned.shape[1:]), dtype=np.float32)
        out[column >= 0] = learned[column[column >= 0]]
        return out

    def spread(self, learned: FloatArray, missing: float) -> FloatArray:
        """Values of the learned nodes as values of all rows.

        Args:
            learned: float32 `[C, ...]`.
            missing: what the other rows get.

        Returns:
            float32 `[N, ...]`.
        """
        out = np.full((len(self.column), *learned.shape[1:]), missing, dtype=np.float32)
        here = self.rows >= 0
        out[self.rows[here]] = learned[here]
        return out

    def spread_scores(self, learned: FloatArray) -> FloatArray:
        """float32 `[B, C]` as `[B, N]`; -inf where nothing was learned of an item."""
        out = np.full((len(learned), len(self.column)), -np.inf, dtype=np.float32)
        here = self.rows >= 0
        if here.all():
            out[:, self.rows] = learned
        else:
            out[:, self.rows[here]] = learned[:, here]
        return out


def ids_by_key(nodes: NodeTable) -> tuple[str, ...]:
    """All ids in the order of the keys."""
    return tuple(nodes.ids.take(nodes.rows_by_key))


def taught_ids(nodes: NodeTable, degree: NDArray[np.integer], at_most: int | None = None) -> tuple[str, ...]:
    """The ids of the nodes that have an edge, in the order of their keys.

    Args:
        degree: `[N]`, edges of each row.
        at_most: keep so many, those with the most edges; of equals, those whose key comes first.
    """
    by_key = nodes.rows_by_key
    by_key = by_key[degree[by_key] > 0]
    if at_most is not None and len(by_key) > at_most:
        first = np.argsort(-degree[by_key].astype(np.int64), kind="stable")[:at_most]
        by_key = by_key[np.sort(first)]
    return tuple(nodes.ids.take(by_key))


def learned_edges(data: UserItemData, user_ids: tuple[str, ...], item_ids: tuple[str, ...]) -> csr_array:
    """float32 `[users, items]` of what was learned from: 1 where a known edge joins two of the ids."""
    users, items = Places.of(user_ids, data.users), Places.of(item_ids, data.items)
    return held(data, items)[users.rows]


def held(data: UserItemData, items: Places) -> csr_array:
    """float32 `[users, C]`: 1 where a user has a learned item, rows those of the data, columns in order."""
    return by_learned(data.seen(data.known()), items)


def by_learned(lists: csr_array, others: Places) -> csr_array:
    """Some lists `[R, N]` with the learned nodes for columns, `[R, C]`; entries of others are left out."""
    found = lists.tocoo()
    column = others.column[found.coords[1]]
    kept = column >= 0
    shape = (lists.shape[0], len(others.rows))
    matrix = csr_array((found.data[kept], (found.coords[0][kept], column[kept])), shape=shape)
    matrix.sort_indices()
    return matrix


def known_degrees(data: UserItemData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many different items each user has, and how many users each item, `[users]` and `[items]`.

    Raises:
        TrainingError: there are no edges.
    """
    seen = data.seen(data.known())
    if not seen.nnz:
        raise TrainingError("there are no edges to learn from")
    users = np.diff(seen.indptr).astype(np.int64)
    return users, np.bincount(seen.indices, minlength=data.num_items).astype(np.int64)
