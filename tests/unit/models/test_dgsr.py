"""DGSR holds to what every method that goes by order must, and rests on nothing but what came before."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.files import atomic_folder
from engine.models.attention.lists import Lists
from engine.models.dgsr.config import DgsrConfig, DgsrSettings
from engine.models.dgsr.files import FORMAT
from engine.models.dgsr.graph import placed_graph
from engine.models.dgsr.model import Dgsr, HopTensors, Update
from engine.models.dgsr.ranker import DgsrRanker
from engine.models.dgsr.task import DgsrTask
from engine.models.sequences import History, ScoresAt, asked_at
from engine.models.user_item import UserItemData, UserItemEdges
from tests.unit.models.model_checks import TaskChecks
from tests.unit.models.sequence_checks import NextItemChecks, StopsByValidation, by_number, dated, ring, rows

QUICK = {"dim": 16, "length": 6, "users": 3, "dropout": 0.1, "batch_size": 64, "epochs": 30, "learning_rate": 0.02}


def task_of(data: UserItemData, **settings: Any) -> DgsrTask:
    made = DgsrSettings.from_flat({**QUICK, **settings})
    torch.manual_seed(0)
    graph = placed_graph(data, data.train, np.arange(data.num_users), np.arange(data.num_items))
    return DgsrTask(Dgsr(made.network, data.num_users, data.num_items), graph, data.users.order, None, made)


class TestDgsr(NextItemChecks, StopsByValidation, TaskChecks):
    exact = 1e-4

    def make(self) -> DgsrRanker:
        return DgsrRanker.from_settings(QUICK)

    def with_settings(self, **changes: Any) -> DgsrRanker:
        return DgsrRanker.from_settings({**QUICK, **changes})

    def task(self, data: UserItemData) -> DgsrTask:
        del data
        return task_of(ring())

    def test_a_new_user_is_answered_from_their_items_as_a_known_one_with_the_same(
        self, fitted: tuple[Any, UserItemData]
    ) -> None:
        """But for what was learned of the known one."""
        method, data = fitted
        items = data.items.index_of([f"i{(7 + step) % 8}" for step in range(5)])
        found = method.score_new(items)
        assert found.shape == (8,)
        assert found.argmax() == method.score(rows(data, 8))[0].argmax()

    def test_what_was_saved_gives_the_same_answers(self, fitted: tuple[Any, UserItemData], tmp_path: Path) -> None:
        method, data = fitted
        method.save(tmp_path / "model")
        everybody = np.arange(data.num_users, dtype=np.int32)
        assert (DgsrRanker.load(tmp_path / "model", data).score(everybody) == method.score(everybody)).all()

    def test_an_interaction_reaches_its_user_and_those_whose_sub_graph_it_enters(
        self, fitted: tuple[Any, UserItemData]
    ) -> None:
        method, _ = fitted
        histories = [[(3, 5)], *[[((u + s) % 8, 10 * u + s) for s in range(5)] for u in range(40)], []]
        before = method.fold_in(dated([*histories, []], 9))
        data = dated([*histories, [(0, 1000), (8, 1001)]], 9)
        after = method.fold_in(data)
        everybody = rows(data, *range(43))
        changed = [
            not np.array_equal(before.score(everybody[at : at + 1]), after.score(everybody[at : at + 1]))
            for at in range(43)
        ]
        holders = [any(item == 0 for item, _ in history) for history in histories]
        assert changed == [*holders, True]  # item 8 is unknown to the model; item 0 has a new user
        assert np.isneginf(by_number(data, after.score(everybody))[:, 8]).all()

    def test_nobody_is_among_those_who_have_their_own_items(self, fitted: tuple[Any, UserItemData]) -> None:
        """What was learned of a user tells nothing of what they are answered, and something of what others are."""
        fitted_method, data = fitted
        method = fitted_method.fold_in(data)
        me = int(rows(data, 40)[0])
        times, items = data.train.time, data.train.item[data.train.user == me]
        assert times is not None
        mine = History.of(items, times[data.train.user == me], 10_000, data.items.order)
        known, unknown = (method.score_next(replace(mine, user=user)) for user in (me, -1))
        assert known == pytest.approx(method.score_at(np.array([me]), np.array([10_000]))[0], abs=1e-5)
        assert not np.allclose(known, unknown, atol=1e-3)  # of an unknown one it is not told that the holder is they
        model = copy.deepcopy(method.trained.model)
        with torch.no_grad():
            model.users[method.graph.user_row[me]] += 1
        other = method.fold_in(data)
        other.trained = replace(method.trained, model=model)
        assert (other.score_next(replace(mine, user=me)) == known).all()
        assert not np.array_equal(other.score_next(mine), unknown)

    def test_of_others_nothing_at_or_after_the_time_asked_about_is_read(self, fitted: tuple[Any, UserItemData]) -> None:
        """What others take up later changes the next answer, and none about a time before it."""
        method, data = fitted
        histories = [[(3, 5)], *[[((u + s) % 8, 10 * u + s) for s in range(5)] for u in range(40)], []]
        data = dated([*histories, []], 8)
        later = dated([*histories, [(4, 1000), (5, 1000)]], 8)
        before, after = method.fold_in(data), method.fold_in(later)
        items, times = data.items.index_of(["i4", "i5"]), np.array([500, 501])
        for when, changes in ((502, False), (1000, False), (1001, True)):
            asked = History.of(items, times, when, data.items.order)
            assert np.array_equal(before.score_next(asked), after.score_next(asked)) is not changes

    def test_scores_as_of_a_time_read_no_later_edge_of_others(self, fitted: tuple[Any, UserItemData]) -> None:
        method, data = fitted
        everybody = rows(data, *range(42))
        assert isinstance(method, ScoresAt)
        assert (method.score_at(everybody, np.full(42, 10_000)) == method.score(everybody)).all()
        assert data.train.time is not None
        early = method.fold_in(
            replace(data, train=data.train.only((data.train.time < 200) | (data.train.user == rows(data, 30)[0])))
        )
        whole, part = (one.score_at(rows(data, 30), np.array([200])) for one in (method, early))
        assert whole == pytest.approx(part, abs=1e-5)

    def test_scores_as_of_a_time_read_the_users_own_up_to_it(self, fitted: tuple[Any, UserItemData]) -> None:
        """Those of that very time too: what is asked for comes after them."""
        method, data = fitted
        assert data.train.time is not None
        for user, when in ((rows(data, 6), 52), (rows(data, 30), 291)):
            early = method.fold_in(replace(data, train=data.train.only(data.train.time <= when)))
            asked = np.array([when])
            assert method.score_at(user, asked) == pytest.approx(early.score_at(user, asked), abs=1e-5)
            assert (early.graph.timed.items_of.degrees()[user] > 0).all()
        before_all = method.score_at(rows(data, 6), np.array([49]))
        assert (before_all == method.score(rows(data, 41))).all()  # as one of whom nothing is known


def test_a_protocol_asks_as_of_the_first_item_that_it_asks_for() -> None:
    data = ring(4)
    test = UserItemEdges(rows(data, 1, 1, 3), rows(data, 0, 0, 0), None, np.array([7, 6, 1], np.int64))
    when = asked_at(data, test)
    assert when is not None
    assert when[rows(data, 1, 2, 3)].tolist() == [6, 0, 24]  # u3 has something at 24
    assert asked_at(data, replace(test, time=None)) is None
    assert asked_at(data, replace(test, time=np.array([7, -1, 1]))) is None


@pytest.mark.parametrize(
    "off", [{"long_term": False}, {"short_term": False}, {"order": False}, {"hops": 1}, {"hops": 3}]
)
def test_parts_can_be_left_out(off: dict[str, Any]) -> None:
    task = task_of(ring(8), **off)
    loss = task.loss(task.batch(0))
    loss.backward()
    assert torch.isfinite(loss)
    unmet = {name for name, parameter in task.model.named_parameters() if parameter.grad is None}
    assert unmet == ({"users"} if off.get("hops") == 1 else set())  # one hop leads to items alone


def test_no_loss_depends_on_what_came_at_or_after_its_target() -> None:
    data = ring(8)
    assert data.train.time is not None
    early = data.train.time < 30
    whole, part = task_of(data), task_of(replace(data, train=data.train.only(early)))
    users = rows(data, 1, 2)
    place, before = np.array([3, 4]), np.array([3, 14])
    found, expected = (task.graph.histories(users, place, before, task.settings.network) for task in (whole, part))
    with torch.no_grad():
        assert (whole.model(found) == part.model(expected)).all()


def test_attention_weighs_by_hand() -> None:
    """One user, one item, one hop: the softmax over a single neighbour is 1."""
    torch.manual_seed(0)
    model = Dgsr(DgsrConfig(dim=4, hops=1, length=3, users=3), 1, 2)
    data = dated([[(0, 1), (1, 2)]], 2)
    graph = placed_graph(data, data.train, np.arange(1), np.arange(2))
    update = model.layers[0][0]
    item = model.items[graph.timed.items_of.indices[0]]
    long = update.told(item) + update.value_order[0]
    itself = torch.tanh(update.joined(torch.cat([long, item, torch.zeros(4)])))
    expected = model.project(torch.cat([item, itself]))
    expected = expected / expected.norm() / model.config.temperature
    found = model(graph.histories(np.zeros(1, np.int32), np.ones(1, np.int64), np.array([2]), model.config))
    assert torch.allclose(found[0], expected, atol=1e-6)


def test_a_node_becomes_what_the_equations_say_list_by_list() -> None:
    """Equations 5 to 12, written out: three nodes, of which one has no neighbours."""
    torch.manual_seed(0)
    update = Update(DgsrConfig(dim=4, length=3), 3)
    indptr = np.array([0, 3, 3, 5])
    itself, neighbours = torch.randn(3, 4), torch.randn(5, 4)
    hop = HopTensors(
        nodes=torch.arange(5),
        lists=Lists(indptr, np.arange(5)),
        age=np.array([2, 1, 0, 1, 0]),
        newest=torch.tensor([2, 0, 4]),
    )
    shares: dict[str, list[float]] = {}
    found = update(itself, neighbours, hop, lambda name, share: shares.update({name: share.tolist()}))
    expected_shares: dict[str, list[float]] = {"long-term": [], "short-term": []}
    for node, (first, stop) in enumerate(itertools.pairwise(indptr)):
        own, ages = neighbours[first:stop], torch.from_numpy(hop.age[first:stop])
        long = short = torch.zeros(4)
        if first < stop:
            share = ((update.told(own) + update.key_order[ages]) @ update.asked(itself[node]) / 2).softmax(0)
            long = share @ (update.told(own) + update.value_order[ages])
            expected_shares["long-term"] += share.tolist()
            share = (update.others(own) @ update.newest(own[-1]) / 2).softmax(0)
            short = share @ own
            expected_shares["short-term"] += share.tolist()
        expected = itself[node] + torch.tanh(update.joined(torch.cat([long, short, itself[node]])))
        torch.testing.assert_close(found[node], expected)
    assert shares == {name: pytest.approx(values, abs=1e-6) for name, values in expected_shares.items()}


def test_nothing_to_learn_from_is_told() -> None:
    with pytest.raises(TrainingError, match="two items"):
        DgsrRanker().fit(dated([[(0, 1)], [(1, 1)]], 2))


@pytest.mark.parametrize(
    "wrong", [{"dim": 0}, {"hops": 0}, {"dropout": 1.0}, {"batch_size": 0}, {"long_term": False, "short_term": False}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="dgsr"):
        DgsrRanker.from_settings(wrong)


def test_a_folder_of_another_model_is_refused(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "model", {"kind": "sasrec", "format": 2}):
        pass
    with pytest.raises(CorruptFileError, match="not a DGSR"):
        DgsrRanker.load(tmp_path / "model", ring(4))
    with atomic_folder(tmp_path / "other", {"kind": "dgsr", "format": FORMAT}):
        pass
    with pytest.raises(CorruptFileError, match="do not fit"):
        DgsrRanker.load(tmp_path / "other", ring(4))
