"""What lists of recommendations are like beyond being right. Knows arrays only.

coverage: share of the items that any list holds. gini: how unevenly lists hold the items, 0 for all alike, near 1 for a few
items in every list. popularity: mean number of training users of what is listed. novelty: mean -log2 of the share of users who
have it (Vargas and Castells, RecSys'11). diversity: mean 1 - cosine of two items of a list by their training users
(Ziegler et al., WWW'05).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.compiled import compiled
from engine.types import FloatArray, IndexArray

FIGURES = ("coverage", "gini", "popularity", "novelty", "diversity")


def beyond_accuracy(lists: IndexArray, seen: csr_array) -> dict[str, float]:
    """The five figures.

    Args:
        lists: int32 `[U, L]`, row numbers of items, -1 where a list is shorter.
        seen: float32 `[users, items]`, 1 where training has an edge.
    """
    users, items = seen.shape
    popularity = np.bincount(seen.indices, minlength=items).astype(np.float64)
    listed = lists[lists >= 0]
    if not len(listed):
        return dict.fromkeys(FIGURES, 0.0)
    counts = np.sort(np.bincount(listed, minlength=items))
    place = np.arange(1, items + 1)
    by_item = seen.T.tocsr()
    scale = (1 / np.sqrt(np.maximum(popularity, 1))).astype(np.float32)
    return {
        "coverage": float((counts > 0).mean()),
        "gini": float(((2 * place - items - 1) * counts).sum() / (items * counts.sum())),
        "popularity": float(popularity[listed].mean()),
        "novelty": float(-np.log2((popularity[listed] + 1) / (users + 1)).mean()),
        "diversity": float(_diversity(lists, by_item.indptr, by_item.indices, scale, users)),
    }


@compiled
def _diversity(
    lists: IndexArray,
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    scale: FloatArray,
    users: int,
) -> float:
    """All cosines of a list at once: those of unit vectors x sum to |sum of x|^2 - their number."""
    total = 0.0
    counted = 0
    summed = np.zeros(users, np.float32)
    for row in range(len(lists)):
        size = 0
        own = 0
        square = 0.0
        for item in lists[row]:
            if item < 0:
                continue
            size += 1
            own += indptr[item + 1] > indptr[item]
            for place in range(indptr[item], indptr[item + 1]):
                user = indices[place]
                # (s + x)^2 - s^2, so that no second pass is needed
                square += scale[item] * (2 * summed[user] + scale[item])
                summed[user] += scale[item]
        for item in lists[row]:
            if item >= 0:
                for place in range(indptr[item], indptr[item + 1]):
                    summed[indices[place]] = 0
        if size > 1:
            total += 1 - (square - own) / (size * (size - 1))
            counted += 1
    return total / counted if counted else 0.0
