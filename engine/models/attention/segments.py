"""Softmax-weighted sums over packed lists of rows of a table, and their gradients. Knows no model.

Lists stand one after the other, as the rows of a CSR do, and their entries point into the table: nothing is copied out of it
for each entry, and what is added up for a list stays where it is until the list is over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.compiled import compiled_sums
from engine.models.attention.lists import Ints, Lists
from engine.tensors import array
from engine.types import FloatArray

SLOPE = 0.1
"""Of the nonlinearity below 0."""


def attend(logit: Tensor, table: Tensor, lists: Lists) -> Tensor:
    """For each list the sum of its rows, weighed by the softmax of its logits; 0 for an empty list.

    Args:
        logit: float `[E]`.
        table: float `[N, D]`, what the lists' entries are rows of.

    Returns:
        float `[S, D]`.
    """
    out: Tensor = _Attend.apply(logit, table, lists)  # type: ignore[no-untyped-call]
    return out


def pair_logits(own: Tensor, other: Tensor, score: Tensor, lists: Lists) -> Tensor:
    """For each entry score . relu(own + other), with a slope of `SLOPE` below 0.

    Args:
        own: float `[S, D]`, by list.
        other: float `[N, D]`, what the lists' entries are rows of.
        score: float `[D]`.

    Returns:
        float `[E]`.
    """
    out: Tensor = _PairLogits.apply(own, other, score, lists)  # type: ignore[no-untyped-call]
    return out


def softmax_of(logit: FloatArray, lists: Lists) -> FloatArray:
    """The weights that `attend` gives the entries, float32 `[E]`."""
    return _weights(logit, lists.indptr)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logit: Tensor, table: Tensor, lists: Lists) -> Tensor:
        weight = _weights(array(logit), lists.indptr)
        out = torch.zeros(len(lists), table.shape[1])
        _sums(weight, array(table), lists.indptr, lists.at, out.numpy())
        ctx.save_for_backward(table, out)
        ctx.weight, ctx.lists = weight, lists
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        table, out = ctx.saved_tensors
        lists = ctx.lists
        for_logit, for_table = torch.empty(len(lists.at)), torch.zeros(table.shape)
        read = ctx.weight, array(table), array(out), array(grads[0])
        _attend_back(*read, lists.indptr, lists.at, for_logit.numpy(), for_table.numpy())
        return for_logit, for_table, None


class _PairLogits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, other: Tensor, score: Tensor, lists: Lists) -> Tensor:
        ctx.save_for_backward(own, other, score)
        ctx.lists = lists
        logit = torch.empty(len(lists.at))
        _logits(array(own), array(other), array(score), lists.indptr, lists.at, logit.numpy())
        return logit

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        lists = ctx.lists
        own, other, score = (array(one) for one in ctx.saved_tensors)
        found = torch.zeros(own.shape), torch.zeros(other.shape), torch.zeros(score.shape)
        told = found[0].numpy(), found[1].numpy(), found[2].numpy()
        _logits_back(own, other, score, array(grads[0]), lists.indptr, lists.at, *told)
        return *found, None


@compiled_sums
def _weights(logit: FloatArray, indptr: Ints) -> FloatArray:
    weight = np.empty(len(logit), np.float32)
    for one in range(len(indptr) - 1):
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
    return weight


@compiled_sums
def _sums(weight: FloatArray, table: FloatArray, indptr: Ints, row: Ints, out: FloatArray) -> None:
    width = table.shape[1]
    for one in range(len(out)):
        total = out[one]
        for at in range(indptr[one], indptr[one + 1]):
            share, value = weight[at], table[row[at]]
            for column in range(width):
                total[column] += share * value[column]


@compiled_sums
def _attend_back(
    weight: FloatArray,
    table: FloatArray,
    out: FloatArray,
    grad: FloatArray,
    indptr: Ints,
    row: Ints,
    for_logit: FloatArray,
    for_table: FloatArray,
) -> None:
    width = table.shape[1]
    for one in range(len(indptr) - 1):
        toward = grad[one]
        middle = np.float32(0)
        for column in range(width):
            middle += toward[column] * out[one, column]
        for at in range(indptr[one], indptr[one + 1]):
            share, value, back = weight[at], table[row[at]], for_table[row[at]]
            dot = np.float32(0)
            for column in range(width):
                dot += toward[column] * value[column]
                back[column] += share * toward[column]
            for_logit[at] = share * (dot - middle)


@compiled_sums
def _logits(own: FloatArray, other: FloatArray, score: FloatArray, indptr: Ints, row: Ints, logit: FloatArray) -> None:
    slope, width = np.float32(SLOPE), len(score)
    for one in range(len(own)):
        mine = own[one]
        for at in range(indptr[one], indptr[one + 1]):
            its = other[row[at]]
            total = np.float32(0)
            for column in range(width):
                value = mine[column] + its[column]
                total += score[column] * max(value, slope * value)
            logit[at] = total


@compiled_sums
def _logits_back(
    own: FloatArray,
    other: FloatArray,
    score: FloatArray,
    grad: FloatArray,
    indptr: Ints,
    row: Ints,
    for_own: FloatArray,
    for_other: FloatArray,
    for_score: FloatArray,
) -> None:
    slope, whole, width = np.float32(SLOPE), np.float32(1), len(score)
    for one in range(len(own)):
        mine, to_mine = own[one], for_own[one]
        for at in range(indptr[one], indptr[one + 1]):
            its, to_its, toward = other[row[at]], for_other[row[at]], grad[at]
            for column in range(width):
                value = mine[column] + its[column]
                bend = whole if value > 0 else slope
                for_score[column] += toward * bend * value
                push = toward * bend * score[column]
                to_mine[column] += push
                to_its[column] += push
