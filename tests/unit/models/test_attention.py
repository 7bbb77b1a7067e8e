"""Attention over packed lists is what a loop over the lists says, gradients included."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from engine.models.attention.dots import Marks, attend_by_dots
from engine.models.attention.lists import Lists
from engine.models.attention.node import Attention
from engine.models.attention.segments import SLOPE, attend, pair_logits, softmax_of

LISTS = Lists(np.array([0, 3, 3, 4, 9]), np.array([2, 0, 5, 5, 1, 2, 3, 4, 4]))


def gradients(found: torch.Tensor, toward: torch.Tensor, *inputs: torch.Tensor) -> list[torch.Tensor]:
    return [found.detach(), *torch.autograd.grad((found * toward).sum(), inputs)]


def test_a_weighed_sum_and_its_gradients_are_those_of_a_loop():
    torch.manual_seed(1)
    logit, table = torch.randn(9, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    toward, rows = torch.randn(4, 5), torch.from_numpy(LISTS.at)
    plain = torch.stack(
        [
            (logit[first:stop].softmax(0)[:, None] * table[rows[first:stop]]).sum(0)
            for first, stop in itertools.pairwise(LISTS.indptr)
        ]
    )
    found = attend(logit, table, LISTS)
    assert (found[1] == 0).all()
    expected = gradients(plain, toward, logit, table)
    torch.testing.assert_close(gradients(found, toward, logit, table), expected)
    weight = softmax_of(logit.detach().numpy(), LISTS)
    assert np.allclose(np.add.reduceat(weight, [0, 3, 4]), 1)


def test_logits_of_pairs_and_their_gradients_are_those_of_the_layer_over_joined_vectors():
    torch.manual_seed(2)
    own, other, score = (
        torch.randn(4, 5, requires_grad=True),
        torch.randn(6, 5, requires_grad=True),
        torch.randn(5, requires_grad=True),
    )
    toward = torch.randn(9)
    both = own[torch.from_numpy(LISTS.owner)] + other[torch.from_numpy(LISTS.at)]
    plain = torch.nn.functional.leaky_relu(both, SLOPE) @ score
    expected = gradients(plain, toward, own, other, score)
    torch.testing.assert_close(gradients(pair_logits(own, other, score, LISTS), toward, own, other, score), expected)


def test_attention_by_products_and_its_gradients_are_those_of_a_loop():
    torch.manual_seed(4)
    own, table, drawn = (torch.randn(size, requires_grad=True) for size in ((4, 5), (6, 5), (4, 3)))
    mark = np.array([2, 0, 0, 1, 0, 1, 2, 1, 0])
    toward, toward_mark = torch.randn(4, 5), torch.randn(4, 3)
    sums, marks, weights = [], [], []
    for one, (first, stop) in enumerate(itertools.pairwise(LISTS.indptr)):
        rows, its = table[torch.from_numpy(LISTS.at[first:stop])], torch.from_numpy(mark[first:stop])
        weight = (rows @ own[one] + drawn[one, its]).softmax(0)
        sums.append(weight @ rows)
        marks.append(torch.zeros(3).index_add(0, its, weight))
        weights.append(weight.detach())
    expected = torch.autograd.grad(
        (torch.stack(sums) * toward).sum() + (torch.stack(marks) * toward_mark).sum(), (own, table, drawn)
    )
    found = attend_by_dots(own, table, LISTS, Marks(mark, drawn))
    torch.testing.assert_close((found.sums, found.marks), (torch.stack(sums), torch.stack(marks)))
    torch.testing.assert_close(torch.from_numpy(found.weight), torch.cat(weights))
    ends = (found.sums * toward).sum() + (found.marks * toward_mark).sum()
    torch.testing.assert_close(torch.autograd.grad(ends, (own, table, drawn)), expected)
    plain = attend_by_dots(own, table, LISTS)
    even = attend_by_dots(own, table, LISTS, Marks(np.zeros(9, np.int64), torch.ones(4, 1)))
    torch.testing.assert_close(plain.sums, even.sums)


def test_without_weights_it_is_the_mean_and_has_nothing_to_learn():
    torch.manual_seed(3)
    own, table = torch.randn(4, 5), torch.randn(6, 5)
    even = Attention(5, weighs=False)
    found = even(own, table, LISTS)
    torch.testing.assert_close(found[0], table[[2, 0, 5]].mean(0))
    assert list(even.parameters()) == []


def test_a_capped_list_keeps_its_order_and_some_lists_are_those_lists():
    capped = LISTS.capped(2, np.random.default_rng(0))
    assert np.diff(capped.indptr).tolist() == [2, 0, 1, 2]
    for one in range(len(LISTS)):
        kept, whole = (lists.at[lists.indptr[one] : lists.indptr[one + 1]].tolist() for lists in (capped, LISTS))
        assert [entry for entry in whole if entry in kept][: len(kept)] == kept
    some = LISTS.rows(np.array([3, 0]))
    assert (some.indptr.tolist(), some.at.tolist()) == ([0, 5, 8], [1, 2, 3, 4, 4, 2, 0, 5])
