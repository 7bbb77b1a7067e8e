"""GraphRec learns from ratings and friends, never from what it is asked for, and takes in what comes later without training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from engine.errors import ConfigError, CorruptFileError, InputError
from engine.graph.snapshot_csr import relation
from engine.models.graphrec.answers import CHUNK
from engine.models.graphrec.config import GraphrecSettings
from engine.models.graphrec.model import Graphrec, Sizes
from engine.models.graphrec.neighbours import SocialGraph
from engine.models.graphrec.predictor import GraphrecPredictor
from engine.models.graphrec.task import GraphrecTask
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from tests.unit.models.model_checks import (
    RatingChecks,
    SavedChecks,
    TaskChecks,
    every_pair,
    following,
    later,
    pairs,
    ratings_of,
    refuses_a_rating_outside_the_levels,
    tiny,
    triples_of,
)

SMALL: dict[str, Any] = {
    "dim": 16,
    "epochs": 60,
    "batch_size": 16,
    "learning_rate": 0.005,
    "decay": 1.0,
    "average": 0.9,
    "dropout": 0.0,
    "hidden": 0.5,
}


def small(**more: Any) -> GraphrecPredictor:
    return GraphrecPredictor.from_settings({**SMALL, **more})


def task_of(data: UserItemData, **settings: Any) -> GraphrecTask:
    read = GraphrecSettings.from_flat({**SMALL, **settings})
    graph = SocialGraph.of(data, data.train, read.network)
    torch.manual_seed(0)
    model = Graphrec(read.network, Sizes(data.num_users, data.num_items, len(data.levels)), 0.0)
    return GraphrecTask(model, graph, read)


class GraphrecChecks(RatingChecks, TaskChecks, SavedChecks):
    by_heart = 0.6  # as well as tastes tell: it has no number of its own for a user, so it cannot learn single ratings
    settings: ClassVar[dict[str, Any]] = {}

    def make(self) -> GraphrecPredictor:
        return small(**self.settings)

    def load(self, folder: Path, data: UserItemData) -> GraphrecPredictor:
        return GraphrecPredictor.load(folder, data)

    def task(self, data: UserItemData) -> GraphrecTask:
        return task_of(
            following(data, *[(user, (user + 5 * step) % 11) for user in range(11) for step in (1, 2)]), **self.settings
        )

    def test_a_checkerboard_is_gone_on_with(self) -> None:
        """Of unequal squares: it tells users apart by what they read, and on equal ones everybody's mean is the same."""
        board = every_pair(12, 12)
        left_out = [(user, item) for user, item in board if (user + 3 * item) % 7 == 0]
        given = [(user, item, 5.0 if (user < 8) == (item < 8) else 1.0) for user, item in board]
        data = ratings_of([triple for triple in given if triple[:2] not in left_out], 12, 12)
        wanted = np.array([rating for user, item, rating in given if (user, item) in left_out])
        model = self.make()
        model.fit(data)
        assert ((model.predict(*pairs(data, *left_out)) > 3) == (wanted > 3)).all()


class TestAsInThePaper(GraphrecChecks):
    settings: ClassVar = {"biases": False, "tastes": False}


class TestWithBiasesAndTastes(GraphrecChecks):
    pass


class TestWithTastesAlone(GraphrecChecks):
    settings: ClassVar = {"biases": False}


class TestWithoutFriendsOrAttention(GraphrecChecks):
    settings: ClassVar = {"social": False, "attention": False}


