"""EASE: a weight between each two items, in closed form. Knows no server."""

from __future__ import annotations

import logging
import time

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from engine.errors import ConfigError, TrainingError
from engine.models.learned import Learned, LearnedMethod
from engine.models.taught import Places, held, known_degrees, learned_edges, taught_ids
from engine.models.user_item import UserItemData
from engine.progress import progress
from engine.types import FloatArray, IndexArray

log = logging.getLogger("engine.models")
BLOCK = 1024
"""Columns of the square matrix that are worked on at once."""


class EaseScorer(LearnedMethod):
    """Ridge regression of each item on all others (Steck, WWW'19, equations 6-8): with P = (X^T X + l2 I)^-1 the weight from
    item i to item j is -P_ij / P_jj.

    P is a dense float32 matrix of items x items, made and inverted in place, so a fit needs its memory once:
    6.7 GB for 41,000 items. Where a catalogue needs more than `memory_gb`, the items with the most users take part and
    the others score -inf; `report()` says how many those are.

    Args:
        l2: added to the diagonal.
        memory_gb: for the matrix, at most.
    """

    name = "ease"

    def __init__(self, l2: float = 150.0, memory_gb: float = 8.0) -> None:
        if not l2 > 0 or not memory_gb > 0:
            raise ConfigError("ease: l2 and memory_gb must be positive")
        self.l2, self.memory_gb = float(l2), float(memory_gb)

    def fit(self, data: UserItemData) -> None:
        """Learn from all known edges.

        Raises:
            TrainingError: there are no edges, or the matrix cannot be inverted in float32.
        """
        started = time.perf_counter()
        user_degree, item_degree = known_degrees(data)
        users = taught_ids(data.users, user_degree)
        items = taught_ids(data.items, item_degree, at_most=max(1, int(np.sqrt(self.memory_gb * 2**28))))
        weights = _weights(learned_edges(data, users, items), self.l2)
        self._learned = Learned(
            {"l2": self.l2, "memory_gb": self.memory_gb},
            {"items": items},
            {"weights": weights},
            {
                "items": len(items),
                "items left out": int((item_degree > 0).sum()) - len(items),
                "seconds": time.perf_counter() - started,
            },
        )
        self._look_at(data)

    def fold_in(self, data: UserItemData) -> EaseScorer:
        """Answer about later data without training: a user is the items that it has now; items that came later score -inf."""
        return self._answering(self._learned, data)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`; -inf for an item without a training edge, and for a user who has none of the learned items."""
        own = self._held[users]
        scores = own @ self._learned.arrays["weights"]
        scores[np.diff(own.indptr) == 0] = -np.inf
        return self._places.spread_scores(scores)

    def _look_at(self, data: UserItemData) -> None:
        self._places = Places.of(self._learned.ids["items"], data.items)
        self._held = held(data, self._places)


def _weights(edges: csr_array, l2: float) -> FloatArray:
    """The weights `[from, to]` between items, in the memory of the one matrix.

    Args:
        edges: float32 `[users, items]`.
    """
    count = edges.shape[1]
    across = edges.T.tocsr()
    square = np.empty((count, count), dtype=np.float32)
    for start in range(0, count, BLOCK):
        square[start : start + BLOCK] = (across[start : start + BLOCK] @ edges).toarray()
    square.flat[:: count + 1] += np.float32(l2)
    invert(square)
    scale = -1 / square.diagonal()
    for start in range(0, count, BLOCK):
        square[start : start + BLOCK] *= scale
    square.flat[:: count + 1] = 0
    return square


def invert(square: FloatArray) -> None:
    """Invert a symmetric positive definite matrix, float32 `[n, n]`, in its own memory and that of two blocks of columns.

    One sweep a block of columns (Goodnight, The American Statistician 1979): with A = [[P, B^T], [B, C]] the block becomes
    [[-1/P, (B/P)^T], [B/P, C - B/P B^T]], and after the last one the matrix is -1/A. Nearly all of the work is products of
    matrices, on the upper triangle alone.

    Raises:
        TrainingError: a block is not positive definite in float32.
    """
    count = len(square)
    starts = range(0, count, BLOCK)
    log.info("inverting a matrix of %d x %d items", count, count)
    with progress("Inverting", len(starts)) as advance:
        for start in starts:
            here = slice(start, min(start + BLOCK, count))
            column = np.concatenate([square[:start, here], square[here, start:].T])
            pivot = _inverse(column[here])
            scaled = column @ pivot
            for row in starts:
                rows = slice(row, min(row + BLOCK, count))
                if row != start:
                    square[rows, row:] -= scaled[rows] @ column[row:].T
            square[:start, here], square[here, start:] = scaled[:start], scaled[start:].T
            square[here, here] = -pivot
            advance(1)
    for start in starts:
        stop = min(start + BLOCK, count)
        square[start:stop, start:] *= -1
        square[stop:, start:stop] = square[start:stop, stop:].T
        corner = square[start:stop, start:stop]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T


def _inverse(pivot: FloatArray) -> FloatArray:
    """The inverse of a small matrix that has a Cholesky factor."""
    try:
        factor = cho_factor(pivot.astype(np.float64), lower=True)
    except np.linalg.LinAlgError:
        raise TrainingError("ease: the matrix of items cannot be inverted", hint="Raise l2.") from None
    return np.asarray(cho_solve(factor, np.eye(len(pivot))), np.float32)
