"""Softmax-weighted sums over packed lists, and their gradients. Knows no model.

Lists stand one after the other, as the rows of a CSR do, so a list is one run of memory and nothing is scattered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.compiled import compiled_sums
from engine.types import FloatArray

Ints = NDArray[np.int64]


def attend(logit: Tensor, value: Tensor, indptr: Ints) -> Tensor:
    """For each list the sum of its values, weighed by the softmax of its logits; 0 for an empty list.

    Args:
        logit: float `[E]`.
        value: float `[E, D]`.
        indptr: int64 `[S + 1]`, where each list begins.

    Returns:
        float `[S, D]`.
    """
    out: Tensor = _Attend.apply(logit, value, indptr)  # type: ignore[no-untyped-call]
    return out


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logit: Tensor, value: Tensor, indptr: Ints) -> Tensor:
        weight, out = _forward(_array(logit), _array(value), indptr)
        ctx.save_for_backward(value)
        ctx.weight, ctx.out, ctx.indptr = weight, out, indptr
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (value,) = ctx.saved_tensors
        logit, values = _backward(ctx.weight, _array(value), ctx.out, _array(grads[0]), ctx.indptr)
        return torch.from_numpy(logit), torch.from_numpy(values), None


@compiled_sums
def _forward(logit: FloatArray, value: FloatArray, indptr: Ints) -> tuple[FloatArray, FloatArray]:
    lists, width = len(indptr) - 1, value.shape[1]
    weight, out = np.empty(len(logit), np.float32), np.zeros((lists, width), np.float32)
    for one in range(lists):
        first, stop = indptr[one], indptr[one + 1]
        if first == stop:
            continue
        highest = logit[first]
        for at in range(first + 1, stop):
            highest = max(highest, logit[at])
        total = np.float32(0)
        for at in range(first, stop):
            weight[at] = np.exp(logit[at] - highest)
            total += weight[at]
        for at in range(first, stop):
            weight[at] /= total
            for column in range(width):
                out[one, column] += weight[at] * value[at, column]
    return weight, out


@compiled_sums
def _backward(
    weight: FloatArray, value: FloatArray, out: FloatArray, grad: FloatArray, indptr: Ints
) -> tuple[FloatArray, FloatArray]:
    for_logit, for_value = np.empty_like(weight), np.empty_like(value)
    width = value.shape[1]
    for one in range(len(indptr) - 1):
        middle = np.float32(0)
        for column in range(width):
            middle += grad[one, column] * out[one, column]
        for at in range(indptr[one], indptr[one + 1]):
            dot = np.float32(0)
            for column in range(width):
                dot += grad[one, column] * value[at, column]
                for_value[at, column] = weight[at] * grad[one, column]
            for_logit[at] = weight[at] * (dot - middle)
    return for_logit, for_value


def _array(tensor: Tensor) -> FloatArray:
    found: FloatArray = tensor.detach().contiguous().numpy()
    return found
