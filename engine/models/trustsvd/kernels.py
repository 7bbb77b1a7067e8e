"""The compiled pass of TrustSVD over ratings and follows. Knows arrays only."""

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
    friend_indptr: Ints,
    friend: Ints,
    tie: Floats,
    users: Ints,
    order: Ints,
    raters: Floats,
    followers: Floats,
    mean: float,
    user_bias: Floats,
    item_bias: Floats,
    user_factor: Floats,
    item_factor: Floats,
    implicit: Floats,
    trusted: Floats,
    rate: float,
    shrink: float,
    trust: float,
) -> float:
    """One pass of stochastic gradient descent, user by user; changes biases and factors in place (equations 12 and 13).

    What a user's ratings say of the factors of rated items and of friends is added up and shared out at the end of the user. What
    the friends say of the user's own is averaged, not summed, so that following 100,000 others is no longer a step than one.

    Args:
        indptr, item, rating: the ratings by user, `[users + 1]`, `[E]` and `[E]`.
        friend_indptr, friend: the friends of each user, `[users + 1]` and `[F]`.
        tie: `[F]`, what each friend counts in a user's sum over them.
        users: `[users]`, in which order to take the users.
        order: `[E]`, positions of the ratings, each user's shuffled among themselves.
        raters, followers: `[items]` and `[users]`, 1 / root of how many rated the item, have the user as a friend; at
            most 1.
        user_bias, item_bias, user_factor, item_factor: `[users]`, `[items]`, `[users, D]`, `[items, D]`.
        implicit: `[items, D]`, the factors of having rated an item at all.
        trusted: `[users, D]`, the factors of being followed.

    Returns:
        The sum of the squared errors of the ratings met.
    """
    width = item_factor.shape[1]
    pooled, before, whole, social = np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    total = 0.0
    for user in users:
        first, stop = indptr[user], indptr[user + 1]
        first_friend, stop_friend = friend_indptr[user], friend_indptr[user + 1]
        own = user_factor[user]
        share = 1 / np.sqrt(max(stop - first, 1))
        friend_share = 1 / np.sqrt(max(stop_friend - first_friend, 1))
        pooled[:] = 0
        for at in range(first, stop):
            for column in range(width):
                pooled[column] += share * implicit[item[at], column]
        for at in range(first_friend, stop_friend):
            for column in range(width):
                pooled[column] += tie[at] * trusted[friend[at], column]
        before[:] = pooled
        for place in range(first, stop):
            at = order[place]
            other = item_factor[item[at]]
            found = mean + user_bias[user] + item_bias[item[at]]
            for column in range(width):
                whole[column] = own[column] + pooled[column]
                found += whole[column] * other[column]
            error = rating[at] - found
            total += error * error
            few = raters[item[at]]
            user_bias[user] += rate * (error - shrink * share * user_bias[user])
            item_bias[item[at]] += rate * (error - shrink * few * item_bias[item[at]])
            for column in range(width):
                was = other[column]
                other[column] += rate * (error * whole[column] - shrink * few * was)
                own[column] += rate * (error * was - shrink * share * own[column])
                pooled[column] += rate * error * was
        for at in range(first, stop):
            few = raters[item[at]]
            for column in range(width):
                step = share * (pooled[column] - before[column])
                implicit[item[at], column] += step - rate * shrink * few * implicit[item[at], column]
        for column in range(width):
            social[column] = 0
        for at in range(first_friend, stop_friend):
            other = trusted[friend[at]]
            few = followers[friend[at]]
            found = 0.0
            for column in range(width):
                found += own[column] * other[column]
            error = trust * (1 - found)
            for column in range(width):
                was = other[column]
                step = tie[at] * (pooled[column] - before[column])
                other[column] += step + rate * (error * own[column] - shrink * few * was)
                social[column] += tie[at] * error * was
        for column in range(width):
            pull = friend_share * trust * own[column] if stop_friend > first_friend else 0.0
            own[column] += rate * (social[column] * friend_share - pull)
    return total