@pytest.mark.parametrize("biases", [False, True])
def test_what_is_asked_for_is_never_read_even_where_a_pair_has_two_ratings(biases: bool):
    """Another rating at the target changes nothing that its step reads, and so not the prediction, but for what it starts from."""

    def predicted(rating: float) -> float:
        triples = [(0, 0, rating), (0, 0, rating), (0, 1, 2.0), (1, 0, 4.0), (1, 1, 4.0), (2, 0, 3.0)]
        data = following(ratings_of(triples, 3, 2), (1, 0), (0, 1))
        task = task_of(data, biases=biases, batch_size=1, unseen=0.0, hidden=0.0)
        twice = np.argmax(np.bincount(task.graph.pair))
        targets = next(batch for batch in map(task.batch, range(6)) if float(batch.rating[0]) == rating)
        for read in (targets.rated, targets.raters):
            assert len(read.at)
            assert not (task.graph.pair[read.at] == twice).any()
        task.model.eval()
        mean = replace(targets, start=torch.zeros(1), rating=torch.zeros(1))
        with torch.no_grad():
            return float(task.loss(mean))

    assert predicted(1.0) == predicted(5.0)


def test_neighbours_are_capped_by_a_seeded_draw_and_a_hub_of_very_many_friends_is_bounded():
    count = 100_000
    data = ratings_of([(user, user % 3, float(1 + user % 5)) for user in range(count)], count, 3)
    hub, others = (
        np.full(count - 1, data.users.index_of(["u0"])[0]),
        data.users.index_of([f"u{n}" for n in range(1, count)]),
    )
    both = relation(count, count, np.concatenate([hub, others]), np.concatenate([others, hub]))
    task = task_of(replace(data, follows=both.forward), batch_size=50, history=7, friends=4)
    batch, again = task.batch(3), task.batch(3)
    assert (np.diff(batch.friends.indptr).max(), np.diff(batch.raters.indptr).max()) == (1, 7)
    assert len(batch.users) <= 50 * 5
    assert (batch.raters.at == again.raters.at).all()
    everybody = task.graph.friends
    capped = everybody.capped(4, np.random.default_rng(0))
    assert np.diff(capped.indptr).max() == 4
    assert np.isin(capped.at[capped.owner == capped.owner[-1]], everybody.at).all()


@pytest.mark.parametrize("attention", [True, False])
def test_friends_count_by_the_weights_of_ties_and_equal_weights_change_nothing(attention: bool):
    follows = [(11, 0), (11, 6), (3, 7), (3, 0)]
    plain, even = following(tiny(), *follows), following(tiny(), *follows, weights=[3.0] * 4)
    uneven = following(tiny(), *follows, weights=[6.0, 3.0, 3.0, 3.0])
    everybody = pairs(plain, *every_pair(12, 10))
    model, other = (small(epochs=5, attention=attention, weighted=weighted) for weighted in (False, True))
    model.fit(plain)
    other.fit(even)
    wanted = model.predict(*everybody)
    assert (other.predict(*everybody) == wanted).all()
    found = other.fold_in(uneven).predict(*everybody)
    moved = np.unique(everybody[0][np.abs(found - wanted) > 1e-6])
    assert moved.tolist() == pairs(plain, (11, 0))[0].tolist()
    if not attention:
        friends = other.fold_in(uneven).attention(moved, moved[:0])[1]
        assert dict(zip(friends.rows.tolist(), friends.weight.tolist(), strict=True)) == pytest.approx(
            dict(zip(plain.users.index_of(["u0", "u6"]).tolist(), [2 / 3, 1 / 3], strict=True))
        )


def test_a_user_with_very_many_friends_who_are_all_alike_is_answered_as_one_with_one_of_them():
    count = 2 * CHUNK
    data = tiny()
    model = small(epochs=3)
    model.fit(data)
    came = [(12 + number, 0, 5.0) for number in range(count)]
    hub, other = 12 + count, 13 + count
    everybody = ratings_of(triples_of(data) + came, count + 14, 10)
    now = model.fold_in(following(everybody, *((hub, user) for user, _, _ in came), (other, 12)))
    asked = [pairs(everybody, *((user, item) for item in range(10))) for user in (hub, other)]
    assert now.rests_on(np.concatenate([users[:1] for users, _ in asked])).tolist() == ["friends", "friends"]
    found, wanted = (now.predict(*one) for one in asked)
    assert found == pytest.approx(wanted, abs=1e-4)
    without = model.fold_in(everybody)
    assert np.abs(without.predict(*asked[0]) - found).max() > 5e-4


