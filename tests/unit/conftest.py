"""What unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.threads import at_most


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Products of two threads are rounded otherwise than those of one: what must repeat to the last bit is made by one."""
    with at_most(1):
        yield
