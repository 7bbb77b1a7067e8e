"""Nothing at or after the time that is asked about can be reached, and what is left is what a plain reading finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError, UnknownNameError
from engine.graph.snapshot_csr import relation
from engine.hashing import keys64
from engine.sampling.friends import friend_lists, friends
from engine.sampling.recent import by_time, recent
from engine.types import CSR, KeyOrder

ROWS, OTHERS = 4, 6
KEYS = keys64([f"n{number}" for number in range(OTHERS)])
times = st.integers(-1, 8)
edges = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, OTHERS - 1), times), max_size=40)
questions = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, 10)), max_size=8)


def columns(rows: list[tuple[int, ...]], width: int) -> list[np.ndarray]:
    return list(np.array(rows, np.int64).reshape(-1, width).T)


@settings(deadline=None)  # the first call compiles
@given(edges, questions, st.integers(1, 4))
def test_the_most_recent_before_a_time_are_found_and_nothing_later(
    told: list[tuple[int, int, int]], asked: list[tuple[int, int]], most: int
) -> None:
    row, other, time = columns(told, 3)
    lists = by_time(relation(ROWS, OTHERS, row, other, time=time).forward, KeyOrder.of(KEYS))
    rows, before = columns(asked, 2)
    found = recent(lists, rows.astype(np.int32), before, most)
    for at, (wanted, end) in enumerate(asked):
        known = sorted((t, KEYS[o], o) for r, o, t in told if r == wanted and 0 <= t < end)[-most:]
        place = slice(found.indptr[at], found.indptr[at + 1])
        assert found.time is not None
        assert list(zip(found.time[place], found.indices[place], strict=True)) == [(t, o) for t, _, o in known]
        assert (found.time[place] < end).all()


@settings(deadline=None)  # the first call compiles
@given(edges, questions, st.integers(1, 4), st.sampled_from(["following", "followers", "both"]))
def test_friends_are_those_before_the_time_each_once_and_never_oneself(
    told: list[tuple[int, int, int]], asked: list[tuple[int, int]], most: int, friendship: str
) -> None:
    row, other, time = columns(told, 3)
    lists = friend_lists(relation(OTHERS, OTHERS, row, other, time=time), friendship)
    rows, before = columns(asked, 2)
    found = friends(lists, KEYS, rows.astype(np.int32), before, most, seed=3)
    pairs = [(a, b, t) for a, b, t in told if friendship != "followers"]
    pairs += [(b, a, t) for a, b, t in told if friendship != "following"]
    for at, (wanted, end) in enumerate(asked):
        known = {b for a, b, t in pairs if a == wanted and b != a and t < end}
        mine = found.row(at).tolist()
        assert len(mine) == len(set(mine)) == min(most, len(known))
        assert set(mine) <= known


def test_who_is_kept_depends_on_the_seed_and_not_on_others_who_are_asked_for() -> None:
    star = relation(100, 100, np.zeros(99, int), np.arange(1, 100))
    keys, lists = keys64([f"u{number}" for number in range(100)]), friend_lists(star)
    alone = friends(lists, keys, np.array([0], np.int32), np.array([1]), 10, seed=1)
    among = friends(lists, keys, np.array([5, 0], np.int32), np.array([1, 1]), 10, seed=1)
    other = friends(lists, keys, np.array([0], np.int32), np.array([1]), 10, seed=2)
    assert alone.row(0).tolist() == among.row(1).tolist() != other.row(0).tolist()
    assert (
        friends(lists, keys, np.array([0], np.int32), np.array([1]), 9, seed=1).row(0).tolist()
        == alone.row(0).tolist()[:9]
    )


def test_lists_without_times_reach_nothing() -> None:
    lists = by_time(CSR(np.array([0, 2]), np.array([0, 1], np.int32)), KeyOrder.of(KEYS))
    assert recent(lists, np.array([0], np.int32), np.array([99]), 3).num_edges == 0


def test_wrong_questions_are_refused() -> None:
    lists = by_time(CSR(np.array([0, 0]), np.empty(0, np.int32)), KeyOrder.of(KEYS))
    with pytest.raises(InputError):
        recent(lists, np.zeros(1, np.int32), np.zeros(1, np.int64), 0)
    with pytest.raises(InputError):
        friends(lists, KEYS, np.zeros(1, np.int32), np.zeros(2, np.int64), 1, 0)
    with pytest.raises(UnknownNameError, match="both"):
        friend_lists(relation(1, 1, np.empty(0, int), np.empty(0, int)), "foes")  # type: ignore[arg-type]
