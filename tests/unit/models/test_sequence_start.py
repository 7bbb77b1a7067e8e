"""What sequence models start from."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.models.next_items import start_rows_from_spectrum
from engine.models.user_steps import start_from_spectrum

USERS, ITEMS, DIM = 12, 10, 6


def took(pairs: list[tuple[int, int]]) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.array([user for user, _ in pairs]), np.array([item for _, item in pairs])


def start(pairs: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    users, items = torch.randn(USERS, DIM), torch.randn(ITEMS, DIM)
    start_rows_from_spectrum(users, items, took(pairs), 0)
    return users, items


def camps() -> list[tuple[int, int]]:
    """Even users take even items of the first eight, odd users odd ones, all but one each."""
    return [(user, item) for user in range(USERS - 1) for item in range(user % 2, 8, 2) if item // 2 != user % 4]


def test_items_of_the_same_users_begin_close_and_users_beside_theirs() -> None:
    users, items = (table[:, :4] for table in start(camps()))  # as many as have a singular vector
    same, other = items[0:8:2] @ items[0:8:2].T, items[0:8:2] @ items[1:8:2].T
    assert same.mean() > 0.2 + other.abs().mean()
    assert torch.allclose(items[:8].norm(dim=1), torch.ones(8), atol=1e-5)
    assert (users[0] @ items[0:8:2].T).mean() > 0.2 + (users[0] @ items[1:8:2].T).mean()


def test_what_nobody_took_keeps_its_numbers() -> None:
    torch.manual_seed(0)
    drawn_users, drawn_items = torch.randn(USERS, DIM), torch.randn(ITEMS, DIM)
    users, items = start(camps())
    assert torch.equal(items[8:], drawn_items[8:])
    assert torch.equal(users[-1], drawn_users[-1])
    assert not torch.equal(items[:8], drawn_items[:8])


def test_columns_without_a_singular_vector_keep_their_numbers() -> None:
    torch.manual_seed(0)
    drawn = torch.randn(USERS, DIM), torch.randn(ITEMS, DIM)
    users, items = start([(0, 0), (0, 1), (1, 0), (1, 1)])  # one pair of vectors: everybody took everything
    assert torch.equal(users[:, 1:], drawn[0][:, 1:])
    assert torch.equal(items[:, 1:], drawn[1][:, 1:])
    assert torch.allclose(items[:2, 0].abs(), torch.ones(2))


def test_parts_of_the_graph_without_a_singular_vector_keep_their_numbers() -> None:
    torch.manual_seed(0)
    drawn_users, drawn_items = torch.randn(USERS, DIM), torch.randn(ITEMS, DIM)
    users, items = start([(item, item) for item in range(ITEMS)])  # as many parts as pairs, and fewer vectors
    assert (items == drawn_items).all(dim=1).sum() == ITEMS - DIM
    assert (items.norm(dim=1) > 0.9).all()
    users, items = drawn_users[:ITEMS].clone(), drawn_items.clone()
    start_from_spectrum(users, items, csr_array(np.eye(ITEMS, dtype=np.float32)), 0)
    assert (items == drawn_items).all(dim=1).sum() == (users == drawn_users[:ITEMS]).all(dim=1).sum() == ITEMS - DIM


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), min_size=1), st.randoms())
def test_order_and_repetition_of_edges_are_nothing_to_it(pairs: list[tuple[int, int]], random: Random) -> None:
    again = [*pairs, random.choice(pairs)]
    random.shuffle(again)
    for one, other in zip(start(pairs), start(again), strict=True):
        assert torch.equal(one, other)
        assert one.isfinite().all()
