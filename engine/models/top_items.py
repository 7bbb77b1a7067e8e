"""The first items of many users at once, for vectors: products in tiles that stay in the cache, kept down to the best few.

Knows arrays only. A tile of scores is never written to memory that is far: each of its rows is compared with the worst item
kept so far, which few items beat, and only those are looked up among what the user has already. Long items come first, and
a user is done as soon as no shorter item can reach its worst one (Cauchy-Schwarz), so the answer is exact.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from engine.compiled import compiled
from engine.errors import InputError
from engine.types import FloatArray, IndexArray, OffsetArray

USER_TILE, ITEM_TILE = 256, 1024
"""Users and items a tile: 1 MB of scores."""
ROUNDED = 1 + 1e-5
"""How much larger than the exact bound a rounded product may be."""
LANES = 32
"""Scores compared at once."""


@dataclass(frozen=True, slots=True)
class TopItems:
    """The first items of some users, best first, ties by row number.

    Attributes:
        items: int32 `[B, k]`, -1 where there are no more.
        scores: float32 `[B, k]`, -inf there.
    """

    items: IndexArray
    scores: FloatArray


def top_items(
    users: FloatArray, items: FloatArray, k: int, *, without: csr_array | None = None, threads: int = 1
) -> TopItems:
    """The `k` items with the highest inner products for each user.

    Args:
        users: float32 `[B, d]`.
        items: float32 `[N, d]`.
        k: how many; fewer come back where there are fewer.
        without: `[B, N]`, items that a user must not get: those that it has.
        threads: that share the users out. The answers do not depend on it.

    Raises:
        InputError: `k` is below 1, or the shapes do not fit.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}")
    if users.shape[1] != items.shape[1] or (without is not None and without.shape != (len(users), len(items))):
        raise InputError(f"users {users.shape}, items {items.shape} and what they have do not fit each other")
    found = TopItems(np.full((len(users), k), -1, np.int32), np.full((len(users), k), -np.inf, np.float32))
    if without is None:
        indptr, indices = np.zeros(len(users) + 1, np.int64), np.empty(0, np.int32)
    else:
        if not without.has_sorted_indices:
            without = without.sorted_indices()
        indptr, indices = without.indptr.astype(np.int64), without.indices.astype(np.int32, copy=False)
    users = np.ascontiguousarray(users, dtype=np.float32)
    length, long = (np.sqrt((side.astype(np.float64) ** 2).sum(axis=1)) for side in (users, items))
    order = np.argsort(-long, kind="stable").astype(np.int32)
    tiles = [order[at : at + ITEM_TILE] for at in range(0, len(order), ITEM_TILE)]
    across = [np.ascontiguousarray(items[rows].T, dtype=np.float32) for rows in tiles]
    # A product is no larger than both lengths together; the last bits of a float32 sum may be off.
    most = [float(long[rows[0]]) * ROUNDED for rows in tiles]

    def run(start: int) -> None:
        rows = np.arange(start, min(start + USER_TILE, len(users)))
        for tile, columns, longest in zip(tiles, across, most, strict=True):
            rows = rows[length[rows] * longest >= found.scores[rows, -1]]
            if not len(rows):
                return
            _keep(users[rows] @ columns, rows, tile, indptr, indices, found.items, found.scores)

    # Each thread multiplies its own tiles; threads inside of that would only wait for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads, thread_name_prefix="top") as pool:
        list(pool.map(run, range(0, len(users), USER_TILE)))
    return found


@compiled
def _keep(
    scores: FloatArray,
    rows: NDArray[np.int64],
    tile: IndexArray,
    indptr: OffsetArray,
    indices: IndexArray,
    kept: IndexArray,
    worth: FloatArray,
) -> None:
    """Take what is better than the worst kept, of equals the lower row number.

    Args:
        scores: float32 `[n, m]` of the users `rows` and the items `tile`.
        kept, worth: those of all users, changed in place.
    """
    most = kept.shape[1]
    for number in range(len(scores)):
        row = rows[number]
        its, value, item = scores[number], worth[row], kept[row]
        floor = value[most - 1]
        low, high = indptr[row], indptr[row + 1]
        for start in range(0, len(its), LANES):
            stop = min(start + LANES, len(its))
            reached = np.uint32(0)
            for at in range(start, stop):
                reached = np.uint32(reached + np.uint32(its[at] >= floor))
            if reached == 0:
                continue
            for at in range(start, stop):
                own, name = its[at], tile[at]
                if own < floor or own == -np.inf or (own == floor and 0 <= item[most - 1] < name):
                    continue
                if _has(indices, low, high, name):
                    continue
                place = most - 1
                while place > 0 and (value[place - 1] < own or (value[place - 1] == own and item[place - 1] > name)):
                    value[place], item[place] = value[place - 1], item[place - 1]
                    place -= 1
                value[place], item[place] = own, name
                floor = value[most - 1]


@compiled
def _has(indices: IndexArray, low: int, high: int, wanted: int) -> bool:
    """Whether a number is in an ascending stretch."""
    while low < high:
        middle = (low + high) // 2
        if indices[middle] < wanted:
            low = middle + 1
        elif indices[middle] > wanted:
            high = middle
        else:
            return True
    return False
