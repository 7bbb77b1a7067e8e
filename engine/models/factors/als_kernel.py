"""The compiled half-step of ALS: each row's least squares by a few steps of conjugate gradients. Knows arrays only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.compiled import compiled_sums
from engine.types import FloatArray, IndexArray, OffsetArray

SMALL = 1 << 12
"""Fewer entries than this are not shared out over threads."""


def solve_rows(
    edges: csr_array,
    vectors: FloatArray,
    other: FloatArray,
    ridge: FloatArray,
    unobserved: float,
    steps: int,
    threads: int,
) -> None:
    """Move each row's vector x towards the minimum of

    sum over its entries (1 - x.y)^2 + unobserved * sum over all y (x.y)^2 + ridge |x|^2

    by conjugate gradients from where it is (Takacs et al., RecSys'11). What a row gets does not depend on the threads.

    Args:
        edges: `[M, N]`, entries 1.
        vectors: float32 `[M, d]`, changed in place.
        other: float32 `[N, d]`.
        ridge: float32 `[M]`.
    """
    gram = np.ascontiguousarray(other.T @ other) * np.float32(unobserved)
    indptr, indices = edges.indptr.astype(np.int64), edges.indices.astype(np.int32, copy=False)
    if threads == 1 or edges.nnz < SMALL:
        _solve(indptr, indices, vectors, other, gram, ridge, steps, 0, len(vectors))
        return
    cuts = [
        0,
        *(int(cut) for cut in np.searchsorted(indptr, np.linspace(0, edges.nnz, threads + 1)[1:-1])),
        len(vectors),
    ]

    def run(first: int, stop: int) -> None:
        _solve(indptr, indices, vectors, other, gram, ridge, steps, first, stop)

    list(_pool(threads).map(run, cuts[:-1], cuts[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="als")


@compiled_sums
def _solve(
    indptr: OffsetArray,
    indices: IndexArray,
    vectors: FloatArray,
    other: FloatArray,
    gram: FloatArray,
    ridge: FloatArray,
    steps: int,
    first: int,
    stop: int,
) -> None:
    width = vectors.shape[1]
    residual, direction, image = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(first, stop):
        x = vectors[row]
        begin, end = indptr[row], indptr[row + 1]
        _image(x, other, indices[begin:end], gram, ridge[row], residual)
        for at in range(width):
            residual[at] = -residual[at]
        for place in range(begin, end):
            y = other[indices[place]]
            for at in range(width):
                residual[at] += y[at]
        squared = _dot(residual, residual)
        direction[:] = residual
        for _ in range(steps):
            if squared < 1e-12:
                break
            _image(direction, other, indices[begin:end], gram, ridge[row], image)
            length = squared / _dot(direction, image)
            for at in range(width):
                x[at] += length * direction[at]
                residual[at] -= length * image[at]
            now = _dot(residual, residual)
            for at in range(width):
                direction[at] = residual[at] + now / squared * direction[at]
            squared = now


@compiled_sums
def _dot(one: FloatArray, two: FloatArray) -> np.float32:
    total = np.float32(0)
    for at in range(len(one)):
        total += one[at] * two[at]
    return total


@compiled_sums
def _image(
    x: FloatArray, other: FloatArray, items: NDArray[np.int32], gram: FloatArray, ridge: np.float32, into: FloatArray
) -> None:
    """The normal equations' matrix times x."""
    width = len(x)
    for at in range(width):
        into[at] = ridge * x[at]
    for row in range(width):
        share = x[row]
        line = gram[row]
        for at in range(width):
            into[at] += share * line[at]
    for place in range(len(items)):
        y = other[items[place]]
        share = np.float32(0)
        for at in range(width):
            share += y[at] * x[at]
        for at in range(width):
            into[at] += share * y[at]
