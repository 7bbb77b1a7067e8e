"""The compiled pass of SVD++ over the ratings. Knows arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@compiled_sums
def descend(
    indptr: Ints,
    item: Ints,
    rating: Floats,
    users: Ints,
    order: Ints,
    mean: float,
    user_bias: Floats,
    item_bias: Floats,
    user_factor: Floats,
    item_factor: Floats,
    implicit: Floats,
    rate: float,
    shrink: float,
    bias_shrink: float,
) -> float:
    """One pass of stochastic gradient descent, user by user; changes biases and factors in place.

    What a user's ratings say of the implicit factors is added up and shared out at the end of the user.

    Args:
        indptr, item, rating: the ratings by user, `[users + 1]`, `[E]` and `[E]`.
        users: `[users]`, in which order to take the users.
        order: `[E]`, positions of the ratings, each user's shuffled among themselves.
        user_bias, item_bias, user_factor, item_factor: `[users]`, `[items]`, `[users, D]`, `[items, D]`.
        implicit: `[items, D]`, the factors of having rated an item at all.

    Returns:
        The sum of the squared errors met.
    """
    width = item_factor.shape[1]
    pooled, before, whole = np.empty(width), np.empty(width), np.empty(width)
    total = 0.0
    for user in users:
        first, stop = indptr[user], indptr[user + 1]
        if first == stop:
            continue
        share = 1 / np.sqrt(stop - first)
        pooled[:] = 0
        for at in range(first, stop):
            for column in range(width):
                pooled[column] += share * implicit[item[at], column]
        before[:] = pooled
        own = user_factor[user]
        for place in range(first, stop):
            at = order[place]
            other = item_factor[item[at]]
            found = mean + user_bias[user] + item_bias[item[at]]
            for column in range(width):
                whole[column] = own[column] + pooled[column]
                found += whole[column] * other[column]
            error = rating[at] - found
            total += error * error
            user_bias[user] += rate * (error - bias_shrink * user_bias[user])
            item_bias[item[at]] += rate * (error - bias_shrink * item_bias[item[at]])
            for column in range(width):
                was = other[column]
                other[column] += rate * (error * whole[column] - shrink * was)
                own[column] += rate * (error * was - shrink * own[column])
                pooled[column] += rate * error * was
        for at in range(first, stop):
            for column in range(width):
                step = share * (pooled[column] - before[column])
                implicit[item[at], column] += step - rate * shrink * implicit[item[at], column]
    return total
