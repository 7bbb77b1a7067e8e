"""How near approximate search comes to exact search. Knows the protocol and nothing else.

`ann_recall` is about search alone; `recall_at_k`, elsewhere, is about recommendations.
"""

from __future__ import annotations

import logging

import numpy as np

from engine.index.exact import ExactIndex, top_of
from engine.index.hnsw import HnswIndex
from engine.index.protocol import NO_LABEL, Hits, LabelArray, SearchIndex, empty_hits
from engine.types import FloatArray

log = logging.getLogger(__name__)

_TOLERANCE = 1e-6
"""What is rounding in scores of at most 1."""
_BLOCK_ROWS = 65_536


def ann_recall(index: SearchIndex, exact: SearchIndex, queries: FloatArray, k: int) -> float:
    """The share of the exact `k` best that `index` finds, over all `queries` `[B, dim]`; 1.0 where there is nothing to find.

    A vector that scores as well as the exact k-th best counts as found, so that equal vectors do no harm. What that means is
    settled for cosines; where vectors are of other lengths, ask by `asked_of`.
    """
    return _recall(index.query(queries, k), exact.query(queries, k))


def asked_of(queries: FloatArray, vectors: FloatArray) -> FloatArray:
    """Those of some queries `[B, d]` that are not zero, each as long as lets no score with `vectors` `[N, d]` be above 1. Their
    best vectors are the same."""
    lengths, longest = np.linalg.norm(queries, axis=1), float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
    known = lengths > 0
    asked: FloatArray = queries[known] / (lengths[known, None] * np.float32(longest or 1.0))
    return asked


def _recall(found: Hits, best: Hits) -> float:
    present = best.labels != NO_LABEL
    if not present.any():
        return 1.0
    least = np.where(present, best.scores, np.inf).min(axis=1, keepdims=True)
    hit = (found.labels != NO_LABEL) & (found.scores >= least - _TOLERANCE)
    return float(np.minimum(hit.sum(axis=1), present.sum(axis=1)).sum() / present.sum())


def sampled_recall(index: SearchIndex, vectors: FloatArray, rows: LabelArray, queries: FloatArray, k: int) -> float:
    """`ann_recall` against an exact search among some rows of a matrix, which is read once and never copied whole.

    Args:
        vectors: float32 `[N, dim]`.
        rows: int64, increasing: the labels of `index`.
    """
    found = index.query(queries, k)
    # What the index found is there: of all other rows only those that score no worse can be among the exact k best.
    least = found.scores.min(axis=1)
    better: list[tuple[LabelArray, LabelArray, FloatArray]] = []
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = rows[start : start + _BLOCK_ROWS]
        # A run of rows is a view; other rows are copied.
        near = vectors[part[0] : part[-1] + 1] if part[-1] - part[0] + 1 == len(part) else vectors[part]
        scores = queries @ near.T
        query, at = np.nonzero(scores >= least[:, None] - _TOLERANCE)
        better.append((query, part[at], scores[query, at]))
    if not better:
        return 1.0
    asked, labels, scores = (np.concatenate(column) for column in zip(*better, strict=True))
    best = empty_hits(len(queries), k)
    for row in range(len(queries)):
        own = asked == row
        top_of(scores[own][None], labels[own], Hits(best.labels[row : row + 1], best.scores[row : row + 1]))
    return _recall(found, best)


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
