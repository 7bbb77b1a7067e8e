"""One way to compile a numeric kernel with numba. Knows nothing of what the kernels do.

Compiled code is kept on disk beside the source, or in the user's cache folder where the source is read-only (an
installed wheel), or where NUMBA_CACHE_DIR points. Where none of them can be written, kernels compile in each process.
Kernels release the interpreter lock and leave threads to their caller: plain threads survive a fork, as a data
loader's workers do it, which numba's own threading layers do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call, once for each set of argument types.

    A kernel may call compiled helpers of its own file only: numba looks at that file alone to see what changed.
    """
    return _compiled(function)


def compiled_sums(function: Callable[P, R]) -> Callable[P, R]:
    """`compiled`, for long sums of floats: several terms are added side by side, which is many times faster.

    The last digits may differ from those of a plain loop, and between kinds of processor; never between calls.
    """
    return _compiled(function, fastmath={"reassoc", "contract"})


def _compiled(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    try:
        kernel = numba.njit(function, cache=True, nogil=True, **options)
    except RuntimeError:  # numba found no folder that it may write to
        kernel = numba.njit(function, nogil=True, **options)
    return cast(Callable[P, R], kernel)
