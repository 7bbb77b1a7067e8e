"""Keep freed memory in the process, so that each training step does not fault its buffers in anew. Knows no training."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Names of glibc's malloc.h."""


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to serve large blocks from its heap and to hand none back; a no-op elsewhere.

    A training step allocates the same few hundred megabytes again and again. By default each large block is a fresh
    mapping that the kernel zeroes page by page: elementwise work on such blocks was measured 5 to 7 times slower.

    Returns:
        Whether it took effect.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return all(
        mallopt(option, value) == 1
        for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 1 << 28))
    )
