"""One coordinate of all features at a time, drawn from its conditional distribution. Knows arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@compiled_sums
def gather(own: Ints, other: Ints, left: Floats, factor: Floats, square: Floats, cross: Floats) -> None:
    """For each node of one side: the sum over its ratings of q^2 and of q times what is left, q the factor of the other side.

    Args:
        own, other: int64 `[E]`, the nodes of each rating.
        left: float64 `[E]`, ratings minus predictions.
        factor: float64 `[others]`.
        square, cross: float64 `[nodes]`, filled.
    """
    square[:] = 0
    cross[:] = 0
    for at in range(len(own)):
        q = factor[other[at]]
        square[own[at]] += q * q
        cross[own[at]] += q * left[at]


@compiled_sums
def draw(
    indptr: Ints, rows: Ints, values: Floats, square: Floats, cross: Floats, factor: Floats, weight: Floats,
    mean: Floats, precision: Floats, noise: Floats, sharpness: float,
) -> None:  # fmt: skip
    """Draw the weight of each feature in turn, given all others.

    Given the rest, the weight w of a feature with values x_n on nodes n is normal with precision l + a sum x_n^2 S_n and mean
    (l m + a sum x_n (C_n + w_old x_n S_n)) / precision, where S and C are what `gather` found (Rendle, TIST'12, equations 28
    and 29, with the ratings of a node taken together as in Rendle, VLDB'13).

    Args:
        indptr, rows, values: the features as columns of a CSC matrix `[nodes, features]`.
        square, cross: float64 `[nodes]`; `cross` follows the draws.
        factor: float64 `[nodes]`, the sum of weights times values; follows the draws.
        weight: float64 `[features]`, changed in place.
        mean, precision: float64 `[features]`, of the prior.
        noise: float64 `[features]`, standard normal.
        sharpness: a, the precision of a rating.
    """
    for feature in range(len(weight)):
        before, total, push = weight[feature], 0.0, 0.0
        for at in range(indptr[feature], indptr[feature + 1]):
            x = values[at]
            total += x * x * square[rows[at]]
            push += x * cross[rows[at]]
        sure = precision[feature] + sharpness * total
        now = precision[feature] * mean[feature] + sharpness * (push + before * total)
        now = now / sure + noise[feature] / np.sqrt(sure)
        weight[feature] = now
        for at in range(indptr[feature], indptr[feature + 1]):
            step = values[at] * (now - before)
            factor[rows[at]] += step
            cross[rows[at]] -= step * square[rows[at]]


@compiled_sums
def settle(own: Ints, other: Ints, left: Floats, factor: Floats, change: Floats) -> None:
    """Take the change of one side's factor, times the other side's factor, out of what is left.

    Args:
        own, other, left: see `gather`; `left` is changed in place.
        factor: float64 `[others]`; change: float64 `[nodes]`.
    """
    for at in range(len(own)):
        left[at] -= change[own[at]] * factor[other[at]]
