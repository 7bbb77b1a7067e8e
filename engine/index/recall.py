"""How near approximate search comes to exact search. Knows the protocol and nothing else.

`ann_recall` is about search alone; `recall_at_k`, elsewhere, is about recommendations.
"""

from __future__ import annotations

import logging

import numpy as np

from engine.index.exact import ExactIndex
from engine.index.hnsw import HnswIndex
from engine.index.protocol import NO_LABEL, SearchIndex
from engine.types import FloatArray

log = logging.getLogger(__name__)


def ann_recall(index: SearchIndex, exact: SearchIndex, queries: FloatArray, k: int) -> float:
    """The share of the exact `k` best that `index` finds, over all `queries` `[B, dim]`; 1.0 where there is nothing to find.

    A vector that scores as well as the exact k-th best counts as found, so that equal vectors do no harm.
    """
    found, best = index.query(queries, k), exact.query(queries, k)
    present = best.labels != NO_LABEL
    if not present.any():
        return 1.0
    least = np.where(present, best.scores, np.inf).min(axis=1, keepdims=True)
    hit = (found.labels != NO_LABEL) & (found.scores >= least - 1e-6)
    return float(np.minimum(hit.sum(axis=1), present.sum(axis=1)).sum() / present.sum())


def tune(index: HnswIndex, exact: ExactIndex, queries: FloatArray, k: int, target: float, max_ef: int = 4096) -> float:
    """Double the index's `ef` until it reaches `target`, or `max_ef`, or the number of vectors.

    Returns:
        The ann_recall reached. Whether it is enough is for the caller's gate to say.
    """
    ceiling = min(max_ef, max(k, len(index)))
    ef = max(k, min(index.config.ef, ceiling))
    while True:
        index.set_ef(ef)
        reached = ann_recall(index, exact, queries, k)
        log.debug("ef %d reaches ann_recall %.4f", ef, reached)
        if reached >= target or ef >= ceiling:
            return reached
        ef = min(2 * ef, ceiling)
