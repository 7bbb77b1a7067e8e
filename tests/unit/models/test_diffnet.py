"""DiffNet++ diffuses as in the paper, learns by each of its losses, lets friends speak, and takes in what comes later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from engine.errors import ConfigError
from engine.models.attention.lists import Lists
from engine.models.diffnet.answers import Diffusing
from engine.models.diffnet.config import DiffnetConfig, DiffnetSettings
from engine.models.diffnet.graph import DiffusionGraph, Nodes
from engine.models.diffnet.model import Diffnet, Sizes
from engine.models.diffnet.scorer import DiffnetScorer
from engine.models.diffnet.task import DiffnetTask
from engine.models.friends import followed
from engine.models.lightgcn.config import LightGcnConfig
from engine.models.lightgcn.model import LightGcn
from engine.models.row_embedder import Joined, embed_all
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from engine.models.user_steps import AgainstMany, UserStep, drawn_pairs
from tests.unit.models.model_checks import TaskChecks, following, ratings_of
from tests.unit.models.ranking_checks import (
    FoldInApartChecks,
    KeptChecks,
    RankingChecks,
    check_goes_on,
    likes,
    scores_of,
    two_tastes,
)

SMALL: dict[str, Any] = {
    "dim": 8,
    "layers": 2,
    "batch_size": 5,
    "candidates": 6,
    "negatives": 3,
    "epochs": 40,
    "check_every": 20,
    "learning_rate": 0.03,
}
RING = tuple((user, (user + step) % 11) for user in range(11) for step in (1, 3))


def small(**more: Any) -> DiffnetScorer:
    return DiffnetScorer.from_settings({**SMALL, **more})


class DiffnetChecks(RankingChecks, KeptChecks, FoldInApartChecks, TaskChecks):
    settings: ClassVar[dict[str, Any]] = {}

    def make(self) -> DiffnetScorer:
        return small(**self.settings)

    def task(self, data: UserItemData) -> DiffnetTask:
        seen = data.seen()
        users = np.flatnonzero(np.diff(seen.indptr) > 0)
        items = np.flatnonzero(np.bincount(seen.indices, minlength=seen.shape[1]) > 0)
        follows = followed(following(data, *RING))[users][:, users]
        torch.manual_seed(0)
        settings = DiffnetSettings.from_flat({**SMALL, **self.settings})
        model = Diffnet(settings.network, Sizes(len(users), len(items)))
        return DiffnetTask(model, seen[users][:, items], follows, settings)


class TestBySoftmax(DiffnetChecks):
    pass


class TestByPairsAsInThePaper(DiffnetChecks):
    settings: ClassVar = {"loss": "bpr", "normalisation": "mean", "epochs": 40}


class TestBySquaresAsInItsCode(DiffnetChecks):
    settings: ClassVar = {"loss": "squared", "epochs": 20, "dim": 2}


class TestOfSampledNeighboursAndThreeLayers(DiffnetChecks):
    settings: ClassVar = {"layers": 3, "neighbours": 3, "hidden": 0.2}


class TestWithoutFriendsOrAttention(DiffnetChecks):
    settings: ClassVar = {"social": False, "attention": False, "graph_attention": False}


def dense_layer(network: Diffnet, number: int, users: Any, items: Any, edges: Any, follows: Any) -> Any:
    """A layer written over dense matrices, attention as a matrix of logits."""
    layer = network.layers[number]

    def pooled(attention: Any, own: Any, table: Any, joined: Any) -> Any:
        both = attention.of_own(own)[:, None] + attention.of_value(table)[None]
        logits = attention.score(torch.nn.functional.leaky_relu(both, 0.1))[:, :, 0]
        there = torch.from_numpy(joined) > 0
        share = logits.masked_fill(~there, -torch.inf).softmax(1).nan_to_num(0)
        return share @ table

    interest, friends = pooled(layer.interest, users, items, edges), pooled(layer.influence, users, users, follows)
    logits = torch.cat(
        [
            layer.between.score(
                torch.nn.functional.leaky_relu(layer.between.of_own(users) + layer.between.of_part(part), 0.1)
            )
            for part in (friends, interest)
        ],
        dim=1,
    )
    share = logits.masked_fill(torch.from_numpy(np.stack([follows.sum(1), edges.sum(1)], 1) == 0), -torch.inf)
    share = share.softmax(1).nan_to_num(0)
    return (
        users + share[:, :1] * friends + share[:, 1:] * interest,
        items + pooled(layer.adoption, items, users, edges.T),
    )


def test_layers_are_those_of_the_paper_written_densely():
    edges = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
    follows = np.zeros((5, 5), np.float32)
    follows[[0, 0, 1, 3, 4], [1, 2, 0, 0, 1]] = 1
    torch.manual_seed(4)
    network = Diffnet(DiffnetConfig(dim=5, layers=2, normalisation="mean"), Sizes(5, 3))
    for part in (network.users, network.items):
        torch.nn.init.normal_(part)
    graph = DiffusionGraph.of(csr_array(edges), csr_array(follows))
    found = network(network.start(None), graph.everything(graph.nodes, 2))
    users, items = [network.users], [network.items]
    for number in range(2):
        user, item = dense_layer(network, number, users[-1], items[-1], edges, follows)
        users.append(user)
        items.append(item)
    torch.testing.assert_close(found.users, torch.cat(users, 1))
    torch.testing.assert_close(found.items, torch.cat(items, 1))


def test_a_symmetric_layer_of_even_weights_adds_what_lightgcns_layer_says():
    edges = csr_array(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]], np.float32))
    plain = LightGcn(LightGcnConfig(dim=5, layers=1), edges)
    config = DiffnetConfig(dim=5, layers=1, social=False, attention=False)
    network = Diffnet(config, Sizes(4, 3))
    network.load_state_dict(plain.state_dict())
    (users, items), (next_users, next_items) = plain.layers()
    graph = DiffusionGraph.of(edges, csr_array((4, 4)))
    found = network(network.start(None), graph.everything(graph.nodes, 1))
    torch.testing.assert_close(found.users, torch.cat([users, users + next_users], 1))
    torch.testing.assert_close(found.items, torch.cat([items, items + next_items], 1))


def test_what_a_step_predicts_is_left_out_of_what_it_reads():
    data = two_tastes()
    seen = data.seen()[data.users.index_of([f"u{user}" for user in range(12)])]
    settings = DiffnetSettings.from_flat({**SMALL, "hidden": 0.4, "batch_size": 12, "candidates": 0})
    task = DiffnetTask(Diffnet(settings.network, Sizes(12, 11)), seen, csr_array((12, 12)), settings)
    whole = set(zip(task.graph.interests.owner.tolist(), task.graph.interests.at.tolist(), strict=True))
    for step in range(3):
        batch = task.batch(step)
        assert isinstance(batch.against, AgainstMany)
        rows = Lists(batch.against.own.indptr, batch.against.own.indices.astype(np.int64))
        predicted = set(zip(rows.owner.tolist(), rows.at.tolist(), strict=True))
        block = batch.reading.blocks[0]
        read = set(zip(block.interests.owner.tolist(), block.interests.at.tolist(), strict=True))
        assert predicted
        assert read == whole - predicted
        assert read == set(zip(block.adopters.at.tolist(), block.adopters.owner.tolist(), strict=True))


def test_some_nodes_read_alone_are_what_they_are_in_the_whole_graph():
    data = following(two_tastes(), *RING, (12, 3))
    model = small(epochs=3)
    model.fit(data)
    joined = Joined.in_data(data)
    diffusing = Diffusing(model.trained, joined)
    outputs = embed_all(diffusing, joined)
    for layer in range(diffusing.layers):
        before = outputs[layer - 1] if layer else {}
        for side, rows in (("users", np.array([0, 4, 12], np.int32)), ("items", np.array([1, 2, 10], np.int32))):
            assert diffusing.embed(layer, side, rows, before) == pytest.approx(outputs[layer][side][rows], abs=1e-6)


def test_drawn_neighbours_are_all_of_them_where_there_are_few():
    data = following(two_tastes(), *RING)
    torch.manual_seed(0)
    network = Diffnet(DiffnetConfig(dim=5, layers=2), Sizes(data.num_users, data.num_items))
    graph, start = DiffusionGraph.of(data.seen(), followed(data)), network.start(None)
    asked = Nodes(np.array([2, 7]), np.array([0, 5, 9]))
    whole = network(start, graph.everything(asked, 2))
    reached = network(start, graph.sampled(asked, 2, 100, np.random.default_rng(0)))
    torch.testing.assert_close(reached.users, whole.users)
    torch.testing.assert_close(reached.items, whole.items)


def test_a_hub_of_very_many_followers_and_friends_is_bounded_in_a_step():
    count = 100_000
    data = likes([(user, user % 3) for user in range(count)], count, 3)
    hub = data.users.index_of(["u0"])[0]
    others = np.delete(np.arange(count), hub)
    one, many = np.full(count - 1, hub), np.ones(2 * (count - 1), np.float32)
    both = (np.concatenate([one, others]), np.concatenate([others, one]))
    settings = DiffnetSettings.from_flat({"neighbours": 4, "batch_size": 50, "layers": 2, "dim": 4})
    model = Diffnet(settings.network, Sizes(count, 3))
    task = DiffnetTask(model, data.seen(), csr_array((many, both), shape=(count, count)), settings)
    batch, again = task.batch(3), task.batch(3)
    assert len(batch.reading.start.users) < 3000
    for block, other in zip(batch.reading.blocks, again.reading.blocks, strict=True):
        assert max(np.diff(lists.indptr).max() for lists in (block.interests, block.friends, block.adopters)) <= 4
        assert (block.adopters.at == other.adopters.at).all()
    assert torch.isfinite(task.loss(batch))


def test_drawn_items_are_none_that_the_user_has_and_one_who_has_all_is_left_out():
    seen = likes([(0, 0), (0, 1), *((1, item) for item in range(4))], 2, 4).seen()
    seen.sort_indices()
    step = UserStep.of(seen, 0, 2, 1.0, 0)
    drawn, counts = drawn_pairs(step, seen, 50, seed=0, number=0)
    for edge, owner in enumerate(step.owner):
        own = seen[[owner]].indices
        assert not np.isin(drawn[edge][counts[edge]], own).any()
        assert counts[edge].any() == (len(own) < 4)
    assert float(step.edge_weight.sum()) == pytest.approx(1)


def test_a_user_with_friends_only_is_answered_by_their_tastes_and_it_says_so():
    data = following(two_tastes(), *((12, friend) for friend in (0, 1, 2)), (12, 12), (3, 4), (4, 3), (7, 12))
    model = small()
    model.fit(data)
    found = scores_of(model, data)
    assert found[12, :5].min() > found[12, 5:10].max()
    asked = data.users.index_of(["u12", "u3", "u7"])
    assert model.standing("users", asked).tolist() == ["folded in", "trained", "trained"]
    assert model.rests_on(asked).tolist() == ["friends", "ratings and friends", "ratings"]
    assert model.report()["users"]["friends"] == 1
    alone = model.fold_in(replace(data, follows=None))
    assert np.isneginf(scores_of(alone, data)[12]).all()
    assert alone.rests_on(asked)[0] == "nothing"


@pytest.mark.parametrize("more", [{}, {"attention": False, "normalisation": "mean"}, {"neighbours": 3}])
def test_friends_count_by_the_weights_of_ties_and_equal_weights_change_nothing(more: dict[str, Any]):
    follows = [(12, 0), (12, 6), (3, 7), (3, 4)]
    plain, even = following(two_tastes(), *follows), following(two_tastes(), *follows, weights=[3.0] * 4)
    uneven = following(two_tastes(), *follows, weights=[6.0, 3.0, 3.0, 3.0])
    model, other = (small(epochs=5, weighted=weighted, **more) for weighted in (False, True))
    model.fit(plain)
    other.fit(even)
    wanted = scores_of(model, plain)
    assert (scores_of(other, even) == wanted).all()
    now = other.fold_in(uneven)
    found = scores_of(now, uneven)
    assert np.abs(found[12, :10] - wanted[12, :10]).max() > 1e-4
    assert (found[:12] == wanted[:12]).all()
    if more.get("attention") is False:
        friends = now.attention(plain.users.index_of(["u12"]), np.empty(0, np.int32))[1]
        assert dict(zip(friends.rows.tolist(), friends.weight.tolist(), strict=True)) == pytest.approx(
            dict(zip(plain.users.index_of(["u0", "u6"]).tolist(), [2 / 3, 1 / 3], strict=True))
        )


def test_who_follows_a_user_is_a_friend_where_that_is_set():
    data = following(two_tastes(), *((friend, 12) for friend in (0, 1, 2)))
    asked = data.users.index_of(["u12", "u0"])
    rests = {}
    for friendship in ("following", "followers", "both"):
        model = small(friendship=friendship)
        model.fit(data)
        rests[friendship] = model.rests_on(asked).tolist()
        if friendship != "following":
            found = scores_of(model, data)
            assert found[12, :5].min() > found[12, 5:10].max()
    assert rests == {
        "following": ["nothing", "ratings"],
        **{key: ["friends", "ratings"] for key in ("followers", "both")},
    }


def test_friends_are_not_read_where_the_network_is_not_social():
    friends = following(two_tastes(), (12, 0), (12, 1), (3, 4))
    model, plain = small(social=False), small(social=False)
    model.fit(friends)
    plain.fit(two_tastes())
    assert (scores_of(model, friends) == scores_of(plain, two_tastes())).all()
    assert model.rests_on(friends.users.index_of(["u12", "u3"])).tolist() == ["nothing", "ratings"]


def test_following_oneself_says_nothing_and_a_cycle_of_follows_is_as_good_as_any():
    cycle = [(user, (user + 1) % 6) for user in range(6)]
    model, other = small(epochs=5), small(epochs=5)
    data = following(two_tastes(), *cycle)
    model.fit(data)
    again = following(two_tastes(), *cycle, *((user, user) for user in range(13)), *cycle)
    other.fit(again)
    assert (scores_of(model, data) == scores_of(other, again)).all()


def test_a_friend_who_was_deleted_or_is_not_known_says_nothing():
    data = following(two_tastes(), (12, 0), (12, 1))
    model = small(epochs=5)
    model.fit(data)
    gone = ratings_of([(0, 0, 1.0)], 14, 11, levels=())
    gone = following(gone, (12, 13), (13, 12), (1, 13))
    now = model.fold_in(gone)
    asked = gone.users.index_of(["u12", "u13", "u1"])
    assert now.standing("users", asked).tolist() == ["cold", "cold", "trained"]
    assert now.rests_on(asked).tolist() == ["nothing", "nothing", "nothing"]
    assert np.isneginf(scores_of(now, gone)[[12, 13]]).all()
    assert np.isfinite(scores_of(now, gone)[1, :10]).all()


def test_later_users_items_and_follows_are_taken_in_without_training(tmp_path: Path):
    data = two_tastes()
    model = small()
    model.fit(data)
    model.save(tmp_path / "model")
    seen = data.seen()
    users = data.users.index_of([f"u{user}" for user in range(12)])
    items = data.items.index_of([f"i{item}" for item in range(10)])
    known = [(user, item) for user in range(12) for item in range(10) if seen[users[user], items[item]]]
    now = likes([*known, (13, 0), (13, 1), *((user, 11) for user in range(6))], 16, 12)
    now = following(now, (14, 0), (14, 1), (14, 13), (15, 14))
    later = DiffnetScorer.load(tmp_path / "model", now)
    found = scores_of(later, now)
    assert found[13, :5].min() > found[13, 5:10].max()
    assert found[14, :5].min() > found[14, 5:10].max()
    assert found[:6, 11].min() > found[6:12, 11].max()
    assert np.isneginf(found[15]).all()
    assert (scores_of(model.fold_in(now), now) == found).all()


def test_fields_tell_of_users_and_items_that_have_nothing_else():
    fields = {
        "user_fields": {"taste": ("categorical", ["loud"] * 6 + ["quiet"] * 6 + ["loud"])},
        "item_fields": {"taste": ("categorical", ["loud"] * 5 + ["quiet"] * 5 + ["loud"])},
    }
    plain = two_tastes()
    seen = plain.seen()
    users, items = (
        nodes.index_of([f"{what}{number}" for number in range(count)])
        for nodes, what, count in ((plain.users, "u", 12), (plain.items, "i", 10))
    )
    known = [(user, item, 1.0) for user in range(12) for item in range(10) if seen[users[user], items[item]]]
    data = ratings_of(known, 13, 11, levels=(), **fields)
    model = small(features=True, min_items=1)
    model.fit(data)
    found = scores_of(model, data)
    assert found[12, :5].min() > found[12, 5:10].max()
    assert found[:6, 10].min() > found[6:12, 10].max()


def test_by_the_softmax_an_items_vector_is_as_long_as_a_power_of_its_users():
    data = two_tastes()
    model = small(epochs=2, popularity=0.5)
    model.fit(data)
    users = np.bincount(data.train.item, minlength=data.num_items)
    assert np.linalg.norm(model.item_vectors, axis=1) == pytest.approx(np.sqrt(users), rel=1e-5)
    known = np.bincount(data.train.user, minlength=data.num_users) > 0
    assert np.linalg.norm(model.user_vectors[known], axis=1) == pytest.approx(1, rel=1e-5)


def test_an_interrupted_training_goes_on_to_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    check_goes_on(lambda: small(epochs=6, check_every=2), DiffnetTask, tmp_path / "work", monkeypatch)


def test_settings_out_of_range_are_named():
    make = find_user_method("diffnet").make
    for wrong in (
        {"layers": 0},
        {"temperature": 0.0},
        {"batch_size": 0},
        {"negatives": 0},
        {"candidates": -1},
        {"neighbours": -1},
        {"hidden": 1.0},
        {"normalisation": "left"},
        {"loss": "hinge"},
        {"social": 1},
        {"popularity": -0.1},
        {"magic": 1},
    ):
        with pytest.raises(ConfigError, match="diffnet"):
            make(wrong)
