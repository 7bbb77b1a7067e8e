"""Sparse matrices that a network multiplies by, with gradients. Knows no graph and no network.

The pattern of a matrix is laid out once, by rows and by columns; its entries may differ in each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models.gcmc.kernels import dot_rows, sum_rows
from engine.tensors import array, tensor
from engine.types import FloatArray, IndexArray, OffsetArray


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where a matrix `[M, N]` has entries.

    Attributes:
        indptr, indices: its CSR, int64 `[M + 1]` and int32 `[E]`.
        turned_indptr, turned_indices: that of the transposed matrix.
        turned: int64 `[E]`, the place of each of the transposed matrix's entries among the entries.
    """

    indptr: OffsetArray
    indices: IndexArray
    turned_indptr: OffsetArray
    turned_indices: IndexArray
    turned: NDArray[np.int64]

    @staticmethod
    def of(rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]) -> Pattern:
        """Lay out entries that are in the order of their rows."""
        turned = np.argsort(columns, kind="stable")
        return Pattern(
            indptr=_indptr(rows, shape[0]),
            indices=columns.astype(np.int32),
            turned_indptr=_indptr(columns, shape[1]),
            turned_indices=rows[turned].astype(np.int32),
            turned=turned,
        )


def _indptr(rows: NDArray[np.integer], count: int) -> OffsetArray:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int64)


def matmul(pattern: Pattern, weight: FloatArray, table: Tensor) -> Tensor:
    """A sparse matrix by a dense one.

    Args:
        weight: float32 `[E]`, the entries; no gradient reaches them.
        table: float `[N, D]`.

    Returns:
        float `[M, D]`.
    """
    out: Tensor = _Matmul.apply(table, pattern, weight)  # type: ignore[no-untyped-call]
    return out


def edge_dots(pattern: Pattern, left: Tensor, right: Tensor) -> Tensor:
    """The dot products of the rows that entries join.

    Args:
        left: float `[S, M, D]`.
        right: float `[N, D]`.

    Returns:
        float `[S, E]`.
    """
    out: Tensor = _EdgeDots.apply(left, right, pattern)  # type: ignore[no-untyped-call]
    return out


class _Matmul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, pattern: Pattern, weight: FloatArray) -> Tensor:
        ctx.pattern, ctx.weight = pattern, weight
        return tensor(sum_rows(pattern.indptr, pattern.indices, weight, array(table)))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        pattern, weight = ctx.pattern, ctx.weight
        found = sum_rows(pattern.turned_indptr, pattern.turned_indices, weight[pattern.turned], array(grads[0]))
        return tensor(found), None, None


class _EdgeDots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, pattern: Pattern) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.pattern = pattern
        return tensor(dot_rows(pattern.indptr, pattern.indices, array(left), array(right)))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        pattern, (left, right) = ctx.pattern, map(array, ctx.saved_tensors)
        for_left, for_right = np.empty_like(left), np.zeros_like(right)
        for number, share in enumerate(array(grads[0])):
            for_left[number] = sum_rows(pattern.indptr, pattern.indices, share, right)
            for_right += sum_rows(pattern.turned_indptr, pattern.turned_indices, share[pattern.turned], left[number])
        return tensor(for_left), tensor(for_right), None