def test_following_oneself_or_somebody_twice_says_nothing():
    follows = [(user, (user + 5) % 11) for user in range(11)]
    data = following(tiny(), *follows)
    again = following(tiny(), *follows, *follows, *((user, user) for user in range(12)))
    models = [small(epochs=3) for _ in range(2)]
    for model, its in zip(models, (data, again), strict=True):
        model.fit(its)
    users, items = pairs(data, *every_pair(12, 10))
    one, other = (model.predict(users, items) for model in models)
    assert (one == other).all()
    assert (models[0].rests_on(users) == models[1].rests_on(users)).all()


def test_a_user_with_friends_only_is_answered_and_the_answer_says_so(tmp_path: Path):
    data = following(tiny(), (11, 0), (11, 1), (11, 2), (11, 11), (3, 0), (0, 3), (9, 11), (7, 6))
    model = small(unseen=0.3, epochs=100)
    model.fit(data)
    asked = pairs(data, (11, 0), (6, 0), (3, 0), (9, 0))[0]
    assert model.rests_on(asked).tolist() == ["friends", "ratings", "ratings and friends", "ratings"]
    assert model.report()["users"]["friends"] == 1
    assert np.isfinite(model.predict(*pairs(data, *every_pair(12, 10)))).all()
    alone = model.fold_in(replace(data, follows=None))
    assert alone.rests_on(asked)[0] == "nothing"
    assert (alone.predict(*pairs(data, (11, 2))) != model.predict(*pairs(data, (11, 2)))).all()


def test_later_users_items_and_follows_are_taken_in_without_training(tmp_path: Path):
    model = small()
    model.fit(tiny())
    model.save(tmp_path / "model")
    now = following(later(tiny()), (13, 0), (13, 1))
    found = GraphrecPredictor.load(tmp_path / "model", now)
    loud, quiet = found.predict(*pairs(now, (11, 2), (11, 7)))
    assert loud > quiet
    everybody = pairs(now, *every_pair(14, 11))
    assert np.isfinite(found.predict(*everybody)).all()
    assert (model.fold_in(now).predict(*everybody) == found.predict(*everybody)).all()
    assert found.rests_on(pairs(now, (13, 0), (12, 0))[0]).tolist() == ["friends", "ratings"]


def test_a_friend_who_was_deleted_is_none_to_rest_on():
    data = following(tiny(), (11, 0), (11, 1))
    model = small(epochs=3)
    model.fit(data)
    gone = np.isin(data.train.user, data.users.index_of(["u0", "u1"]))
    left = replace(data, train=data.train.only(~gone))
    assert model.fold_in(left).rests_on(pairs(data, (11, 0))[0]).tolist() == ["nothing"]
    fewer = replace(left, follows=None)
    everybody = pairs(data, *every_pair(12, 10))
    assert (model.fold_in(left).predict(*everybody) == model.fold_in(fewer).predict(*everybody)).all()


def test_wrong_ratings_levels_and_settings_are_named(tmp_path: Path):
    refuses_a_rating_outside_the_levels(small())
    model = small(epochs=1)
    model.fit(tiny())
    with pytest.raises(InputError, match="levels"):
        model.fold_in(ratings_of([(0, 0, 1.0)], 1, 1, levels=(1.0, 2.0)))
    for wrong in ({"dim": 0}, {"friends": 0}, {"unseen": 1.0}, {"user_damping": 0.0}, {"magic": 1}):
        with pytest.raises(ConfigError, match="graphrec"):
            GraphrecPredictor.from_settings(wrong)
    model.save(tmp_path / "model")
    nodes = tmp_path / "model" / "nodes.json"
    nodes.write_text(nodes.read_text().replace("u3", "x3"))
    with pytest.raises(CorruptFileError, match=r"nodes\.json"):
        find_user_method("graphrec").load(tmp_path / "model", tiny())
