"""What the first ratings say of a node that none was known of in training. Knows arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.types import FloatArray, IndexArray

MOST = 1_000
"""Of a node's ratings at most so many are looked at, the last ones."""


def moved(
    expected: FloatArray,
    like: FloatArray,
    nodes: NDArray[np.int64],
    own: IndexArray,
    other: IndexArray,
    left: FloatArray,
    factors: FloatArray,
    noise: float,
) -> FloatArray:
    """Factors of late nodes, given their ratings.

    Their prior is a normal distribution around what is expected of them, with the covariance C of the nodes that training knew;
    a rating is the product with the other node's factor f, and noise. Given ratings r on F, the mean is
    p + C F^T (F C F^T + noise^2)^-1 (r - F p).

    Args:
        expected: float32 `[N, d]`, of all nodes of this side.
        like: float32 `[M, d]`, factors of the nodes that training knew.
        nodes: int64 `[L]`, the late ones.
        own, other: int32 `[E]`, both ends of the ratings by row.
        left: float32 `[E]`, ratings less all that is not this product.
        factors: float32 `[others, d]`.

    Returns:
        float32 `[L, d]`.
    """
    found = np.array(expected[nodes])
    if len(like) < 2 or not len(nodes):
        return found
    spread = np.cov(like.T.astype(np.float64)).reshape(like.shape[1], like.shape[1])
    order = np.argsort(own, kind="stable")
    start = np.searchsorted(own[order], nodes, side="left")
    stop = np.searchsorted(own[order], nodes, side="right")
    for place, (low, high) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
        some = order[max(low, high - MOST) : high]
        if len(some):
            its = factors[other[some]].astype(np.float64)
            across = its @ spread
            sure = across @ its.T + noise**2 * np.eye(len(some))
            found[place] += across.T @ np.linalg.solve(sure, left[some] - its @ found[place])
    return found
