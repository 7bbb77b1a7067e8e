"""Who is not named by the footprints walks as before; and few are named who do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.graph.snapshot_csr import relation
from engine.sampling.config import WalkConfig
from engine.sampling.footprints import Footprints, changed_nodes, holding, words_for
from engine.sampling.walks import WalkedBlock, neighbourhoods
from engine.types import CSR, ItemContextGraph

ITEMS, CONTEXTS = 40, 15


def graph_of(edges: list[tuple[int, int]]) -> ItemContextGraph:
    """Edges (context, item) in creation order."""
    ends = np.array(edges, dtype=np.int32).reshape(-1, 2)
    made = relation(CONTEXTS, ITEMS, ends[:, 0], ends[:, 1])
    keys = np.random.default_rng(1).permutation(np.arange(ITEMS + CONTEXTS, dtype=np.uint64) * np.uint64(7919))
    return ItemContextGraph(made.backward, made.forward, keys[:ITEMS], keys[ITEMS:])


def differing(before: CSR, after: CSR) -> np.ndarray:
    """Rows whose list is another one."""
    rows = [row for row in range(before.num_rows) if not np.array_equal(before.row(row), after.row(row))]
    return np.array(rows, dtype=np.int32)


def walked(graph: ItemContextGraph, config: WalkConfig, starts: np.ndarray):
    """Neighbourhoods, filters and every single step."""
    prints, steps = Footprints(len(starts), config), {}

    def on_block(block):
        prints.stamp(block)
        for at, number in enumerate(range(block.starts.start, block.starts.stop)):
            steps[number] = (block.visits[at].tobytes(), block.contexts[:, at].tobytes())

    return neighbourhoods(graph, starts, config, threads=1, on_block=on_block), prints.filters, steps


def held(filters: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Which filters hold a node."""
    out = np.zeros(len(filters), dtype=bool)
    out[holding(filters, nodes)[0]] = True
    return out


edge = st.tuples(st.integers(0, CONTEXTS - 1), st.integers(0, ITEMS - 1))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(edge, max_size=120, unique=True),
    st.lists(edge, max_size=6),
    st.lists(st.integers(0, 119), max_size=4),
    st.sampled_from(
        [WalkConfig(num_walks=6, walk_length=2, top_t=4), WalkConfig(num_walks=3, walk_length=4, top_t=3, restart=0.0)]
    ),
)
def test_every_start_whose_walks_change_is_named(edges, added, dropped, config):
    kept = [pair for at, pair in enumerate(edges) if at not in dropped]
    before, after = graph_of(edges), graph_of(kept + [pair for pair in added if pair not in edges])
    starts = np.arange(ITEMS, dtype=np.int32)
    old, filters, steps = walked(before, config, starts)
    new, _, other = walked(after, config, starts)
    nodes = changed_nodes(
        differing(before.item_to_context, after.item_to_context),
        differing(before.context_to_item, after.context_to_item),
    )
    named = held(filters, nodes)
    changed = np.array([steps[start] != other[start] for start in starts])
    assert not (changed & ~named).any()
    same = (old.idx == new.idx).all(axis=1) & (old.weight == new.weight).all(axis=1)
    assert same[~named].all()


def test_nobody_is_named_for_no_change_and_all_for_the_context_that_holds_all():
    graph = graph_of([(0, item) for item in range(ITEMS)])
    _, filters, _ = walked(graph, WalkConfig(num_walks=5, top_t=3), np.arange(ITEMS, dtype=np.int32))
    none = np.empty(0, dtype=np.int32)
    assert not held(filters, changed_nodes(none, none)).any()
    assert held(filters, changed_nodes(none, np.array([0], dtype=np.int32))).all()
    assert len(holding(filters[:0], changed_nodes(none, np.array([0], dtype=np.int32)))[0]) == 0


@pytest.mark.parametrize(("starts", "walks"), [(1, 2), (63, 7), (64, 1), (200, 3)])
def test_pairs_are_those_that_each_filter_tells_bit_by_bit(starts, walks):
    config = WalkConfig(num_walks=walks, walk_length=2)
    rng = np.random.default_rng(starts)
    items, contexts = rng.integers(0, 60, (2, 2, starts, walks)).astype(np.int32)
    filters = stamped(items, contexts, config)
    every, nobody = np.arange(60, dtype=np.int32), np.full((2, 60, walks), -1, np.int32)
    alone = np.broadcast_to(every[:, None], (2, 60, walks)).copy()
    single = np.concatenate([stamped(alone, nobody, config), stamped(nobody, alone, config)])
    expected = np.argwhere(((filters[:, None] & single[None]) == single[None]).all(axis=2))
    pairs = np.stack(holding(filters, changed_nodes(every, every)), axis=1)
    np.testing.assert_array_equal(pairs, expected)


def stamped(items: np.ndarray, contexts: np.ndarray, config: WalkConfig) -> np.ndarray:
    prints = Footprints(items.shape[1], config)
    prints.stamp(WalkedBlock(slice(0, items.shape[1]), np.empty((0, 0), np.int32), items, contexts))
    return prints.filters


def test_few_are_named_by_mistake():
    """A filter filled to the brim holds less than one node in a hundred that it was not given."""
    config = WalkConfig(num_walks=100, walk_length=3)
    rng = np.random.default_rng(0)
    items, contexts = rng.integers(0, 1 << 20, (2, 3, 32, 100)).astype(np.int32)
    items[0] = 5
    items[rng.random(items.shape) < config.restart] = 5
    filters = stamped(items, contexts, config)
    others = changed_nodes(np.arange(1 << 21, (1 << 21) + 2000, dtype=np.int32), np.empty(0, np.int32))
    assert len(holding(filters, others)[0]) < 0.01 * 32 * len(others)
    assert words_for(config) * 8 <= 1024, "a kilobyte an item"
