"""A split leaks nothing, keeps what it should, and depends on the seed and the data alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from boards import Edge, snapshot, topics, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError, DataError, EmptyGraphError
from engine.evaluation.numbers import read_numbers
from engine.evaluation.related_numbers import RelatedProtocol
from engine.evaluation.related_split import HeldOut, RelatedSplit, check_no_leak, split_related, training_data
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_csr import edge_rows
from engine.models.base import RelatedPairs

LIVELY = RelatedProtocol(min_items=2, test_share=0.5, validation_share=0.5, cold_share=0.2, validation_cold_share=0.1)


def left_edges(split: RelatedSplit, data: Snapshot) -> set[Edge]:
    edges = split.training.graph.context_to_item
    contexts = data.contexts if data.relations.saves.num_edges else data.users
    return {
        (contexts.ids[int(c)], data.items.ids[int(i)]) for c, i in zip(edge_rows(edges), edges.indices, strict=True)
    }


def named(held: HeldOut, data: Snapshot) -> set[tuple[str, str, str]]:
    contexts = data.contexts if data.relations.saves.num_edges else data.users
    return {
        (contexts.ids[int(c)], data.items.ids[int(q)], data.items.ids[int(a)])
        for c, q, a in zip(held.context, held.pairs.query, held.pairs.answer, strict=True)
    }


edge_lists = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 9)).map(lambda edge: (f"b{edge[0]}", f"i{edge[1]}")),
    min_size=6,
    max_size=50,
    unique=True,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edge_lists, st.lists(st.integers(0, 3), min_size=8, max_size=8), st.integers(0, 5))
def test_no_held_out_edge_is_reachable_in_training(saves: list[Edge], whose: list[int], seed: int):
    owners = {f"b{board}": f"u{user}" for board, user in enumerate(whose) if user}
    with tempfile.TemporaryDirectory() as folder:
        data = snapshot(world(Path(folder) / "set", saves, owners=owners))
    try:
        split = split_related(data, LIVELY, seed)
    except DataError:
        return  # no board is large enough once the cold items are gone
    left, before = left_edges(split, data), set(saves)
    assert left <= before
    for board, query, answer in named(split.test, data):
        assert query != answer
        assert {(board, query), (board, answer)} <= before
        assert (board, query) in left
        owner = owners.get(board, board)
        assert not [b for b, item in left if item == answer and owners.get(b, b) == owner]
    for board, query, answer in named(split.cold, data):
        assert (board, answer) in before
        assert (board, query) in left
        assert answer not in {item for _, item in left}
    degree = split.training.graph.item_to_context.degrees()
    assert not degree[split.training.validation_cold.answer].any()
    test, cold = named(split.test, data), named(split.cold, data)
    assert len({board for board, _, _ in test}) == len(test)
    assert len({board for board, _, _ in cold}) == len(cold)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edge_lists, st.randoms(use_true_random=False), st.integers(0, 3))
def test_a_split_does_not_depend_on_the_order_of_rows(saves: list[Edge], random, seed: int):
    shuffled = list(saves)
    random.shuffle(shuffled)
    items = sorted({item for _, item in saves})
    backwards = items[::-1]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for n, (edges, order) in enumerate(((saves, items), (shuffled, backwards))):
            data = snapshot(world(Path(folder) / str(n), edges, items=order))
            try:
                split = split_related(data, LIVELY, seed)
            except DataError:
                found.append(None)
                continue
            found.append((named(split.test, data), named(split.cold, data), left_edges(split, data)))
    assert found[0] == found[1]


def test_another_seed_gives_another_split_and_the_same_seed_the_same(tmp_path: Path):
    data = snapshot(topics(tmp_path / "set"))
    first, again, other = (named(split_related(data, RelatedProtocol(), seed).test, data) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_every_edge_between_the_owner_and_the_answer_goes(tmp_path: Path):
    saves = [(board, item) for board in ("a", "b", "c") for item in ("x", "y", "z")]
    data = snapshot(world(tmp_path / "set", saves, owners=dict.fromkeys("abc", "one")))
    split = split_related(data, RelatedProtocol(test_share=0.01, validation_share=0, cold_share=0), 0)
    [(_, _, answer)] = named(split.test, data)
    assert answer not in {item for _, item in left_edges(split, data)}


def test_a_board_without_an_owner_is_its_own(tmp_path: Path):
    saves = [(board, item) for board in ("a", "b", "c") for item in ("x", "y", "z")]
    data = snapshot(world(tmp_path / "set", saves))
    split = split_related(data, RelatedProtocol(test_share=0.01, validation_share=0, cold_share=0), 0)
    assert len(left_edges(split, data)) == len(saves) - 1


def test_validation_comes_from_other_boards_and_leaves_the_graph_too(tmp_path: Path):
    data = snapshot(topics(tmp_path / "set"))
    split = split_related(data, RelatedProtocol(), 0)
    assert len(split.training.validation) > 5
    assert len(split.training.validation_cold) > 0
    assert split.facts()["training_edges"] == len(left_edges(split, data))


def test_users_stand_in_for_boards_where_there_are_only_ratings(tmp_path: Path):
    rated = [(f"u{user}", f"i{(user + n) % 12}") for user in range(20) for n in range(5)]
    data = snapshot(world(tmp_path / "set", [], interactions=rated))
    split = split_related(data, RelatedProtocol(), 0)
    assert len(split.test) == 8
    assert left_edges(split, data) < set(rated)


def test_production_data_keeps_everything_but_validation(tmp_path: Path):
    data = snapshot(topics(tmp_path / "set"))
    training = training_data(data, 0)
    kept = training.graph.context_to_item.num_edges
    assert len(training.validation) > 0
    assert 0.8 * data.relations.saves.num_edges < kept < data.relations.saves.num_edges


def test_a_leak_is_found(tmp_path: Path):
    data = snapshot(world(tmp_path / "set", [("a", "x"), ("a", "y"), ("a", "z")]))
    graph = data.walk_graph()
    [x, y] = data.items.index_of(["x", "y"])
    pair = HeldOut(RelatedPairs(np.array([x], np.int32), np.array([y], np.int32)), np.zeros(1, np.int32))
    owner = np.zeros(1, np.int64)
    with pytest.raises(DataError, match="leaks"):
        check_no_leak(graph, owner, [pair], [])
    with pytest.raises(DataError, match="cold item"):
        check_no_leak(graph, owner, [], [pair])


def test_boards_that_are_too_small_are_named(tmp_path: Path):
    data = snapshot(world(tmp_path / "set", [("a", "x"), ("b", "y")]))
    with pytest.raises(DataError, match="no board holds 3 items"):
        split_related(data, RelatedProtocol(), 0)


def test_a_set_without_edges_is_named(tmp_path: Path):
    with pytest.raises(EmptyGraphError, match=r"no .*edges"):
        split_related(snapshot(world(tmp_path / "set", [], items=["x", "y"])), RelatedProtocol(), 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_items": 1},
        {"test_pairs": -1},
        {"cold_share": 1.5},
        {"test_share": 0.9, "validation_share": 0.2},
        {"min_items": "3"},
        {"test_share": True},
        {"nonsense": 1},
    ],
)
def test_a_wrong_protocol_setting_is_named(wrong: dict):
    with pytest.raises(ConfigError, match=r"protocol: .*"):
        read_numbers(RelatedProtocol, wrong)
