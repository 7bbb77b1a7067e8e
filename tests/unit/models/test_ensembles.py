"""Ensembles: exact on hand-worked cases, better than their parts where those err differently, kept and folded in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError, TrainingError, UnknownNameError
from engine.graph.snapshot_columns import node_table
from engine.models.ensemble.ranking import LearnedFusion, RankFusion
from engine.models.ensemble.rating import Stacking
from engine.models.user_graph import with_user
from engine.models.user_item import UserItemData, UserItemEdges
from engine.models.user_methods import USER_METHODS, find_user_method
from tests.unit.models.model_checks import RatingChecks, SavedChecks, checkerboard, pairs, tiny
from tests.unit.models.ranking_checks import (
    FoldInChecks,
    KeptChecks,
    RankingChecks,
    likes,
    scores_of,
    two_tastes,
)

QUICK = {"epochs": 30, "dropout": 0.1}


class Fixed:
    """A scorer that says what it is told."""

    def __init__(self, scores):
        self.scores = np.array(scores, np.float32)

    def score(self, users):
        return self.scores[users]


class TestRankFusion(RankingChecks, KeptChecks):
    exact = 2 * (1 / 61 - 1 / 62)
    """In each part, two items whose scores differ by rounding alone may change places."""

    def make(self) -> RankFusion:
        near = {"neighbours": 5, "shrink": 0.5}
        return RankFusion("item-knn,user-knn", **{"item-knn": near, "user-knn": near})

    def test_a_user_or_item_without_edges_is_said_not_to_be_known(self, fitted: Any) -> None:
        """These parts count instead of learning, and have an answer to everything: what they know nothing of comes last."""
        found = scores_of(*fitted)
        assert (found[12] == found[12, 0]).all()
        assert (found[:, 10] == found.min(axis=1)).all()


class TestLearnedFusion(RankingChecks, KeptChecks, FoldInChecks):
    fold_exact = 1e-3

    def make(self) -> LearnedFusion:
        return LearnedFusion("ease,als", ease={"l2": 1.0}, als={"dim": 2, "epochs": 15, "ridge": 0.01})

    @pytest.mark.parametrize("pairs", [[(0, 0), (0, 1)], [(0, 0), (0, 1), (1, 0), (1, 1)]])
    def test_the_smallest_graphs_are_answered(self, pairs: list[tuple[int, int]]) -> None:
        """Weights take an edge that a user can spare: the smallest graph has two of one user."""
        super().test_the_smallest_graphs_are_answered(pairs)

    def test_repeated_edges_and_those_of_validation_are_learned_from_once(self) -> None:
        """Weights are learned on validation edges and otherwise on drawn ones: the parts are the same, not what they count."""
        data = two_tastes()
        half = np.arange(len(data.train)) % 2 == 0
        model, plain = self.make(), self.make()
        model.fit(replace(data, train=data.train.only(half), valid=data.train))
        plain.fit(data)
        for mine, other in zip(model.fitted, plain.fitted, strict=True):
            assert scores_of(mine, data) == pytest.approx(scores_of(other, data), abs=1e-3)

    def test_without_edges_there_is_nothing_to_learn_from(self) -> None:
        super().test_without_edges_there_is_nothing_to_learn_from()
        with pytest.raises(TrainingError, match="too few edges"):
            self.make().fit(likes([(0, 0), (1, 1)], 2, 2))


class TestStacking(RatingChecks, SavedChecks):
    def make(self) -> Stacking:
        return Stacking("bias,mf", mf={"dim": 4, "epochs": 300, "learning_rate": 0.03, "decay": 0.995, "ridge": 0.01})

    def load(self, folder: Path, data: UserItemData) -> Stacking:
        return Stacking.load(folder, data)


def everyone(data: UserItemData) -> np.ndarray:
    return np.arange(data.num_users, dtype=np.int32)


def test_reciprocal_ranks_add_up_and_what_a_part_cannot_score_gets_nothing_from_it():
    fused = RankFusion("item-knn,popularity")
    fused.fitted = (Fixed([[3, 2, 1, 1, -np.inf]]), Fixed([[-np.inf, 5, 9, -np.inf, -np.inf]]))
    expected = [1 / 61, 1 / 62 + 1 / 62, 1 / 63.5 + 1 / 61, 1 / 63.5, -np.inf]
    np.testing.assert_allclose(fused.score(np.array([0], np.int32))[0], expected, rtol=1e-6)


def test_weights_go_to_the_part_that_finds_held_out_items():
    rng = np.random.default_rng(0)
    users, items = 60, 40
    truth = rng.standard_normal((users, items))
    fusion = LearnedFusion("item-knn,popularity")
    asked = UserItemEdges(np.arange(users, dtype=np.int32), truth.argmax(axis=1).astype(np.int32))
    fusion.fitted = (Fixed(rng.standard_normal((users, items))), Fixed(truth))

    nothing = UserItemEdges(np.zeros(1, np.int32), np.zeros(1, np.int32))
    before = UserItemData(
        nothing,
        node_table([f"u{n:02}" for n in range(users)])[0],
        node_table([f"i{n:02}" for n in range(items)])[0],
    )
    useless, useful = fusion._weigh(before, asked)
    assert useful > 10
    assert useful > 50 * useless >= 0


@pytest.mark.parametrize("name", ["rank-fusion", "learned-fusion"])
def test_a_fused_ranking_is_kept_and_folded_in(tmp_path, name):
    data, method = tiny(), find_user_method(name)
    made = method.make({"parts": "item-knn,user-knn,popularity", "item-knn": {"neighbours": 5}})
    made.fit(data)
    scores = made.score(everyone(data))
    assert scores.shape == (12, 10)
    assert np.isfinite(scores).all()
    made.save(tmp_path / "kept")
    again = method.load(tmp_path / "kept", data)
    np.testing.assert_array_equal(again.score(everyone(data)), scores)
    assert again.parts[0].settings == {"neighbours": 5}
    late = with_user(data, "late", data.train.item[data.train.user == data.train.user[0]], np.full(1, 5.0, np.float32))
    assert made.fold_in(late).score(np.array([12], np.int32)).shape == (1, 10)
    assert set(made.report()["parts"]) == {"item-knn", "user-knn", "popularity"}


def test_stacked_ratings_are_at_least_as_good_as_their_parts_and_are_kept(tmp_path):
    data, left_out, wanted = checkerboard()
    made = find_user_method("stacking").make({"parts": "bias,gcmc", "gcmc": QUICK})
    made.fit(data)
    asked = pairs(data, *left_out)
    told = made.predict(*asked)
    assert np.sqrt(np.mean((told - wanted) ** 2)) < 1.0 < np.sqrt(np.mean((3.0 - wanted) ** 2))
    assert made.weights[1] > made.weights[0]
    made.save(tmp_path / "kept")
    np.testing.assert_array_equal(Stacking.load(tmp_path / "kept", data).predict(*asked), told)


def test_weights_are_learned_on_validation_edges_where_there_are_any():
    data, left_out, wanted = checkerboard()
    users, items = pairs(data, *left_out)
    told = Stacking("bias,gcmc", gcmc=QUICK)
    told.fit(replace(data, valid=UserItemEdges(users, items, wanted)))
    assert told.weights[1] > 0.5


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"parts": "item-knn"}, ConfigError, "two different methods"),
        ({"parts": "item-knn,item-knn"}, ConfigError, "two different methods"),
        ({"parts": "item-knn,knn"}, UnknownNameError, "no method 'knn'"),
        ({"parts": "item-knn,bias"}, ConfigError, "'bias' cannot be a part"),
        ({"parts": "item-knn,learned-fusion"}, ConfigError, "cannot be a part"),
        ({"parts": "item-knn,user-knn", "popularity": {}}, ConfigError, "unknown setting 'popularity'"),
        ({"parts": "item-knn,user-knn", "item-knn": {"neighbors": 3}}, ConfigError, "neighbors"),
    ],
)
def test_wrong_settings_are_said_before_anything_is_fitted(settings, error, words):
    with pytest.raises(error, match=words):
        USER_METHODS["learned-fusion"].make(settings)


def test_too_few_edges_to_spare_any():
    data = tiny()
    one = UserItemEdges(data.train.user[:1], data.train.item[:1], data.train.rating[:1])
    with pytest.raises(TrainingError, match="too few edges"):
        LearnedFusion("item-knn,popularity").fit(replace(data, train=one))
