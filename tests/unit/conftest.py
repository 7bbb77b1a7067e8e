"""What unit tests share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Products of two threads are rounded otherwise than those of one: what must repeat to the last bit is made by one."""
    torch.set_num_threads(1)
