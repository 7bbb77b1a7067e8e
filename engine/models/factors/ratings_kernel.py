"""The compiled passes of rating factorisation. Knows arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled_sums
from engine.types import FloatArray, IndexArray, OffsetArray


@compiled_sums
def learn_epoch(
    order: IndexArray,
    indptr: OffsetArray,
    items: IndexArray,
    ratings: FloatArray,
    within: NDArray[np.int64],
    mean: np.float32,
    user_bias: FloatArray,
    item_bias: FloatArray,
    users: FloatArray,
    tastes: FloatArray,
    rate: np.float32,
    ridge: np.float32,
    bias_ridge: np.float32,
) -> float:
    """One step down the gradient a rating, user by user.

    Args:
        order: int32 `[users]`, the order of the users.
        indptr, items, ratings: CSR of the ratings by user.
        within: int64 `[E]`, the order of a user's ratings: places among all.
        users, tastes: float32 `[users, d]` and `[items, d]`, changed in place, as the biases are.

    Returns:
        The sum of squared errors, each before its step.
    """
    width = users.shape[1]
    total = np.float32(0)
    for user in order:
        p = users[user]
        for number in range(indptr[user], indptr[user + 1]):
            place = within[number]
            item = items[place]
            q = tastes[item]
            guess = mean + user_bias[user] + item_bias[item]
            for at in range(width):
                guess += p[at] * q[at]
            error = ratings[place] - guess
            total += error * error
            user_bias[user] += rate * (error - bias_ridge * user_bias[user])
            item_bias[item] += rate * (error - bias_ridge * item_bias[item])
            for at in range(width):
                mine, taste = p[at], q[at]
                p[at] += rate * (error * taste - ridge * mine)
                q[at] += rate * (error * mine - ridge * taste)
    return float(total)


@compiled_sums
def predict_pairs(
    pair_users: IndexArray,
    pair_items: IndexArray,
    base: FloatArray,
    item_bias: FloatArray,
    users: FloatArray,
    tastes: FloatArray,
    into: FloatArray,
) -> None:
    """base_u + b_i + p_u . q_i for each pair."""
    for pair in range(len(pair_users)):
        p, q = users[pair_users[pair]], tastes[pair_items[pair]]
        total = base[pair_users[pair]] + item_bias[pair_items[pair]]
        for at in range(len(p)):
            total += p[at] * q[at]
        into[pair] = total
