"""The most similar rows of a sparse matrix, by shrunk cosine. Knows matrices only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.compiled import compiled
from engine.types import FloatArray, KeyOrder

BLOCK_ENTRIES = 20_000_000
"""So many products are worked out at once, about."""


def nearest_rows(rows: csr_array, neighbours: int, shrink: float, order: KeyOrder) -> csr_array:
    """For each row the others with the highest a . b / (|a| |b| + shrink).

    Args:
        rows: float32 `[N, M]`.
        neighbours: how many, at most.
        shrink: lowers what rests on little.
        order: of the rows' keys, which decides between equals.

    Returns:
        float32 `[N, N]`, at most `neighbours` entries a row, columns ascending, none on the diagonal.
    """
    count = rows.shape[0]
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel()).astype(np.float32)
    across = rows.T.tocsr()
    # What a row costs: the entries of all columns that it has.
    cost = np.asarray(abs(rows).astype(bool).astype(np.float64) @ np.diff(across.indptr)).ravel()
    sizes, columns, values = [np.zeros(1, np.int64)], [], []
    place = order.ranks(np.arange(count))
    start = 0
    ends = np.cumsum(cost)
    while start < count:
        before = ends[start - 1] if start else 0.0
        end = max(start + 1, int(np.searchsorted(ends, before + BLOCK_ENTRIES)))
        products = (rows[start:end] @ across).tocsr()
        size = np.minimum(np.diff(products.indptr), neighbours)
        offsets = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        kept, worth = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.float32)
        found = np.empty(len(size), np.int64)
        data = products.data.astype(np.float32, copy=False)
        bounds = products.indptr, products.indices
        _keep(*bounds, data, length, place, start, np.float32(shrink), offsets, kept, worth, found)
        used = np.arange(len(kept)) - np.repeat(offsets[:-1], size) < np.repeat(found, size)
        sizes.append(found)
        columns.append(kept[used])
        values.append(worth[used])
        start = end
    indptr = np.cumsum(np.concatenate(sizes))
    nearest = csr_array((np.concatenate(values), np.concatenate(columns), indptr), shape=(count, count))
    nearest.sort_indices()
    return nearest


@compiled
def _keep(
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    data: FloatArray,
    length: FloatArray,
    place_of: NDArray[np.integer],
    first: int,
    shrink: np.float32,
    offsets: NDArray[np.int64],
    kept: NDArray[np.int32],
    worth: FloatArray,
    found: NDArray[np.int64],
) -> None:
    for row in range(len(indptr) - 1):
        lo, hi = indptr[row], indptr[row + 1]
        its = np.empty(hi - lo, np.float32)
        taken = np.empty(hi - lo, np.int32)
        count = 0
        for place in range(lo, hi):
            other = indices[place]
            below = length[first + row] * length[other] + shrink
            if other != first + row and below > 0 and data[place] != 0:
                its[count] = data[place] / below
                taken[count] = other
                count += 1
        room = offsets[row + 1] - offsets[row]
        some = np.arange(count)
        if count > room:
            by_key = np.argsort(place_of[taken[:count]])
            some = by_key[np.argsort(-np.abs(its[by_key]), kind="mergesort")[:room]]
        for at in range(len(some)):
            kept[offsets[row] + at] = taken[some[at]]
            worth[offsets[row] + at] = its[some[at]]
        found[row] = len(some)
