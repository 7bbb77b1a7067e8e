"""Compiled passes of serving. Knows arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.types import FloatArray, IndexArray

Flags = NDArray[np.bool_]


@compiled
def most_met(
    ends: FloatArray,
    weights: FloatArray,
    reached: IndexArray,
    corpus: NDArray[np.integer],
    number: int,
    mask: Flags,
    shut: Flags,
    count: int,
) -> tuple[NDArray[np.int64], FloatArray]:
    """The rows that walks end at most, in two looks at what they reached and without a copy of it.

    Args:
        ends: float32 `[Q, N]`, the walks' ends.
        weights: float32 `[Q]`.
        reached: int32 `[M]`, rows to choose from, each once.
        corpus, number: `[N]`, only rows of this corpus are chosen, where there is no `mask`.
        mask: bool `[N]`, the rows that a filter lets through; or empty.
        shut: bool `[N]`, rows that are left out.
        count: at least 1.

    Returns:
        int64 `[C]` and their weighted sums, float32 `[C]`, in no order: the `count` best, and all as good as the last of them.
    """
    met = np.zeros(len(reached), np.float32)
    least = np.zeros(count, np.float32)  # a heap of the best sums so far, the smallest first
    for at in range(len(reached)):
        row = reached[at]
        if shut[row] or (not mask[row] if len(mask) else corpus[row] != number):
            continue
        total = np.float32(0.0)
        for query in range(len(weights)):
            total += weights[query] * ends[query, row]
        met[at] = total
        if total > least[0]:
            hole = 0
            while 2 * hole + 1 < count:
                child = 2 * hole + 1
                if child + 1 < count and least[child + 1] < least[child]:
                    child += 1
                if least[child] >= total:
                    break
                least[hole] = least[child]
                hole = child
            least[hole] = total
    chosen = np.flatnonzero((met >= least[0]) & (met > 0))
    return reached[chosen].astype(np.int64), met[chosen]
