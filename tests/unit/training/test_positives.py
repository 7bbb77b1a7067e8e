"""Positive pairs come from where people put things together, and a fold never shows its answers."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import TrainingError
from engine.graph.snapshot_csr import relation
from engine.sampling.walks import neighbourhoods
from engine.training.negatives import WALKS, HardNegatives
from engine.training.positives import HOUR_MS, find_positives, hold_out
from engine.types import ItemContextGraph


def graph_of(edges: list[tuple[int, int]], times: list[int] | None = None, items: int = 20) -> ItemContextGraph:
    boards = 1 + max(b for b, _ in edges)
    time = None if times is None else np.array(times, dtype=np.int64)
    made = relation(
        boards,
        items,
        np.array([b for b, _ in edges], dtype=np.int32),
        np.array([i for _, i in edges], dtype=np.int32),
        time=time,
    )
    return ItemContextGraph(
        made.backward, made.forward, np.arange(items, dtype=np.uint64), np.arange(boards, dtype=np.uint64)
    )


def pairs_of(graph: ItemContextGraph, count: int = 4000) -> set[tuple[int, int]]:
    found, positives = set(), find_positives(graph)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        query, answer = hold_out(graph, positives, 0.4, rng).sample(count // 20, rng)
        found |= set(zip(query.tolist(), answer.tolist(), strict=True))
    return found


def test_without_times_any_two_items_of_a_board_are_a_pair_both_ways() -> None:
    graph = graph_of([(0, 1), (0, 2), (0, 3), (1, 9), (2, 5), (2, 5), (2, 6)])
    assert pairs_of(graph) == {(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2), (5, 6), (6, 5)}


def test_with_times_only_consecutive_saves_within_the_window_are() -> None:
    edges = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (1, 6)]
    times = [0, HOUR_MS, 2 * HOUR_MS + 1, 2 * HOUR_MS + 2, 0, HOUR_MS + 1]
    assert pairs_of(graph_of(edges, times)) == {(1, 2), (2, 1), (3, 4), (4, 3)}


@pytest.mark.parametrize("times", [[-1, -1, -1], [5, 5, 5], [0, 30 * HOUR_MS, 90 * HOUR_MS]], ids=str)
def test_times_that_order_nothing_count_as_none(times: list[int]) -> None:
    assert len(pairs_of(graph_of([(0, 1), (0, 2), (0, 3)], times))) == 6


def test_no_board_of_two_items_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no positive pairs"):
        find_positives(graph_of([(0, 1), (1, 2), (1, 2)]))


def test_a_folds_answers_are_not_in_its_graph_and_its_chances_are_true() -> None:
    rng = np.random.default_rng(0)
    graph = graph_of([(b, int(i)) for b in range(12) for i in rng.choice(20, 6, replace=False)])
    fold = hold_out(graph, find_positives(graph), 0.4, rng)
    assert fold.graph.context_to_item.num_edges + len(fold.held.indices) <= graph.context_to_item.num_edges + 72
    assert 0 < fold.graph.context_to_item.num_edges < graph.context_to_item.num_edges
    _, answer = fold.sample(200_000, rng)
    drawn = np.bincount(answer, minlength=20) / len(answer)
    assert fold.answer_chance().sum() == pytest.approx(1)
    assert np.abs(drawn - fold.answer_chance()).max() < 0.01


def test_a_tiny_graph_still_gives_a_pair() -> None:
    graph = graph_of([(0, 1), (0, 2)])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        query, answer = hold_out(graph, find_positives(graph), 0.01, rng).sample(3, rng)
        assert set(query.tolist()) | set(answer.tolist()) == {1, 2}


def test_hard_negatives_are_what_walks_reach_late_and_repeat_themselves() -> None:
    ring = graph_of([(b, i) for b in range(20) for i in (b, (b + 1) % 20)])
    hard = HardNegatives(ring, 10, 18, 4, seed=0)
    queries = np.array([3, 3, 9], dtype=np.int32)
    found = hard.of(queries, 4)
    assert found.shape == (3, 4)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found, HardNegatives(ring, 10, 18, 4, seed=0).of(queries, 4))
    near = neighbourhoods(ring, np.array([3]), WALKS).idx[0]
    assert not set(found[0].tolist()) & set(near.tolist())
