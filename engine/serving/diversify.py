"""Maximal marginal relevance (Carbonell & Goldstein, 1998): near-equal items make room. Knows scores and vectors only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.types import FloatArray

POOL = 5
"""Candidates looked at for each item wanted, where diversity is asked for."""


def check_diversity(diversity: float) -> float:
    """`diversity` itself.

    Raises:
        InputError: it is not a number in [0, 1].
    """
    if isinstance(diversity, bool) or not isinstance(diversity, int | float) or not 0 <= diversity <= 1:
        raise InputError(f"diversity must be a number from 0 to 1, not {diversity!r}")
    return float(diversity)


def mmr(scores: FloatArray, vectors: FloatArray, k: int, diversity: float) -> NDArray[np.int64]:
    """Pick `k` candidates one by one, each the best of (1 - diversity) * relevance - diversity * likeness to the picked.

    Args:
        scores: float32 `[C]`; brought to [0, 1] over the candidates, so that every method's scale weighs the same.
        vectors: float32 `[C, d]`, unit length.
        diversity: 0 keeps the order of the scores; 1 looks at likeness alone after the first.

    Returns:
        int64 `[min(k, C)]`, positions in the order picked.
    """
    count = len(scores)
    picked = np.empty(min(k, count), dtype=np.int64)
    if not len(picked):
        return picked
    spread = float(scores.max() - scores.min())
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones(count, np.float32)
    likeness = np.full(count, -1.0, np.float32)
    free = np.ones(count, dtype=bool)
    for place in range(len(picked)):
        gain = (1 - diversity) * relevance - diversity * likeness if place else relevance
        picked[place] = best = int(np.where(free, gain, -np.inf).argmax())
        free[best] = False
        likeness = np.maximum(likeness, vectors @ vectors[best])
    return picked
