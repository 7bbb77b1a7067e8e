"""Ensembles: exact on hand-worked cases, better than their parts where those err differently, kept and folded in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_checks import checkerboard, pairs, tiny

from engine.errors import ConfigError, TrainingError, UnknownNameError
from engine.graph.snapshot_columns import node_table
from engine.models.ensemble.ranking import LearnedFusion, RankFusion
from engine.models.ensemble.rating import Stacking
from engine.models.user_graph import with_user
from engine.models.user_item import UserItemData, UserItemEdges
from engine.models.user_methods import USER_METHODS, find_user_method

QUICK = {"epochs": 30, "dropout": 0.1}


class Fixed:
    """A scorer that says what it is told."""

    def __init__(self, scores):
        self.scores = np.array(scores, np.float32)

    def score(self, users):
        return self.scores[users]


def everyone(data: UserItemData) -> np.ndarray:
    return np.arange(data.num_users, dtype=np.int32)


def test_reciprocal_ranks_add_up_and_what_cannot_be_scored_gets_nothing():
    fused = RankFusion("item-knn,popularity")
    fused.fitted = (Fixed([[3, 2, 1, 1]]), Fixed([[-np.inf, 5, 9, -np.inf]]))
    expected = [1 / 61, 1 / 62 + 1 / 62, 1 / 63.5 + 1 / 61, 1 / 63.5]
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
    assert useful > 1 > 10 * useless >= 0


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
