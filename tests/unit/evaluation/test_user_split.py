"""Splits of users' edges hold out what they say, depend on the seed and the data alone, and leak nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import memory, people, tastes, world

from engine.errors import DataError, UnknownNameError
from engine.evaluation import user_split
from engine.evaluation.asking import ask_sampled
from engine.evaluation.numbers import SampledNumbers
from engine.evaluation.user_split import Parts, check_no_leak, make_split, tuning_split
from engine.evaluation.user_world import UserItemWorld, official_parts
from engine.graph.snapshot_csr import edge_rows, relation
from engine.models.user_item import UserItemEdges
from engine.types import CSR


def named(of: UserItemWorld, edges: UserItemEdges | None) -> list[tuple[str, str]]:
    assert edges is not None
    return sorted((of.users.ids[int(u)], of.items.ids[int(i)]) for u, i in zip(edges.user, edges.item, strict=True))


def drawn(of: UserItemWorld, how: str, seed: int = 0) -> Parts:
    return {
        "random": lambda: user_split.at_random(of, 0.3, seed),
        "user": lambda: user_split.by_user(of, 0.3, seed),
        "time": lambda: user_split.by_time(of, 0.3, seed),
        "last": lambda: user_split.last_out(of, 3),
        "cold-users": lambda: user_split.cold_users(of, 0.2, 0.2, 2, seed),
        "cold-items": lambda: user_split.cold_items(of, 0.2, 0.2, seed),
    }[how]()


EVERY = ["random", "user", "time", "last", "cold-users", "cold-items"]
rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(1, 5), st.integers(1, 40)),
    min_size=12,
    max_size=50,
    unique_by=lambda row: (row[0], row[1], row[3]),
)


@pytest.mark.parametrize("how", EVERY)
@settings(max_examples=40, deadline=None)
@given(rows, st.integers(0, 3))
def test_no_held_out_pair_is_left_in_training(how: str, edges: list[tuple[int, ...]], seed: int):
    of = memory([(f"u{u}", f"i{i}", float(r), t) for u, i, r, t in edges])
    parts = drawn(of, how, seed)
    if not len(parts.train) or not len(parts.test):
        return  # too small a draw
    split = make_split(of, parts, seed, 0.2)
    test, known = set(named(of, split.test)), set(named(of, split.training.known()))
    assert test
    assert not test & known
    assert not set(named(of, split.training.valid)) & set(named(of, split.training.train))
    assert test | known <= set(named(of, of.edges))


@pytest.mark.parametrize("how", EVERY)
def test_the_order_of_rows_changes_nothing_and_the_seed_does(how: str):
    random = np.random.default_rng(0)
    edges = [(f"u{u}", f"i{i}", 1.0, int(random.integers(1, 999))) for u in range(12) for i in range(u, u + 9)]
    one, other = memory(edges), memory(edges[::-1])
    for part in ("train", "test"):
        first, second = (named(of, getattr(drawn(of, how), part)) for of in (one, other))
        assert first == second
    if how not in ("time", "last"):
        assert named(one, drawn(one, how, 1).test) != named(one, drawn(one, how).test)


def test_a_share_of_each_users_items_is_held_out():
    of = memory([(f"u{u}", f"i{i}") for u in range(9) for i in range(u + 1)])
    held = np.bincount(drawn(of, "user").test.user, minlength=9)
    had = np.bincount(of.edges.user, minlength=9)
    assert held.tolist() == np.floor(0.3 * had + 1e-9).tolist()


def test_the_latest_edges_are_held_out_and_what_came_before_is_no_answer_again():
    edges = [("a", "x", 1.0, 1), ("a", "y", 1.0, 2), ("b", "x", 1.0, 3), ("a", "x", 1.0, 9), ("b", "y", 1.0, 8)]
    of = memory(edges)
    parts = user_split.by_time(of, 0.4, 0)
    assert named(of, parts.test) == [("b", "y")]
    assert named(of, parts.train) == [("a", "x"), ("a", "y"), ("b", "x")]


def test_the_last_item_is_for_test_and_the_one_before_for_validation():
    edges = [("a", "x", 1.0, 3), ("a", "y", 1.0, 1), ("a", "z", 1.0, 2), ("a", "y", 1.0, 9), ("b", "x", 1.0, 1)]
    of = memory(edges)
    parts = drawn(of, "last")
    assert named(of, parts.test) == [("a", "x")]
    assert named(of, parts.valid) == [("a", "z")]
    assert named(of, parts.train) == [("a", "y"), ("b", "x")]


def test_cold_users_keep_their_first_items_and_cold_items_none(tmp_path: Path):
    of = world(tastes(tmp_path / "set"))
    parts = drawn(of, "cold-users")
    cold = np.unique(parts.test.user)
    assert len(cold) == 12
    for user in cold:
        mine, its = of.edges.user == user, parts.train.user == user
        assert its.sum() == 2
        assert set(parts.train.time[its]) == set(np.sort(of.edges.time[mine])[:2])
    parts = drawn(of, "cold-items")
    assert not np.isin(parts.test.item, parts.train.item).any()
    assert len(np.unique(parts.test.item)) == 24


def test_a_leak_is_found_wherever_it_is():
    of = memory([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")])
    first, last, none = of.edges.only(np.arange(3)), of.edges.only(np.arange(2, 4)), UserItemEdges.empty()
    check_no_leak(of, of.edges.only(np.arange(2)), none, last)
    with pytest.raises(
        DataError, match=r"leaks: user '.' and item '.' are a test pair, and training has them as an edge"
    ):
        check_no_leak(of, first, none, last)
    with pytest.raises(DataError, match="test pair"):
        check_no_leak(of, of.edges.only(np.arange(1)), first, last)
    with pytest.raises(DataError, match="validation pair"):
        check_no_leak(of, first, last, none)
    boards = replace(of, boards=np.sort(of.pairs(last)))
    with pytest.raises(DataError, match="in a board of theirs"):
        check_no_leak(boards, of.edges.only(np.arange(2)), none, last)


def followed(of: UserItemWorld, *follows: tuple[str, str, int]) -> UserItemWorld:
    """The world in which some users follow others since a time, -1 where that is not known."""
    count = len(of.users)
    source, target = (of.users.index_of([follow[end] for follow in follows]) for end in (0, 1))
    time = np.array([time for *_, time in follows], np.int64)
    return replace(of, follows=relation(count, count, source, target, time=time).forward)


def told(of: UserItemWorld, follows: CSR | None) -> set[tuple[str, str]]:
    assert follows is not None
    rows = zip(edge_rows(follows), follows.indices, strict=True)
    return {(of.users.ids[int(source)], of.users.ids[int(target)]) for source, target in rows}


def test_a_split_by_time_knows_no_follow_of_the_time_it_asks_about():
    rows = [("a", item, 1.0, time) for item, time in zip("wxzy", (1, 2, 3, 10), strict=True)]
    rows += [("b", item, 1.0, 3) for item in "wxyz"] + [("c", "x", 1.0, 3)]
    of = followed(memory(rows), ("a", "b", 9), ("a", "c", 10), ("b", "c", 11), ("b", "a", -1))
    assert told(of, make_split(of, drawn(of, "time"), 0, 0.0).training.follows) == {("a", "b"), ("b", "a")}
    plain = replace(of, follows=replace(of.follows, time=None))
    for world_of, how in ((plain, "time"), (plain, "last"), (of, "random"), (of, "user")):
        assert len(told(of, make_split(world_of, drawn(world_of, how), 0, 0.0).training.follows)) == 4


def test_leaving_the_last_item_out_knows_no_follow_since_it():
    rows = [
        (user, item, 1.0, time + late) for user, late in (("a", 0), ("b", 50)) for time, item in enumerate("xyz", 1)
    ]
    follows = [("a", "b", 2), ("a", "c", 3), ("b", "a", 52), ("b", "c", 60), ("c", "a", 99), ("c", "b", -1)]
    of = followed(memory([*rows, ("c", "x", 1.0, 1)]), *follows)
    split = make_split(of, drawn(of, "last"), 0, 0.0)
    assert told(of, split.training.follows) == {("a", "b"), ("b", "a"), ("c", "a"), ("c", "b")}  # c is not asked
    parts = drawn(of, "last")
    with pytest.raises(DataError, match=r"user 'a' is asked before they follow somebody .* \(2 such follows\)"):
        check_no_leak(of, split.training.train, split.training.valid, split.test, of.follows, parts.until)


def test_what_a_users_boards_hold_is_never_held_out(tmp_path: Path):
    edges = [(f"u{u}", f"i{i}") for u in range(4) for i in range(10)]
    folder = people(
        tmp_path / "set",
        edges,
        contexts={"context_id": ["b"], "owner_id": ["u0"]},
        saves={"context_id": ["b"] * 8, "item_id": [f"i{i}" for i in range(8)]},
    )
    of = world(folder)
    assert len(of.boards) == 8
    for how in ("random", "user"):
        held = named(of, drawn(of, how).test)
        assert held
        assert not [item for user, item in held if user == "u0" and int(item[1:]) < 8]


def test_a_search_has_a_split_of_its_own_without_test(tmp_path: Path):
    of = world(tastes(tmp_path / "set"))
    split = make_split(of, drawn(of, "random"), 0, 0.2)
    inner = tuning_split(split, 0.2)
    assert named(of, inner.test) == named(of, split.training.valid)
    assert named(of, inner.training.known()) == named(of, split.training.train)
    assert len(inner.training.valid)
    with pytest.raises(DataError, match="no validation edges"):
        tuning_split(make_split(of, drawn(of, "random"), 0, 0.0), 0.2)


def test_official_files_are_read_as_they_are_and_what_is_wrong_in_them_is_named(tmp_path: Path):
    rows = [("a", "x", 3.0), ("a", "y", 4.0), ("b", "x", 5.0)]
    splits = {
        "good": {"train": rows[:1], "valid": rows[1:2], "test": rows[2:]},
        "stranger": {"train": rows[:1], "test": [("nobody", "x", 3.0)]},
        "empty": {"train": rows[:2], "test": []},
        "half": {"train": rows[:2]},
    }
    folder = people(tmp_path / "set", rows, splits=splits)
    of = world(folder)
    parts = official_parts(folder, "good", of)
    assert named(of, parts["test"]) == [("b", "x")]
    assert parts["valid"].rating.tolist() == [4.0]
    for name, says in {
        "stranger": "splits/stranger/test.csv: there is no user with the id 'nobody'",
        "empty": "splits/empty/test.csv holds no edge",
        "half": "splits/half/test.csv holds no edge",
        "missing": "there is no such split",
    }.items():
        with pytest.raises(DataError, match=says):
            official_parts(folder, name, of)


def test_a_split_by_time_needs_times_and_unknown_ways_list_the_known():
    of = memory([("a", "x"), ("b", "x")])
    for how in ("time", "last"):
        with pytest.raises(DataError, match="has no times"):
            drawn(of, how)
    with pytest.raises(UnknownNameError, match="random, time, user"):
        user_split.drawn(of, "magic", 0.2, 0)


def test_sampled_items_are_in_no_part_and_a_user_who_has_everything_gets_none():
    everything = [("all", f"i{i}") for i in range(20)]
    of = memory(everything + [("few", f"i{i}") for i in range(5)])
    split = make_split(of, drawn(of, "user"), 0, 0.0)
    users = np.unique(split.test.user).astype(np.int32)
    asked = ask_sampled(split, users, SampledNumbers(negatives=10))["sampled"]
    for at, user in enumerate(users):
        mine = set(of.edges.item[of.edges.user == user])
        answers = set(split.test.item[split.test.user == user])
        assert asked.only is not None
        candidates = asked.only.items[asked.only.indptr[at] : asked.only.indptr[at + 1]].tolist()
        assert len(set(candidates)) == len(candidates)
        assert set(candidates) & mine == answers
        assert len(candidates) == len(answers) + min(10, 20 - len(mine))
    again = ask_sampled(split, users, SampledNumbers(negatives=10))["sampled"]
    assert again.only is not None
    assert asked.only.items.tolist() == again.only.items.tolist()
