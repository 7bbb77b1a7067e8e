"""The largest singular values of a sparse matrix, whatever its shape. Knows matrices only."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd

from engine.types import FloatArray

SMALL = 1500
"""A matrix with a side as short as this is decomposed exactly, through the products of its rows or columns."""
OVERSAMPLES, ITERATIONS = 40, 4


def right_singular(matrix: csr_array, count: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Singular values and right singular vectors, the largest first.

    Args:
        matrix: float32 `[M, N]`.
        count: how many; fewer where the rank is lower.
        seed: of the random projection that a large matrix is decomposed with (Halko et al., 2011).

    Returns:
        float32 `[k]` and `[k, N]`.
    """
    if min(matrix.shape) <= max(SMALL, count):
        tall = matrix.shape[0] >= matrix.shape[1]
        short = (matrix.T @ matrix if tall else matrix @ matrix.T).toarray().astype(np.float64)
        squares, vectors = np.linalg.eigh(short)
        largest = np.argsort(-squares, kind="stable")[:count]
        largest = largest[squares[largest] > 1e-6 * max(float(squares.max(initial=0.0)), 1e-30)]
        values = np.sqrt(squares[largest])
        right = vectors[:, largest].T if tall else (matrix.T @ (vectors[:, largest] / values)).T
    else:
        _, values, right = randomized_svd(
            matrix, count, n_oversamples=OVERSAMPLES, n_iter=ITERATIONS, random_state=seed
        )
    return np.asarray(values, dtype=np.float32), np.ascontiguousarray(right, dtype=np.float32)
