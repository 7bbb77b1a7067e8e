"""The chunked loss and its gradients are those of a plain cross-entropy."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine.training import full_softmax as module
from engine.training.full_softmax import full_softmax


@pytest.mark.parametrize("entries", [1, 40, 1_000])
def test_loss_and_gradients_equal_those_of_plain_cross_entropy(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ENTRIES", entries)
    torch.manual_seed(0)
    query, candidates = torch.randn(7, 4, requires_grad=True), torch.randn(11, 4, requires_grad=True)
    answer = torch.randint(11, (7,))
    loss = full_softmax(query * 3, candidates, answer)
    found = torch.autograd.grad(2 * loss, (query, candidates))
    plain = F.cross_entropy(query * 3 @ candidates.T, answer)
    expected = torch.autograd.grad(2 * plain, (query, candidates))
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    for mine, its in zip(found, expected, strict=True):
        assert torch.allclose(mine, its, atol=1e-5)


def test_large_logits_stay_finite() -> None:
    query = torch.full((1, 2), 300.0, requires_grad=True)
    loss = full_softmax(query, torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.tensor([1]))
    loss.backward()
    assert loss.item() == pytest.approx(1200.0)
    assert torch.isfinite(query.grad).all()
