"""Who is a friend is read alike from a snapshot's follows, as settings say, with the weight of the strongest tie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.graph.snapshot_csr import relation
from engine.models.friends import followed, friends_of, friendship_in, rests_on, ties
from engine.models.user_graph import OwnFollows, with_user
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from engine.sampling.friends import Friendship, friend_lists
from tests.unit.models.model_checks import ratings_of

USERS = 5
USER = st.integers(0, USERS - 1)
FOLLOWS = st.lists(st.tuples(USER, USER, st.sampled_from([np.nan, -1.0, 0.0, 0.5, 1.0, 3.0])), max_size=20)
FRIENDSHIPS = st.sampled_from(get_args(Friendship))
Told = list[tuple[int, int, float]]


def data_of(told: Told) -> UserItemData:
    """Users by number, who follow each other by such weights."""
    data = ratings_of([(0, 0, 5.0), (1, 0, 4.0)], USERS, 1)
    rows = data.users.index_of([f"u{number}" for number in range(USERS)])
    source, target = ([rows[one[end]] for one in told] for end in (0, 1))
    weight = np.array([one[2] for one in told], np.float32)
    follows = relation(USERS, USERS, np.array(source, int), np.array(target, int), value=weight)
    return replace(data, follows=follows.forward)


def plain(told: Told, friendship: str) -> dict[tuple[int, int], float]:
    """(user, friend) -> the weight, one follow at a time."""
    found: dict[tuple[int, int], float] = {}
    for user, other, weight in told:
        if user == other or weight <= 0:
            continue
        given = 1.0 if np.isnan(weight) else weight
        for pair, read in (((user, other), "followers"), ((other, user), "following")):
            if friendship != read:
                found[pair] = max(found.get(pair, 0), given)
    return found


@settings(deadline=None)
@given(FOLLOWS, FRIENDSHIPS)
def test_a_tie_is_the_strongest_follow_above_0_and_every_reader_agrees(told: Told, friendship: Friendship):
    data, wanted = data_of(told), plain(told, friendship)
    number = [int(name[1:]) for name in data.users.ids]
    assert data.follows is not None
    found = ties(data.follows, friendship)
    row, friend = found.nonzero()
    pairs = zip(row.tolist(), friend.tolist(), strict=True)
    named = {(number[a], number[b]): w for (a, b), w in zip(pairs, found.data.tolist(), strict=True)}
    assert named == wanted
    by_key, ranks = friends_of(data, friendship), data.users.order.ranks(np.arange(USERS))
    for user in range(USERS):
        mine = sorted(ranks[b] for b in range(USERS) if (number[user], number[b]) in wanted)
        assert by_key.row(ranks[user]).tolist() == mine
    lists = friend_lists(relation(USERS, USERS, *_ends(data), value=data.follows.value), friendship)
    assert [lists.row(user).tolist() for user in range(USERS)] == [
        found[[user]].indices.tolist() for user in range(USERS)
    ]
    rests = rests_on(data, np.ones(USERS, np.bool_), friendship)
    assert ["friends" in one for one in rests] == [bool(found[[user]].nnz) for user in range(USERS)]


def _ends(data: UserItemData) -> tuple[np.ndarray, np.ndarray]:
    assert data.follows is not None
    return np.repeat(np.arange(USERS), data.follows.degrees()), data.follows.indices


@settings(deadline=None)
@given(FOLLOWS, FRIENDSHIPS, USER)
def test_a_user_put_in_by_what_the_graph_tells_has_the_friends_of_a_later_snapshot(
    told: Told, friendship: Friendship, late: int
):
    whole = data_of(told)
    row = int(whole.users.index_of([f"u{late}"])[0])
    before = data_of([one for one in told if late not in one[:2]])
    sides = [side for side in ("following", "followers") if friendship in (side, "both")]
    near = [(side, followed(whole, side)[[row]]) for side in sides]
    own = OwnFollows(
        np.concatenate([one.indices for _, one in near]).astype(np.int32),
        np.concatenate([one.data for _, one in near]),
        np.concatenate([np.full(one.nnz, side == "following") for side, one in near]),
    )
    found = with_user(before, f"u{late}", np.empty(0, np.int32), np.empty(0, np.float32), own=own)
    assert (followed(found, friendship)[[row]] != followed(whole, friendship)[[row]]).nnz == 0


@pytest.mark.parametrize("model", ["graphrec", "diffnet", "trustsvd", "bayes"])
def test_a_friendship_that_there_is_not_is_refused(model: str):
    make = find_user_method(model).make
    make({"friendship": "both"})
    with pytest.raises(ConfigError, match=f"{model}: friendship must be following, followers, both, not 'foes'"):
        make({"friendship": "foes"})


def test_settings_say_whose_follows_are_looked_up():
    assert friendship_in({"dim": 8}) == "following"
    assert friendship_in({"friendship": "followers"}) == "followers"
    parts: dict[str, Any] = {"parts": "graphrec,trustsvd", "settings": {"graphrec": {"friendship": "followers"}}}
    assert friendship_in(parts) == "both"
