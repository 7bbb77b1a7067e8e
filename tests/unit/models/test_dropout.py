"""Dropout is a function of its seed, drops its share, and its gradient goes where its numbers went."""

from __future__ import annotations

import pytest
import torch

from engine.models.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.3, 0.75])
def test_it_drops_its_share_and_keeps_the_mean(share: float) -> None:
    x = torch.ones(4000, 50)
    found = Dropout(share, 7)(x)
    kept = found != 0
    assert kept.float().mean().item() == pytest.approx(1 - share, abs=0.004)
    assert found[kept].numpy() == pytest.approx(1 / (1 - share))
    assert found.mean().item() == pytest.approx(1, abs=0.02)
    apart = kept.float() - kept.float().mean()
    for other in (apart.roll(1, 0), apart.roll(1, 1), apart.flip(1)):  # neither by row nor by column
        assert abs((apart * other).mean().item()) < 0.003


def test_the_same_seed_draws_the_same_and_each_call_anew() -> None:
    x = torch.ones(100, 8)
    first, again, other = Dropout(0.5, 3), Dropout(0.5, 3), Dropout(0.5, 4)
    draws = [first(x), first(x)]
    assert all(torch.equal(one, again(x)) for one in draws)
    assert not torch.equal(*draws)
    assert not torch.equal(other(x), draws[0])


def test_rows_come_with_their_gradients_and_negative_ones_are_nothing() -> None:
    table = torch.randn(5, 6, requires_grad=True)
    rows, toward = torch.tensor([4, 0, -1, 4]), torch.randn(4, 6)
    found = Dropout(0.4, 1).rows(table, rows)
    stays = Dropout(0.4, 1).rows(torch.ones(5, 6), rows)
    assert (stays[2] == 0).all()
    assert not torch.equal(stays[0], stays[3])
    torch.testing.assert_close(found, table[rows] * stays)
    expected = torch.zeros(5, 6).index_add(0, rows.clamp(min=0), toward * stays)
    torch.testing.assert_close(torch.autograd.grad((found * toward).sum(), table)[0], expected)


def test_without_a_seed_or_a_share_nothing_is_dropped() -> None:
    x = torch.randn(3, 2, 4)
    for nothing in (Dropout(0.5, None), Dropout(0.0, 1)):
        assert torch.equal(nothing(x), x)
        assert torch.equal(nothing.rows(x[0], torch.tensor([1, 0])), x[0][[1, 0]])
