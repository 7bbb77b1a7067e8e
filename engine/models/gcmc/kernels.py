"""The compiled passes of GC-MC: sums over a sparse matrix's rows, and dot products along edges. Knows arrays only.

Both share their rows out over threads; what a row gets does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from engine.compiled import compiled_sums
from engine.types import FloatArray, IndexArray, OffsetArray

SMALL = 1 << 16
"""Work of fewer multiplications than this is not shared out."""


def sum_rows(indptr: OffsetArray, indices: IndexArray, weight: FloatArray, table: FloatArray) -> FloatArray:
    """A sparse matrix by a dense one; entries of weight 0 cost next to nothing.

    Args:
        indptr, indices: the matrix's CSR, `[M + 1]` and int32 `[E]`.
        weight: float32 `[E]`, its entries.
        table: float32 `[N, D]`.

    Returns:
        float32 `[M, D]`.
    """
    out = np.zeros((len(indptr) - 1, table.shape[1]), dtype=np.float32)
    _share_out(lambda first, stop: _sum_rows(indptr, indices, weight, table, out, first, stop), indptr, table.shape[1])
    return out


def dot_rows(indptr: OffsetArray, indices: IndexArray, left: FloatArray, right: FloatArray) -> FloatArray:
    """Dot products between the rows that a sparse matrix's entries join.

    Args:
        indptr, indices: the matrix's CSR, `[M + 1]` and int32 `[E]`.
        left: float32 `[S, M, D]`.
        right: float32 `[N, D]`.

    Returns:
        float32 `[S, E]`.
    """
    out = np.empty((len(left), len(indices)), dtype=np.float32)
    work = len(left) * left.shape[2]
    _share_out(lambda first, stop: _dot_rows(indptr, indices, left, right, out, first, stop), indptr, work)
    return out


@compiled_sums
def _sum_rows(
    indptr: OffsetArray,
    indices: IndexArray,
    weight: FloatArray,
    table: FloatArray,
    out: FloatArray,
    first: int,
    stop: int,
) -> None:
    width = table.shape[1]
    for row in range(first, stop):
        total = out[row]
        for at in range(indptr[row], indptr[row + 1]):
            share = weight[at]
            if share != 0:
                source = table[indices[at]]
                for column in range(width):
                    total[column] += share * source[column]


@compiled_sums
def _dot_rows(
    indptr: OffsetArray,
    indices: IndexArray,
    left: FloatArray,
    right: FloatArray,
    out: FloatArray,
    first: int,
    stop: int,
) -> None:
    for row in range(first, stop):
        for at in range(indptr[row], indptr[row + 1]):
            other = right[indices[at]]
            for number in range(left.shape[0]):
                own = left[number, row]
                total = np.float32(0)
                for column in range(left.shape[2]):
                    total += own[column] * other[column]
                out[number, at] = total


def _share_out(run: Callable[[int, int], None], indptr: OffsetArray, work: int) -> None:
    """Call run(first, stop) for stretches of rows with about as many entries each."""
    rows, threads = len(indptr) - 1, torch.get_num_threads()
    if threads == 1 or int(indptr[-1]) * work < SMALL:
        run(0, rows)
        return
    wanted: NDArray[np.float64] = np.linspace(0, float(indptr[-1]), threads + 1)[1:-1]
    cuts = [0, *(int(cut) for cut in np.searchsorted(indptr, wanted)), rows]
    list(_pool(threads).map(run, cuts[:-1], cuts[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="gcmc")
