"""Prepare batches in the background while the one before trains (PinSage, section 3.3). Knows nothing of what is in them."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def prefetched(make: Callable[[int], T], first: int, stop: int, depth: int) -> Iterator[Iterator[T]]:
    """Yield an iterator over make(first), ..., make(stop - 1), in order, at most `depth` of them ahead.

    An exception of `make` comes out of the iterator at its batch. Leaving the block early drops what was prepared.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting: deque[Future[T]] = deque()

        def batches() -> Iterator[T]:
            following = first
            while following < stop or waiting:
                while following < stop and len(waiting) < depth:
                    waiting.append(pool.submit(make, following))
                    following += 1
                yield waiting.popleft().result()

        try:
            yield batches()
        finally:
            for future in waiting:
                future.cancel()
