"""The friends of users before a time, capped and seeded, out of a snapshot's follows. Knows no model and no server.

A cap keeps the friends whose hash with the seed and the user is lowest: each friend has the same chance, and who is kept depends
neither on row numbers nor on who else is asked for. A friend more or less changes at most one of those kept.
`engine.sampling.live_times` answers the same from Neo4j.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, UnknownNameError
from engine.graph.snapshot_csr import NO_TIME, Relation, edge_rows
from engine.hashing import mix64
from engine.types import CSR, FloatArray, IndexArray, KeyArray, TimeArray

Friendship = Literal["following", "followers", "both"]


def friend_lists(follows: Relation, friendship: Friendship = "following") -> CSR:
    """Each user's friends once, with the time from which they are one; nobody is a friend of themselves.

    Args:
        friendship: who is a friend: whom a user follows, who follows them, or both.

    Returns:
        A CSR in order of row numbers. `time` is that of the first follow, `NO_TIME` where one without a time was always there;
        a follow whose weight is not above 0 is none.

    Raises:
        UnknownNameError: no such friendship.
    """
    check_friendship(friendship)
    sides = {"following": [follows.forward], "followers": [follows.backward]}.get(
        friendship, [follows.forward, follows.backward]
    )
    user = np.concatenate([edge_rows(side) for side in sides])
    friend = np.concatenate([side.indices for side in sides])
    time = np.concatenate([np.full(side.num_edges, NO_TIME) if side.time is None else side.time for side in sides])
    tied = np.concatenate([weights(side) for side in sides]) > 0
    user, friend, time = user[tied], friend[tied], time[tied]
    order = np.lexsort((time, friend, user))
    user, friend, time = user[order], friend[order], time[order]
    first = np.ones(len(user), np.bool_)
    first[1:] = (user[1:] != user[:-1]) | (friend[1:] != friend[:-1])
    kept = first & (user != friend)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user[kept], minlength=follows.forward.num_rows))])
    return CSR(indptr.astype(np.int64), friend[kept].astype(np.int32), time[kept].astype(np.int64))


def friends(lists: CSR, keys: KeyArray, rows: IndexArray, before: TimeArray, most: int, seed: int) -> CSR:
    """Some users' friends before a time each, at most `most`, those kept first of all first.

    Args:
        lists: what `friend_lists` made.
        keys: uint64 `[users]`.
        rows: int32 `[B]`; before: int64 `[B]` epoch ms.

    Returns:
        A CSR with one row for each of `rows`.

    Raises:
        InputError: `most` is less than 1, or not one time for each row.
    """
    if most < 1 or len(rows) != len(before):
        raise InputError(
            f"most must be at least 1, and each row needs a time; got {most}, {len(rows)} and {len(before)}"
        )
    assert lists.time is not None
    size = lists.degrees()[rows]
    place = np.repeat(np.arange(len(rows)), size)
    at = np.arange(size.sum()) + np.repeat(lists.indptr[rows] - (np.cumsum(size) - size), size)
    known = lists.time[at] < np.asarray(before)[place]
    place, at = place[known], at[known]
    kept = lowest(place, keys[np.asarray(rows)[place]], keys[lists.indices[at]], most, seed)
    place, at = place[kept], at[kept]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(rows)))]).astype(np.int64)
    return CSR(indptr, lists.indices[at], lists.time[at])


def lowest(place: NDArray[np.int64], user: KeyArray, friend: KeyArray, most: int, seed: int) -> NDArray[np.int64]:
    """Which pairs a cap keeps: positions `[K]`, by place, then by what was drawn for them.

    Args:
        place: int64 `[P]`, the question that a pair belongs to; user, friend: uint64 `[P]`, their keys.
    """
    drawn = mix64(mix64(user ^ mix64(np.array([seed], np.uint64))) ^ friend)
    order = np.lexsort((friend, drawn, place))
    ordered = place[order]
    size = np.bincount(place, minlength=int(place.max(initial=-1)) + 1)
    within = np.arange(len(ordered)) - (np.cumsum(size) - size)[ordered]
    kept: NDArray[np.int64] = order[within < most]
    return kept


def weights(follows: CSR) -> FloatArray:
    """float32 `[E]`, the weight of each follow; 1 where none was given."""
    if follows.value is None:
        return np.ones(follows.num_edges, np.float32)
    return np.where(np.isnan(follows.value), np.float32(1), follows.value)


def directions(friendship: Friendship) -> dict[str, bool]:
    """Which follows a query about friends reads: the parameters `following` and `followers`."""
    return {"following": friendship != "followers", "followers": friendship != "following"}


def check_friendship(friendship: str) -> None:
    """Raise UnknownNameError for a friendship that there is not."""
    if friendship not in get_args(Friendship):
        raise UnknownNameError(
            f"there is no friendship {friendship!r}", hint=f"Known: {', '.join(get_args(Friendship))}."
        )
