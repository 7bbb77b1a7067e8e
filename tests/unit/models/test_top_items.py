"""The first items of many users are those that sorting all scores gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from engine.errors import InputError
from engine.models import top_items as module
from engine.models.top_items import top_items


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("tile", [7, 2048])
def test_they_are_those_of_a_full_sort_without_what_a_user_has(
    threads: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ITEM_TILE", tile)
    monkeypatch.setattr(module, "USER_TILE", min(tile, 128))
    rng = np.random.default_rng(0)
    users, items = rng.integers(-3, 4, (50, 4)), rng.integers(-3, 4, (300, 4))
    has = rng.random((50, 300)) < 0.2
    has[3] = True
    found = top_items(
        users.astype(np.float32),
        items.astype(np.float32),
        10,
        without=csr_array(has.astype(np.float32)),
        threads=threads,
    )
    scores = np.where(has, -np.inf, users @ items.T)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    expected = np.take_along_axis(scores, order, axis=1)
    assert (found.items == np.where(np.isfinite(expected), order, -1)).all()
    assert (found.scores == expected).all()


def test_there_may_be_fewer_items_than_are_asked_for() -> None:
    found = top_items(np.ones((2, 1), np.float32), np.array([[1], [2]], np.float32), 5)
    assert found.items.tolist() == [[1, 0, -1, -1, -1]] * 2
    assert top_items(np.ones((0, 1), np.float32), np.ones((3, 1), np.float32), 2).items.shape == (0, 2)


def test_what_does_not_fit_is_refused() -> None:
    one = np.ones((2, 3), np.float32)
    with pytest.raises(InputError, match="k must"):
        top_items(one, one, 0)
    with pytest.raises(InputError, match="fit"):
        top_items(one, one[:, :2], 1)
    with pytest.raises(InputError, match="fit"):
        top_items(one, one, 1, without=csr_array(np.ones((3, 2))))
