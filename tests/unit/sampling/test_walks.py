"""Consistent walks: what a neighbourhood may depend on, and what a pick must be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from engine.errors import ConfigError, InputError, UnknownNodeError
from engine.graph.snapshot_csr import relation
from engine.hashing import keys64
from engine.sampling import kernels
from engine.sampling.config import WalkConfig
from engine.sampling.walks import WalkedBlock, neighbourhoods, neighbourhoods_of_new
from engine.types import ItemContextGraph, Neighbourhoods

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def graph_of(items: list[str], contexts: list[str], edges: list[tuple[str, str]]) -> ItemContextGraph:
    """Rows in the order given; edges (context, item) in creation order."""
    item_row = {name: row for row, name in enumerate(items)}
    context_row = {name: row for row, name in enumerate(contexts)}
    source = np.array([context_row[c] for c, _ in edges], dtype=np.int32)
    target = np.array([item_row[i] for _, i in edges], dtype=np.int32)
    saves = relation(len(contexts), len(items), source, target, rev=np.arange(len(edges)))
    return ItemContextGraph(saves.backward, saves.forward, keys64(items), keys64(contexts))


def mix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def walked(graph: ItemContextGraph, seed_row: int, config: WalkConfig) -> list[tuple[int, float]]:
    """The definition, one pick at a time, in plain Python."""
    begin = mix(int(graph.item_key[seed_row]) ^ mix((config.seed + GOLDEN) & MASK))
    counts: Counter[int] = Counter()

    def draw(walk: int, step: int, hop: int, redraw: int) -> int:
        return mix((begin + ((walk << 20) | (step << 9) | (hop << 8) + redraw) * GOLDEN) & MASK)

    def pick(row: np.ndarray, walk: int, step: int, hop: int) -> int | None:
        if not len(row):
            return None
        mask, redraw = (1 << int(len(row) - 1).bit_length()) - 1, 0
        while (position := draw(walk, step, hop, redraw) & mask) >= len(row):
            redraw += 1
        return int(row[position])

    for walk in range(config.num_walks):
        item = seed_row
        for step in range(config.walk_length):
            if draw(walk, step, 0, 0) >> 40 < round(config.restart * (1 << 24)):
                item = seed_row
            context = pick(graph.item_to_context.row(item), walk, step, 0)
            chosen = None if context is None else pick(graph.context_to_item.row(context), walk, step, 1)
            item = seed_row if chosen is None else chosen
            if item != seed_row:
                counts[item] += 1
    best = sorted(counts, key=lambda i: (-counts[i], int(graph.item_key[i])))[: config.top_t]
    total = sum(counts[i] for i in best)
    return [(i, float(np.float32(counts[i] / total))) for i in best]


def as_lists(found: Neighbourhoods) -> list[list[tuple[int, float]]]:
    return [
        [(int(i), float(w)) for i, w in zip(row, weights, strict=True) if i >= 0]
        for row, weights in zip(found.idx, found.weight, strict=True)
    ]


@st.composite
def graphs(draw: st.DrawFn) -> ItemContextGraph:
    items = [f"i{n}" for n in range(draw(st.integers(1, 12)))]
    contexts = [f"c{n}" for n in range(draw(st.integers(1, 6)))]
    edges = draw(st.lists(st.tuples(st.sampled_from(contexts), st.sampled_from(items)), max_size=60))
    return graph_of(items, contexts, edges)


configs = st.builds(
    WalkConfig,
    num_walks=st.integers(1, 30),
    walk_length=st.integers(1, 4),
    restart=st.sampled_from([0.0, 0.3, 0.9]),
    top_t=st.integers(1, 15),
    seed=st.integers(0, MASK),
)


@settings(max_examples=60, deadline=None)
@given(graphs(), configs)
def test_the_kernel_does_what_the_definition_says(graph: ItemContextGraph, config: WalkConfig) -> None:
    found = as_lists(neighbourhoods(graph, np.arange(graph.num_items), config, threads=1))
    assert found == [walked(graph, row, config) for row in range(graph.num_items)]


def random_graph(items: int = 300, contexts: int = 40, edges: int = 2_000, seed: int = 0) -> ItemContextGraph:
    rng = np.random.default_rng(seed)
    pairs = zip(rng.integers(0, contexts, edges), (rng.random(edges) ** 2 * items).astype(int), strict=True)
    return graph_of(
        [f"i{n}" for n in range(items)], [f"c{n}" for n in range(contexts)], [(f"c{c}", f"i{i}") for c, i in pairs]
    )


def test_batch_order_threads_and_repeats_change_nothing() -> None:
    graph, config = random_graph(), WalkConfig(top_t=20)
    everything = neighbourhoods(graph, np.arange(300), config, threads=1)
    seeds = np.random.default_rng(1).integers(0, 300, 500)
    several = neighbourhoods(graph, seeds, config, threads=3)
    assert np.array_equal(several.idx, everything.idx[seeds])
    assert np.array_equal(several.weight, everything.weight[seeds])


def test_other_row_numbers_change_nothing() -> None:
    rng = np.random.default_rng(2)
    items, contexts = [f"i{n}" for n in range(200)], [f"c{n}" for n in range(30)]
    edges = [(contexts[c], items[i]) for c, i in zip(rng.integers(0, 30, 900), rng.integers(0, 200, 900), strict=True)]
    shuffled_items, shuffled_contexts = list(rng.permutation(items)), list(rng.permutation(contexts))
    config = WalkConfig(top_t=30)

    def by_id(names: list[str]) -> dict[str, list[tuple[str, float]]]:
        order = contexts if names is items else shuffled_contexts
        graph = graph_of(names, order, edges)
        found = as_lists(neighbourhoods(graph, np.arange(200), config))
        return {names[row]: [(names[i], w) for i, w in pairs] for row, pairs in enumerate(found)}

    assert by_id(items) == by_id(shuffled_items)


def test_picks_are_exactly_uniform() -> None:
    for size in (2, 3, 5, 64, 65, 100):
        graph = graph_of(["start", *(f"i{n}" for n in range(size))], ["c"], [("c", f"i{n}") for n in range(size)])
        lone = [np.array([0])]
        config = WalkConfig(num_walks=60_000, walk_length=1, top_t=size)
        found = neighbourhoods_of_new(graph, lone, keys64([f"new{size}"]), config)
        counts = np.round(found.weight[0] * 60_000)
        assert counts.sum() == 60_000
        assert chisquare(counts).pvalue > 0.001


def test_one_more_neighbour_changes_about_one_pick_in_n_plus_one() -> None:
    size, walks = 90, 40_000
    names = [f"i{n}" for n in range(size + 1)]
    config = WalkConfig(num_walks=walks, walk_length=1, top_t=size + 1)

    def counts(held: int) -> np.ndarray:
        graph = graph_of(names, ["c"], [("c", name) for name in names[:held]])
        found = neighbourhoods_of_new(graph, [np.array([0])], keys64(["new"]), config)
        tally = np.zeros(size + 1)
        tally[found.idx[0][found.idx[0] >= 0]] = np.round(found.weight[0][found.idx[0] >= 0] * walks)
        return tally

    before, after = counts(size), counts(size + 1)
    assert (after[:size] <= before[:size]).all()  # a pick either stays or goes to the new neighbour
    assert after[size] / walks == pytest.approx(1 / (size + 1), rel=0.15)


def test_restarts_come_as_often_as_asked() -> None:
    # From the start there is one way, to "far"; from "far" the walk stays in the big context unless it restarts.
    names = ["start", "far", *(f"i{n}" for n in range(1_000))]
    edges = [("near", "far"), *(("big", name) for name in names[1:])]
    graph = graph_of(names, ["near", "big"], edges)
    walks = 40_000
    config = WalkConfig(num_walks=walks, walk_length=2, restart=0.3, top_t=1_002)
    found = neighbourhoods_of_new(graph, [np.array([0])], keys64(["new"]), config)
    visits = {int(i): w * 2 * walks for i, w in zip(found.idx[0], found.weight[0], strict=True) if i >= 0}
    # far is visited by every first step, by restarted second steps, and by half of the rest (by "near").
    assert (visits[1] - walks) / walks == pytest.approx(0.3 + 0.7 / 2, abs=0.01)


def test_weights_sum_to_one_and_the_start_is_not_among_its_neighbours() -> None:
    graph = random_graph()
    found = neighbourhoods(graph, np.arange(300), WalkConfig())
    filled = found.idx[:, 0] >= 0
    assert np.allclose(found.weight[filled].sum(axis=1), 1.0)
    assert not (found.idx == np.arange(300)[:, None]).any()
    assert (np.diff(found.weight, axis=1) <= 0).all()


def test_an_isolated_item_has_no_neighbours() -> None:
    graph = graph_of(["a", "b", "alone"], ["c"], [("c", "a"), ("c", "b")])
    found = neighbourhoods(graph, np.array([2, 0]), WalkConfig(top_t=2))
    assert found.idx.tolist() == [[-1, -1], [1, -1]]
    assert found.weight.tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_a_new_item_walks_like_one_that_was_there() -> None:
    edges = [("c", "a"), ("c", "b"), ("d", "b"), ("d", "e"), ("c", "e")]
    graph = graph_of(["a", "b", "e", "new"], ["c", "d"], edges)
    config = WalkConfig(num_walks=50, walk_length=1)  # one step: nobody else can stand on the new item
    new = neighbourhoods_of_new(graph, [np.array([0, 1]), np.array([], dtype=int)], keys64(["new", "none"]), config)
    linked = graph_of(["a", "b", "e", "new"], ["c", "d"], edges)
    spans = linked.item_to_context
    joined = type(spans)(
        np.append(spans.indptr[:-1], spans.indptr[-1] + 2), np.append(spans.indices, [0, 1]).astype(np.int32)
    )
    there = neighbourhoods(
        ItemContextGraph(joined, linked.context_to_item, linked.item_key, linked.context_key), np.array([3]), config
    )
    assert new.idx[0].tolist() == there.idx[0].tolist()
    assert (new.idx[1] == -1).all()


def test_no_seeds_give_no_rows() -> None:
    found = neighbourhoods(random_graph(), np.empty(0, dtype=np.int32), WalkConfig(top_t=7))
    assert found.idx.shape == (0, 7)


@pytest.mark.parametrize("row", [-1, 300])
def test_a_row_that_is_not_there_is_refused(row: int) -> None:
    with pytest.raises(UnknownNodeError, match=f"no item row {row}"):
        neighbourhoods(random_graph(), np.array([0, row]), WalkConfig())


def test_a_context_row_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownNodeError, match="no context row 40"):
        neighbourhoods_of_new(random_graph(), [np.array([40])], keys64(["x"]), WalkConfig())


def test_keys_and_starts_must_be_as_many() -> None:
    with pytest.raises(InputError, match="2 start nodes and 1 start keys"):
        neighbourhoods(random_graph(), np.array([0, 1]), WalkConfig(), start_key=keys64(["x"]))
    with pytest.raises(InputError, match="one row"):
        neighbourhoods(random_graph(), np.array([[0, 1]]), WalkConfig())


@pytest.mark.parametrize(
    "wrong",
    [{"num_walks": 0}, {"walk_length": 0}, {"walk_length": 2_001}, {"restart": 1.0}, {"restart": -0.1}, {"top_t": 0},
     {"seed": -1}, {"num_walks": 1 << 24}],
)  # fmt: skip
def test_walk_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="walks: "):
        WalkConfig(**wrong)  # type: ignore[arg-type]


def test_a_block_tells_the_nodes_that_its_walks_stood_on() -> None:
    graph, config = random_graph(), WalkConfig(num_walks=9, walk_length=3)
    seeds, blocks = np.random.default_rng(3).permutation(300), {}

    def keep(walked: WalkedBlock) -> None:
        for number, place in enumerate(range(walked.starts.start, walked.starts.stop)):
            blocks[place] = (walked.items[:, number].copy(), walked.contexts[:, number].copy())

    found = neighbourhoods(graph, seeds, config, threads=2, on_block=keep)
    plain = neighbourhoods(graph, seeds, config)
    assert np.array_equal(found.idx, plain.idx)
    assert np.array_equal(found.weight, plain.weight)
    assert len(blocks) == 300
    for place, (items, contexts) in blocks.items():
        assert (items[0] == seeds[place]).all()
        for item, context in zip(items.ravel(), contexts.ravel(), strict=True):
            held = graph.item_to_context.row(item)
            assert context in held if len(held) else context == kernels.NOWHERE


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 19)), max_size=60),
    st.integers(0, 7),
    st.integers(0, 19),
    configs,
)
def test_a_walk_stays_what_it_is_while_no_node_that_it_stood_on_changes(
    edges: list[tuple[int, int]], context: int, item: int, config: WalkConfig
) -> None:
    items, contexts = [f"i{n}" for n in range(20)], [f"c{n}" for n in range(8)]
    named = [(contexts[c], items[i]) for c, i in edges]
    touched: list[bool] = []

    def note(walked: WalkedBlock) -> None:
        stood = (walked.items == item).any(axis=(0, 2)) | (walked.contexts == context).any(axis=(0, 2))
        touched.extend(stood.tolist())

    rows = np.arange(20)
    before = neighbourhoods(graph_of(items, contexts, named), rows, config, threads=1, on_block=note)
    grown = graph_of(items, contexts, [*named, (contexts[context], items[item])])
    after = neighbourhoods(grown, rows, config, threads=1)
    same = (before.idx == after.idx).all(axis=1) & (before.weight == after.weight).all(axis=1)
    assert (same | np.array(touched)).all()
