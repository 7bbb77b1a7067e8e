"""The sampled factorisation machine learns, repeats itself, and takes in later users from ratings and from friends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csc_array

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.models.bayes.kernels import draw, gather, settle
from engine.models.bayes.predictor import BayesPredictor, honest_error
from engine.models.bayes.sketch import MeanProduct
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from tests.unit.models.model_checks import (
    RatingChecks,
    SavedChecks,
    every_pair,
    following,
    later,
    pairs,
    ratings_of,
    tiny,
)


def small(**more: float) -> BayesPredictor:
    return BayesPredictor(**{"dim": 4, "sweeps": 120, "burn_in": 20, "noise": 0.2, **more})  # type: ignore[arg-type]


class TestBayes(RatingChecks, SavedChecks):
    def make(self) -> BayesPredictor:
        return small()

    def load(self, folder: Path, data: UserItemData) -> BayesPredictor:
        return BayesPredictor.load(folder, data)


def test_a_weight_is_drawn_from_its_conditional_distribution():
    """Two features on two nodes with three ratings: each draw is the mean given the other, and noise over the root of the precision."""
    own, other = np.array([0, 0, 1]), np.array([0, 1, 0])
    values, their = np.array([[1.0, 0.5], [0.0, 2.0]]), np.array([0.7, -1.3])
    rating, weight = np.array([1.0, -0.5, 2.0]), np.array([0.2, -0.1])
    mean, precision, sharpness, noise = np.array([0.3, 0.1]), np.array([2.0, 5.0]), 4.0, np.array([0.6, -1.1])
    factor = values @ weight
    left = rating - factor[own] * their[other]
    square, cross, drawn, follows = np.zeros(2), np.zeros(2), weight.copy(), factor.copy()
    gather(own, other, left, their, square, cross)
    columns = csc_array(values)
    draw(
        columns.indptr.astype(np.int64), columns.indices.astype(np.int64), columns.data, square, cross, follows, drawn,
        mean, precision, noise, sharpness,
    )  # fmt: skip
    expected = weight.copy()
    for feature in range(2):
        slope = values[own, feature] * their[other]  # of each rating's prediction in this weight
        rest = rating - (values @ expected)[own] * their[other] + slope * expected[feature]
        sure = precision[feature] + sharpness * slope @ slope
        middle = (precision[feature] * mean[feature] + sharpness * slope @ rest) / sure
        expected[feature] = middle + noise[feature] / np.sqrt(sure)
    np.testing.assert_allclose(drawn, expected, rtol=1e-12)
    np.testing.assert_allclose(follows, values @ expected, rtol=1e-12)
    settle(own, other, left, their, follows - factor)
    np.testing.assert_allclose(left, rating - follows[own] * their[other], rtol=1e-12)


def test_the_mean_of_products_is_kept_in_one_pass():
    rng = np.random.default_rng(1)
    base, other = rng.standard_normal((5, 60)), rng.standard_normal((5, 40))
    kept, exact = MeanProduct(60, 40, 8, np.random.default_rng(0)), np.zeros((60, 40))
    for _ in range(30):
        left, right = base + 0.01 * rng.standard_normal(base.shape), other + 0.01 * rng.standard_normal(other.shape)
        kept.add(left, right)
        exact += left.T @ right / 30
    left, right = kept.mean()
    assert left.shape == (8, 60)
    assert np.abs(left.T @ right - exact).max() < 0.02 * np.abs(exact).max()


def test_a_later_user_is_answered_from_what_they_rated(tmp_path: Path):
    model = small()
    model.fit(tiny())
    model.save(tmp_path / "model")
    now = later(tiny())
    found = BayesPredictor.load(tmp_path / "model", now)
    loud, quiet = found.predict(*pairs(now, (11, 2), (11, 7)))
    assert loud > quiet
    everybody = pairs(now, *every_pair(14, 11))
    assert np.isfinite(found.predict(*everybody)).all()
    assert (model.fold_in(now).predict(*everybody) == found.predict(*everybody)).all()


def test_whom_a_user_follows_is_read_where_that_is_asked_for():
    data = tiny()
    follows = following(data, (0, 1), (11, 2), (3, 3), (4, 5), (5, 4))
    for friends, same in ((False, True), (True, False)):
        model = small(friends=friends, sweeps=40)
        model.fit(follows)
        everybody = pairs(data, *every_pair(12, 10))
        plain = small(sweeps=40)
        plain.fit(data)
        assert (model.predict(*everybody) == plain.predict(*everybody)).all() == same
        if friends:
            assert model.rests_on(pairs(data, (11, 0))[0]).tolist() == ["friends"]


def test_the_error_of_biases_leaves_each_rating_out_of_its_own():
    rng = np.random.default_rng(0)
    data = ratings_of([(u, i, float(rng.normal(3, 1))) for u in range(30) for i in range(30)], 30, 30)
    assert honest_error(data) == pytest.approx(1.0, abs=0.05)
    alike = ratings_of([(0, 0, 3.0), (1, 1, 3.0)], 2, 2)
    assert honest_error(alike) == 1.0


def test_wrong_settings_and_data_without_ratings_are_named(tmp_path: Path):
    for wrong in ({"dim": 0}, {"burn_in": 120}, {"noise": 0.0}):
        with pytest.raises(ConfigError, match="bayes"):
            small(**wrong)
    data = tiny()
    with pytest.raises(TrainingError, match="no rating"):
        small().fit(replace(data, train=replace(data.train, rating=None), valid=replace(data.valid, rating=None)))
    model = find_user_method("bayes").make({"sweeps": 2, "burn_in": 0})
    model.fit(data)
    model.save(tmp_path / "model")
    next((tmp_path / "model").glob("*weights.npy")).write_bytes(b"")
    with pytest.raises(CorruptFileError, match="weights"):
        find_user_method("bayes").load(tmp_path / "model", data)
