"""The largest singular values of a sparse matrix, whatever its shape, and what a graph model starts from. Knows matrices only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd

from engine.types import FloatArray

SMALL = 1500
"""A matrix with a side as short as this is decomposed exactly, through the products of its rows or columns."""
OVERSAMPLES, ITERATIONS = 40, 4
NOTHING = 1e-6
"""A row as short as this, where the usual length is 1, is rounding."""


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


def normalised(edges: csr_array) -> csr_array:
    """D_U^-1/2 R D_I^-1/2 with the numbers of edges D_U of users and D_I of items, float32 `[users, items]`.

    Args:
        edges: R, `[users, items]`, entries 1; each user and each item has at least one.
    """
    count = np.diff(edges.indptr)
    share = 1 / np.sqrt(np.repeat(count, count) * np.bincount(edges.indices, minlength=edges.shape[1])[edges.indices])
    return csr_array((share.astype(np.float32), edges.indices, edges.indptr), shape=edges.shape)


def spectral_start(edges: csr_array, dim: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """The singular vectors of D_U^-1/2 R D_I^-1/2, each times the root of its value, for a table of embeddings to start from.

    Args:
        edges: `[users, items]`, entries 1; each user and each item has at least one.

    Returns:
        float32 `[users, k]` and `[items, k]`, k <= dim the rank; rows have length 1 in the quadratic mean.
    """
    graph = normalised(edges)
    values, right = right_singular(graph, dim, seed)
    root = np.sqrt(values)
    users, items = graph @ right.T / root, right.T * root
    return _of_length_one(users), _of_length_one(items)


def reached(table: FloatArray) -> NDArray[np.intp]:
    """The rows that a start has a direction for. Of a graph in more parts than there are vectors some parts have none, and from
    zeros a cosine has no gradient that a model could learn by.
    """
    return np.flatnonzero(np.square(table).sum(axis=1) > NOTHING**2)


def _of_length_one(table: FloatArray) -> FloatArray:
    return np.asarray(table / np.sqrt(np.square(table).sum(axis=1).mean()), dtype=np.float32)
