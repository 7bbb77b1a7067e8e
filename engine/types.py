"""The values that cross the engine's boundaries. No I/O, no torch, no graph.

Words: a *node id* is the caller's string (`*_id`), a *node index* is a contiguous row number (`*_idx`). Never mixed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int32]
OffsetArray = NDArray[np.int64]
TimeArray = NDArray[np.int64]
KeyArray = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class CSR:
    """Adjacency lists in creation order (edge rev, then the neighbour's 64-bit key).

    Attributes:
        indptr: int64 `[N + 1]`.
        indices: int32 `[E]`, the neighbours' row numbers.
        time: int64 `[E]` epoch ms aligned with `indices`, or None where edges carry no time.
        value: float32 `[E]` aligned with `indices` (a rating, a weight), or None.
    """

    indptr: OffsetArray
    indices: IndexArray
    time: TimeArray | None = None
    value: FloatArray | None = None

    @property
    def num_rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def num_edges(self) -> int:
        return len(self.indices)

    def row(self, idx: int) -> IndexArray:
        """The neighbours of one row, int32 `[degree]`."""
        return self.indices[self.indptr[idx] : self.indptr[idx + 1]]

    def degrees(self) -> OffsetArray:
        """int64 `[N]`."""
        return np.diff(self.indptr)


@dataclass(frozen=True, slots=True)
class ChangedLists:
    """The adjacency lists of one direction that are not as they were, those that came or went among them.

    Attributes:
        rows: int32 `[C]`, increasing.
        before, now: int32 `[C]`, how long each was and is.
        same: int32 `[C]`, how many entries at its front are where they were: all, for a list that only grew.
    """

    rows: IndexArray
    before: IndexArray
    now: IndexArray
    same: IndexArray

    def __len__(self) -> int:
        return len(self.rows)

    @staticmethod
    def none() -> ChangedLists:
        """All lists are as they were."""
        return ChangedLists(*(np.empty(0, np.int32) for _ in range(4)))

    @staticmethod
    def longer(rows: IndexArray) -> ChangedLists:
        """Lists that came with an entry for each time that their row is named."""
        found, now = np.unique(rows, return_counts=True)
        none = np.zeros(len(found), np.int32)
        return ChangedLists(found.astype(np.int32), none, now.astype(np.int32), none)

    def beside(self, other: ChangedLists) -> ChangedLists:
        """Of the lists of both, each row's one after the other, those whose row is in either."""
        rows = np.union1d(self.rows, other.rows)
        counts = np.zeros((3, len(rows)), np.int32)
        for one in (self, other):
            counts[:, np.searchsorted(rows, one.rows)] += np.stack([one.before, one.now, one.same])
        return ChangedLists(rows, *counts)


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """Rows in the order of their keys, by which ties are broken. A row number itself means nothing.

    Attributes:
        rank: int32 `[N]`, the place of each row; empty where rows are in that order already.
        by_rank: int32 `[N]`, the row at each place; likewise.
    """

    rank: IndexArray
    by_rank: IndexArray

    @staticmethod
    def of(keys: KeyArray, by_rank: IndexArray | None = None) -> KeyOrder:
        """The order of some keys.

        Args:
            by_rank: where it is known already.
        """
        if by_rank is None:
            if (keys[1:] > keys[:-1]).all():
                none = np.empty(0, dtype=np.int32)
                return KeyOrder(none, none)
            by_rank = np.argsort(keys, kind="stable").astype(np.int32)
        rank = np.empty(len(keys), dtype=np.int32)
        rank[by_rank] = np.arange(len(keys), dtype=np.int32)
        return KeyOrder(rank, by_rank)

    def ranks(self, rows: NDArray[np.integer]) -> NDArray[np.integer]:
        """The places of some rows."""
        return self.rank[rows] if len(self.rank) else rows


@dataclass(frozen=True)
class ItemContextGraph:
    """The bipartite graph that walks run on: items and what groups them.

    Attributes:
        item_to_context: CSR with one row an item.
        context_to_item: CSR with one row a context; carries `time` where saves have one.
        item_key: uint64 `[items]`, `hashing.keys64` of the item ids.
        context_key: uint64 `[contexts]`.
        item_by_key: int32 `[items]`, the item rows by key where that is known already; it is worked out otherwise.
    """

    item_to_context: CSR
    context_to_item: CSR
    item_key: KeyArray
    context_key: KeyArray
    item_by_key: IndexArray | None = None

    @functools.cached_property
    def item_order(self) -> KeyOrder:
        """The item rows by key."""
        return KeyOrder.of(self.item_key, self.item_by_key)

    @property
    def num_items(self) -> int:
        return self.item_to_context.num_rows

    @property
    def num_contexts(self) -> int:
        return self.context_to_item.num_rows


@dataclass(frozen=True, slots=True)
class Neighbourhoods:
    """The top-T nodes of each seed's random walks (PinSage, section 3.1: importance pooling).

    Attributes:
        idx: int32 `[B, T]`, most visited first, ties by key; -1 where a node has fewer than T neighbours.
        weight: float32 `[B, T]`, L1-normalised visit counts; 0 where `idx` is -1.
    """

    idx: IndexArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.idx)
