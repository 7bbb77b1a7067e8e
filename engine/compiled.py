"""One way to compile a numeric kernel with numba. Knows nothing of what the kernels do.

Compiled code is kept on disk beside the source, or in the user's cache folder where the source is read-only (an
installed wheel), or where NUMBA_CACHE_DIR points. Where none of them can be written, kernels compile in each process.
Kernels release the interpreter lock and leave threads to their caller: plain threads survive a fork, as a data
loader's workers do it, which numba's own threading layers do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call, once for each set of argument types.

    A kernel may call compiled helpers of its own file only: numba looks at that file alone to see what changed.
    """
    try:
        kernel = numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba found no folder that it may write to
        kernel = numba.njit(function, nogil=True)
    return cast(Callable[P, R], kernel)
