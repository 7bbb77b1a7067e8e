"""The losses have the values and gradients of their formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine.training.losses import collisions, max_margin, sampled_softmax


def test_max_margin_worked_out_by_hand() -> None:
    query, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0]])
    shared = torch.tensor([[0.55, 0.0], [0.0, 1.0]])
    # max(0, .55 - .5 + .1) = .15 and max(0, 0 - .5 + .1) = 0; a hard negative of 1: .6.
    assert max_margin(query, positive, shared, 0.1).item() == pytest.approx(0.075)
    hard = torch.tensor([[[1.0, 0.0]]])
    assert max_margin(query, positive, shared, 0.1, own_negatives=hard).item() == pytest.approx(0.25)


def test_sampled_softmax_equals_cross_entropy_and_its_gradients() -> None:
    torch.manual_seed(0)
    query, candidates = torch.randn(5, 3, dtype=torch.double), torch.randn(8, 3, dtype=torch.double)
    bias, scale, expected = torch.randn(8).double(), torch.tensor(2.0).double(), torch.randn(8).double()
    same = torch.zeros(5, 8, dtype=torch.bool)
    same[0, 3] = same[2, 7] = True
    leaves = [leaf.requires_grad_() for leaf in (query, candidates, bias, scale)]

    def loss(q: torch.Tensor, c: torch.Tensor, b: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return sampled_softmax(q, c, scale=s, log_expected=expected, same=same, bias=b)

    plain = F.cross_entropy((query @ candidates.T * scale - expected + bias).masked_fill(same, -1e9), torch.arange(5))
    assert torch.allclose(loss(*leaves), plain)
    assert torch.autograd.gradcheck(loss, leaves)


def test_an_answer_drawn_twice_and_the_query_itself_are_no_negatives() -> None:
    query, answer = torch.tensor([1, 2, 3]), torch.tensor([7, 8, 7])
    found = collisions(query, answer, torch.tensor([7, 8, 7, 3, 8]))
    assert found.nonzero().tolist() == [[0, 2], [1, 4], [2, 0], [2, 3]]
