"""Cosines of stretched vectors rank items as the inner products of the plain ones do."""

from __future__ import annotations

import numpy as np

from engine.serving.stretched import longest_of, stretched_items, stretched_users


def test_stretched_vectors_have_length_one_and_keep_the_order():
    rng = np.random.default_rng(0)
    items, users = (rng.standard_normal((count, 5)).astype(np.float32) * 3 for count in (40, 7))
    items[3], users[2] = 0, 0
    unit, asking = stretched_items(items, longest_of(items)), stretched_users(users)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(asking, axis=1), [1, 1, 0, 1, 1, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(np.argsort(asking @ unit.T)[users.any(1)], np.argsort(users @ items.T)[users.any(1)])


def test_vectors_of_nothing_can_be_stretched():
    np.testing.assert_array_equal(stretched_items(np.zeros((2, 3), np.float32), 1.0)[:, -1], 1)
