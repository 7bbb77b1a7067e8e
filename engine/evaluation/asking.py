"""How protocols about users and items draw their splits and what they ask. Knows no method and no file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.evaluation import user_split
from engine.evaluation.user_split import Parts, UserItemSplit
from engine.evaluation.user_world import UserItemWorld
from engine.models.user_item import UserItemEdges
from engine.models.user_ranking import Asked, Lists
from engine.types import IndexArray, KeyArray, OffsetArray


def draw_named(world: UserItemWorld, numbers: Any, how: str, seed: int) -> Parts:
    """`random`, `time` or `user`."""
    return user_split.drawn(world, how, numbers.test_share, seed)


def draw_last(world: UserItemWorld, numbers: Any, how: str, seed: int) -> Parts:
    """The last item of each user; nothing is drawn."""
    del how, seed
    return user_split.last_out(world, numbers.min_edges)


def draw_cold_users(world: UserItemWorld, numbers: Any, how: str, seed: int) -> Parts:
    """Users who lose all but their first items."""
    del how
    return user_split.cold_users(world, numbers.test_share, numbers.valid_share, numbers.given, seed)


def draw_cold_items(world: UserItemWorld, numbers: Any, how: str, seed: int) -> Parts:
    """Items that lose all of their edges."""
    del how
    return user_split.cold_items(world, numbers.test_share, numbers.valid_share, seed)


def ask_full(split: UserItemSplit, users: IndexArray, numbers: Any) -> dict[str, Asked]:
    """All items but those that the user has."""
    del numbers
    return {"all": Asked(_lists(split, split.test, users), _lists(split, split.training.known(), users))}


def ask_sampled(split: UserItemSplit, users: IndexArray, numbers: Any) -> dict[str, Asked]:
    """The answers and drawn items."""
    answers, known = _lists(split, split.test, users), _lists(split, split.training.known(), users)
    return {"sampled": Asked(answers, only=_drawn(split, users, answers, known, numbers.negatives))}


def ask_last(split: UserItemSplit, users: IndexArray, numbers: Any) -> dict[str, Asked]:
    """Both of them."""
    return {**ask_full(split, users, numbers), **ask_sampled(split, users, numbers)}


def ask_cold_items(split: UserItemSplit, users: IndexArray, numbers: Any) -> dict[str, Asked]:
    """All items, and the cold ones alone."""
    full = ask_full(split, users, numbers)
    cold = np.zeros(len(split.world.items), bool)
    cold[split.test.item] = True
    return {**full, "among-cold": Asked(full["all"].answers, among=cold)}


def _lists(split: UserItemSplit, edges: UserItemEdges, users: IndexArray) -> Lists:
    return Lists.of(edges.user, edges.item, len(split.world.users)).rows(users)


def _drawn(split: UserItemSplit, users: IndexArray, answers: Lists, known: Lists, negatives: int) -> Lists:
    """The answers and, for each user, `negatives` items that the user has in no part; all of them where there are fewer."""
    num_items = len(split.world.items)
    free = num_items - np.diff(answers.indptr) - np.diff(known.indptr)
    size = np.diff(answers.indptr) + np.minimum(free, negatives)
    indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    items = np.empty(indptr[-1], np.int32)
    keys = split.world.users.key[users]
    _fill(answers.indptr, answers.items, known.indptr, known.items, keys, split.training.seed, num_items, indptr, items)
    return Lists(indptr, items)


@compiled
def _fill(
    answer_indptr: OffsetArray,
    answers: IndexArray,
    known_indptr: OffsetArray,
    known: IndexArray,
    keys: KeyArray,
    seed: int,
    num_items: int,
    indptr: OffsetArray,
    into: NDArray[np.int32],
) -> None:
    """The first steps of a shuffle of each user's free items, drawn from a counter hashed with the user's key."""
    has = np.zeros(num_items, np.bool_)
    free = np.empty(num_items, np.int32)
    for user in range(len(keys)):
        mine = answers[answer_indptr[user] : answer_indptr[user + 1]]
        its = known[known_indptr[user] : known_indptr[user + 1]]
        for item in mine:
            has[item] = True
        for item in its:
            has[item] = True
        count = 0
        for item in range(num_items):
            if not has[item]:
                free[count] = item
                count += 1
        for item in mine:
            has[item] = False
        for item in its:
            has[item] = False
        place = indptr[user]
        into[place : place + len(mine)] = mine
        place += len(mine)
        state = keys[user] ^ _mixed(np.uint64(seed))
        for step in range(indptr[user + 1] - place):
            state = _mixed(state)
            other = step + np.int64(state % np.uint64(count - step))
            free[step], free[other] = free[other], free[step]
            into[place + step] = free[step]


@compiled
def _mixed(value: np.uint64) -> np.uint64:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
