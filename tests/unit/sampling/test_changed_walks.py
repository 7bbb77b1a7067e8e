"""No start is missed whose walks change, whatever becomes of the lists; where they only grow, no other one is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.graph.snapshot_csr import relation
from engine.sampling import changed_walks
from engine.sampling.changed_walks import changed_starts
from engine.sampling.config import WalkConfig
from engine.sampling.footprints import Footprints
from engine.sampling.walks import neighbourhoods
from engine.types import CSR, ChangedLists, ItemContextGraph

ITEMS, CONTEXTS = 40, 9
STARTS = np.arange(ITEMS, dtype=np.int32)
CONFIGS = [
    WalkConfig(num_walks=9, walk_length=2, top_t=4),
    WalkConfig(num_walks=3, walk_length=4, top_t=3, restart=0.0),
    WalkConfig(num_walks=1, walk_length=1, top_t=2, restart=0.9, seed=5),
]

edge = st.tuples(st.integers(0, CONTEXTS - 1), st.integers(0, ITEMS - 1))


def graph_of(edges: list[tuple[int, int]]) -> ItemContextGraph:
    """Edges (context, item), each list in their order."""
    ends = np.array(edges, dtype=np.int32).reshape(-1, 2)
    made = relation(CONTEXTS, ITEMS, ends[:, 0], ends[:, 1], rev=np.arange(len(ends)))
    keys = np.random.default_rng(1).permutation(np.arange(ITEMS + CONTEXTS, dtype=np.uint64) * np.uint64(7919))
    return ItemContextGraph(made.backward, made.forward, keys[:ITEMS], keys[ITEMS:])


def changed_lists(before: CSR, after: CSR) -> ChangedLists:
    """What became of the lists, found by comparing them."""
    found = []
    for row in range(before.num_rows):
        was, now = before.row(row).tolist(), after.row(row).tolist()
        if was != now:
            alike = [a == b for a, b in zip(was, now, strict=False)]
            found.append((row, len(was), len(now), alike.index(False) if False in alike else len(alike)))
    return ChangedLists(*np.array(found, dtype=np.int32).reshape(-1, 4).T.copy())


def walked(graph: ItemContextGraph, config: WalkConfig) -> tuple[np.ndarray, list[bytes]]:
    """The filter of each start, and every single step of it."""
    prints, steps = Footprints(ITEMS, config), [b""] * ITEMS

    def on_block(block):
        prints.stamp(block)
        for at, number in enumerate(range(block.starts.start, block.starts.stop)):
            steps[number] = block.visits[at].tobytes() + block.contexts[:, at].tobytes() + block.items[:, at].tobytes()

    neighbourhoods(graph, STARTS, config, threads=1, on_block=on_block)
    return prints.filters, steps


def named_and_changed(old: list[tuple[int, int]], new: list[tuple[int, int]], config: WalkConfig):
    """Who is named, and who walks otherwise."""
    before, after = graph_of(old), graph_of(new)
    (filters, steps), (_, others) = walked(before, config), walked(after, config)
    items = changed_lists(before.item_to_context, after.item_to_context)
    contexts = changed_lists(before.context_to_item, after.context_to_item)
    named = changed_starts(after, STARTS, filters, items, contexts, config, threads=2)
    assert (np.diff(named) > 0).all()
    return set(named.tolist()), {start for start in range(ITEMS) if steps[start] != others[start]}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(edge, max_size=150, unique=True),
    st.lists(edge, max_size=8),
    st.lists(st.integers(0, 149), max_size=5),
    st.booleans(),
    st.sampled_from(CONFIGS),
)
def test_every_start_whose_walks_change_is_named(old, added, dropped, again, config):
    kept = [pair for at, pair in enumerate(old) if at not in dropped]
    came = [pair for pair in added if again or pair not in old]
    named, changed = named_and_changed(old, kept + came, config)
    assert changed <= named


@settings(deadline=None, max_examples=60)
@given(
    st.lists(edge, max_size=150, unique=True),
    st.lists(edge, max_size=8, unique=True),
    st.sampled_from(CONFIGS),
)
def test_where_lists_only_grow_those_alone_are_named(old, added, config):
    named, changed = named_and_changed(old, old + [pair for pair in added if pair not in old], config)
    assert named == changed


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33])
@pytest.mark.parametrize("more", [1, 2, 4])
def test_a_list_may_grow_from_any_length_over_any_power_of_two_and_shrink_back(size, more):
    config = WalkConfig(num_walks=20, walk_length=3, top_t=5)
    base = [(context, item) for item in range(ITEMS) for context in {item % 8, (item * 5 + 1) % 8}]
    old = [pair for pair in base if pair[0]] + [(0, item) for item in range(size)]
    new = old + [(0, size + n) for n in range(more)]
    named, changed = named_and_changed(old, new, config)
    assert named == changed
    back, changed_back = named_and_changed(new, old, config)
    assert back == changed_back == changed


def test_blocks_and_threads_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    pairs = list(
        dict.fromkeys(zip(rng.integers(0, CONTEXTS, 200).tolist(), rng.integers(0, ITEMS, 200).tolist(), strict=True))
    )
    whole = named_and_changed(pairs[:-4], pairs, CONFIGS[0])
    monkeypatch.setattr(changed_walks, "STARTS", 7)
    assert named_and_changed(pairs[:-4], pairs, CONFIGS[0]) == whole
    assert 0 < len(whole[0]) < ITEMS


def test_nothing_changed_names_nobody():
    pairs = [(item % CONTEXTS, item) for item in range(ITEMS)]
    assert named_and_changed(pairs, pairs, CONFIGS[0]) == (set(), set())
