"""What a prediction rests on came before it, at every hop, and is what a plain reading of the edges finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.graph.snapshot_csr import relation
from engine.hashing import keys64
from engine.sampling.histories import TimedGraph, histories
from engine.sampling.recent import by_time
from engine.types import KeyOrder

USERS, ITEMS = 5, 4
USER_KEYS, ITEM_KEYS = keys64([f"u{n}" for n in range(USERS)]), keys64([f"i{n}" for n in range(ITEMS)])
Edges = list[tuple[int, int, int]]
edges = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 6)), min_size=1)


def timed(told: Edges) -> TimedGraph:
    user, item, time = np.array(told, np.int64).T
    both = relation(USERS, ITEMS, user, item, time=time)
    return TimedGraph(by_time(both.forward, KeyOrder.of(ITEM_KEYS)), by_time(both.backward, KeyOrder.of(USER_KEYS)))


@settings(deadline=None)  # the first call compiles
@given(edges, st.data())
def test_every_hop_is_before_the_prediction_and_as_a_plain_reading_finds_it(told: Edges, data: st.DataObject) -> None:
    graph = timed(told)
    user, _, time = data.draw(st.sampled_from(told))
    mine = sorted((t, ITEM_KEYS[i], i) for u, i, t in told if u == user)
    place = data.draw(st.integers(0, len(mine)))
    before = mine[place][0] if place < len(mine) else time + 9
    most = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    hops = histories(graph, np.array([user], np.int32), np.array([place], np.int64), np.array([before], np.int64), most)
    level = [i for *_, i in mine[:place][-most[0] :]]
    assert hops[0].nodes.tolist() == level
    for number, limit in enumerate(most[1:], start=1):
        lists = []
        for node in level:
            if number % 2:
                near = sorted((t, USER_KEYS[u], u) for u, i, t in told if i == node and t < before)
            else:
                near = sorted((t, ITEM_KEYS[i], i) for u, i, t in told if u == node and t < before)
            lists.append([n for *_, n in near[-limit:] if number % 2 == 0 or n != user])
        level = [n for part in lists for n in part]
        assert hops[number].nodes.tolist() == level
        assert np.diff(hops[number].indptr).tolist() == [len(part) for part in lists]
        assert hops[number].age.tolist() == [age for part in lists for age in reversed(range(len(part)))]


@given(edges, edges)
@settings(deadline=None)
def test_what_happens_later_changes_no_history(told: Edges, later: Edges) -> None:
    end = max(t for *_, t in told) + 1
    users = np.arange(USERS, dtype=np.int32)
    graph = timed(told)
    asked = (users, graph.items_of.degrees(), np.full(USERS, end))
    found = histories(graph, *asked, [3, 2, 2])
    grown = histories(timed(told + [(u, i, t + end) for u, i, t in later]), *asked, [3, 2, 2])
    for one, other in zip(found, grown, strict=True):
        assert (one.nodes == other.nodes).all()
        assert (one.indptr == other.indptr).all()


def test_wrong_questions_are_refused() -> None:
    graph, one = timed([(0, 0, 0)]), np.zeros(1, np.int64)
    for users, most in ((np.zeros(2, np.int32), [1]), (np.zeros(1, np.int32), []), (np.zeros(1, np.int32), [0])):
        with pytest.raises(InputError):
            histories(graph, users, one, one, most)
