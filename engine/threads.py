"""How many threads arithmetic takes. Knows nothing of what is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def threads_taken() -> int:
    """How many threads torch takes."""
    import torch

    return torch.get_num_threads()


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Let torch and the linear algebra libraries take so many threads at most, and as many as before again afterwards.

    Sums of floats depend on how many threads share them out: a training repeats to the last digit with the same number.
    """
    import torch
    from threadpoolctl import threadpool_info, threadpool_limits

    before = torch.get_num_threads()
    fewer = dict[str, int]()
    for library in threadpool_info():
        name = library["prefix"]
        fewer[name] = min(threads, before, library["num_threads"], fewer.get(name, threads))
    with threadpool_limits(fewer):
        torch.set_num_threads(min(threads, before))
        try:
            yield
        finally:
            torch.set_num_threads(before)
