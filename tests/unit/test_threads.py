"""How many threads arithmetic takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from engine.threads import at_most, threads_taken


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    with threadpool_limits(3):  # other tests are held to one
        torch.set_num_threads(3)
        yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_arithmetic_keeps_to_its_threads_and_has_them_back_afterwards():
    np.ones((2, 2)) @ np.ones((2, 2))  # so that a linear algebra library is there
    with at_most(2):
        assert threads_taken() == torch.get_num_threads() == 2
        assert {found["num_threads"] for found in threadpool_info()} == {2}
    with pytest.raises(ZeroDivisionError), at_most(1):
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError
    with at_most(64):  # never more than would be taken anyway
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_a_library_that_was_held_to_fewer_keeps_to_them():
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(1, user_api="blas"), at_most(2):
        assert {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"} == {1}
        assert torch.get_num_threads() == 2
