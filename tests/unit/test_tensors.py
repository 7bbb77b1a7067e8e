"""A tensor of an array does not tell where in memory the array began."""

from __future__ import annotations

import numpy as np
import torch

from engine.tensors import tensor


def test_products_are_the_same_to_the_last_bit_wherever_the_array_began():
    values = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32)
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    expected = tensor(values) @ weight
    for offset in range(16):
        room = np.empty(values.size + 16, np.float32)
        moved = room[offset : offset + values.size].reshape(values.shape)
        moved[:] = values
        found = tensor(moved)
        assert not found.data_ptr() % 64
        assert torch.equal(found @ weight, expected)
