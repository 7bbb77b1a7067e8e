"""Dot-product attention over packed lists of rows of a table, with its gradients. Knows no model.

As in `engine.models.attention.segments` nothing is copied out of the table for each entry; the logits, the softmax and the sum of
a list are worked out while its rows are near.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.compiled import compiled_sums
from engine.models.attention.lists import Ints, Lists
from engine.tensors import array
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class Marks:
    """What entries are beside rows of a table: each has a mark, and each list is drawn to each mark.

    Attributes:
        of: int64 `[E]`, below A.
        logit: float `[S, A]`, added to the logit of an entry that has the mark.
    """

    of: Ints
    logit: Tensor


@dataclass(frozen=True, slots=True)
class Attended:
    """What lists attended to.

    Attributes:
        sums: float `[S, D]`, the rows of each list by their weights; 0 for an empty list.
        marks: float `[S, A]`, the weight of each mark in each list.
        weight: float32 `[E]`, of each entry, without a gradient.
    """

    sums: Tensor
    marks: Tensor
    weight: FloatArray


def attend_by_dots(own: Tensor, table: Tensor, lists: Lists, marks: Marks | None = None) -> Attended:
    """Weigh the rows of each list by the softmax of own . row, and of what is added for the mark of each.

    Args:
        own: float `[S, D]`, by list.
        table: float `[N, D]`, what the lists' entries are rows of.
        marks: None adds nothing.
    """
    if marks is None:
        marks = Marks(np.zeros(len(lists.at), np.int64), own.new_zeros(len(own), 1))
    sums, mass, weight = _AttendByDots.apply(own, table, marks.logit, lists, marks.of)  # type: ignore[no-untyped-call]
    return Attended(sums, mass, weight.numpy())


class _AttendByDots(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, own: Tensor, table: Tensor, drawn: Tensor, lists: Lists, mark: Ints
    ) -> tuple[Tensor, Tensor, Tensor]:
        weight, sums, mass = torch.empty(len(lists.at)), torch.zeros_like(own), torch.zeros_like(drawn)
        told = weight.numpy(), sums.numpy(), mass.numpy()
        _attend(array(own), array(table), array(drawn), lists.indptr, lists.at, mark, *told)
        ctx.save_for_backward(own, table, mass, weight)
        ctx.lists, ctx.mark = lists, mark
        ctx.mark_non_differentiable(weight)
        return sums, mass, weight

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        own, table, mass, weight = ctx.saved_tensors
        found = [torch.zeros_like(one, memory_format=torch.contiguous_format) for one in (own, table, mass)]
        lists, mark = ctx.lists, ctx.mark
        _attend_back(
            array(own),
            array(table),
            array(weight),
            lists.indptr,
            lists.at,
            mark,
            array(grads[0]),
            array(grads[1]),
            *(one.numpy() for one in found),
        )
        return found[0], found[1], found[2], None, None


@compiled_sums
def _attend(
    own: FloatArray,
    table: FloatArray,
    drawn: FloatArray,
    indptr: Ints,
    row: Ints,
    mark: Ints,
    weight: FloatArray,
    sums: FloatArray,
    mass: FloatArray,
) -> None:
    width = own.shape[1]
    for one in range(len(own)):
        first, stop = indptr[one], indptr[one + 1]
        mine, total = own[one], sums[one]
        highest = np.float32(-np.inf)
        for at in range(first, stop):
            its = table[row[at]]
            logit = np.float32(0)
            for column in range(width):
                logit += mine[column] * its[column]
            logit += drawn[one, mark[at]]
            weight[at] = logit
            highest = max(highest, logit)
        whole = np.float32(0)
        for at in range(first, stop):
            weight[at] = np.exp(weight[at] - highest)
            whole += weight[at]
        for at in range(first, stop):
            share, its = weight[at] / whole, table[row[at]]
            weight[at] = share
            mass[one, mark[at]] += share
            for column in range(width):
                total[column] += share * its[column]


@compiled_sums
def _attend_back(
    own: FloatArray,
    table: FloatArray,
    weight: FloatArray,
    indptr: Ints,
    row: Ints,
    mark: Ints,
    toward: FloatArray,
    toward_mass: FloatArray,
    for_own: FloatArray,
    for_table: FloatArray,
    for_drawn: FloatArray,
) -> None:
    width = own.shape[1]
    longest = 0
    for one in range(len(own)):
        longest = max(longest, indptr[one + 1] - indptr[one])
    push = np.empty(longest, np.float32)
    for one in range(len(own)):
        first, stop = indptr[one], indptr[one + 1]
        mine, to_mine, pull = own[one], for_own[one], toward[one]
        middle = np.float32(0)
        for at in range(first, stop):
            its = table[row[at]]
            dot = np.float32(0)
            for column in range(width):
                dot += pull[column] * its[column]
            dot += toward_mass[one, mark[at]]
            push[at - first] = dot
            middle += weight[at] * dot
        for at in range(first, stop):
            share, its, to_its = weight[at], table[row[at]], for_table[row[at]]
            bend = share * (push[at - first] - middle)
            for_drawn[one, mark[at]] += bend
            for column in range(width):
                to_mine[column] += bend * its[column]
                to_its[column] += share * pull[column] + bend * mine[column]
