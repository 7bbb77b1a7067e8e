"""EASE and filters of the graph give what the papers' formulas do."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.sparse import csr_array

from engine.errors import ConfigError, TrainingError
from engine.models.linear import spectrum
from engine.models.linear.ease import EaseScorer
from engine.models.linear.graph_filter import GraphFilter
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from tests.unit.models.ranking_checks import FoldInChecks, KeptChecks, RankingChecks, likes, scores_of


class TestEase(RankingChecks, KeptChecks, FoldInChecks):
    def make(self) -> EaseScorer:
        return EaseScorer(l2=1.0)


class TestGraphFilter(RankingChecks, KeptChecks, FoldInChecks):
    settings: ClassVar[dict[str, Any]] = {"components": 2, "power": 0.0, "sharpen": 0.0, "popularity": 0.0}

    def make(self) -> GraphFilter:
        return GraphFilter(**self.settings)


class TestSharpenedFilter(TestGraphFilter):
    settings: ClassVar = {"components": 2, "power": 1.0, "sharpen": 0.5}


def random_data(users: int = 30, items: int = 20) -> tuple[UserItemData, np.ndarray]:
    rng = np.random.default_rng(2)
    dense = rng.random((users, items)) < 0.3
    dense[:, 0] = dense[0] = True
    return likes([(int(user), int(item)) for user, item in zip(*dense.nonzero(), strict=True)], users, items), dense


def test_ease_is_the_closed_form():
    data, dense = random_data()
    model = EaseScorer(l2=7.0)
    model.fit(data)
    x = dense.astype(float)
    inverse = np.linalg.inv(x.T @ x + 7 * np.eye(20))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    assert scores_of(model, data) == pytest.approx(x @ weights, abs=1e-5)


def test_ease_in_many_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch):
    data, _ = random_data()
    whole, blocks = EaseScorer(l2=7.0), EaseScorer(l2=7.0)
    whole.fit(data)
    monkeypatch.setattr("engine.models.linear.ease.BLOCK", 3)
    blocks.fit(data)
    assert scores_of(blocks, data) == pytest.approx(scores_of(whole, data), abs=1e-6)


def test_ease_keeps_to_its_memory_and_says_what_it_leaves_out():
    data = likes([(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 2)], 3, 3)
    model = EaseScorer(l2=1.0, memory_gb=4 * 4 / 2**30)
    model.fit(data)
    assert model.report()["items"] == 2
    assert model.report()["items left out"] == 1
    assert np.isneginf(scores_of(model, data)).tolist() == [[False, False, True]] * 3


def test_ease_says_so_where_it_cannot_invert():
    data = likes([(user, item) for user in range(40) for item in range(40)], 40, 40)
    with pytest.raises(TrainingError, match="l2"):
        EaseScorer(l2=1e-12).fit(data)


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("sharpen", [0.0, 0.7])
def test_a_filter_is_the_papers_formula(power: float, sharpen: float):
    data, dense = random_data()
    model = GraphFilter(components=6, ideal=0.4, power=power, sharpen=sharpen, popularity=0.5)
    model.fit(data)
    x = dense.astype(float)
    root = np.sqrt(x.sum(0))
    normalised = x / np.sqrt(x.sum(1))[:, None] / root
    _, values, vectors = np.linalg.svd(normalised)
    low = (x / root) @ vectors[:6].T * values[:6] ** power @ vectors[:6] * root
    blurred = x @ normalised.T @ normalised + 0.4 * low
    expected = (blurred - sharpen * blurred @ normalised.T @ normalised) * root
    assert scores_of(model, data) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", [(60, 25), (25, 60)])
def test_the_spectrum_is_the_same_by_either_way(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    matrix = csr_array((rng.random(shape) < 0.3).astype(np.float32))
    exact = spectrum.right_singular(matrix, 5, 0)
    monkeypatch.setattr(spectrum, "SMALL", 0)
    drawn = spectrum.right_singular(matrix, 5, 0)
    assert drawn[0] == pytest.approx(exact[0], rel=1e-3)
    assert np.abs(np.sum(drawn[1] * exact[1], axis=1)) == pytest.approx(np.ones(5), abs=1e-3)


def test_settings_out_of_range_are_named():
    for wrong in ({"l2": 0.0}, {"memory_gb": -1.0}):
        with pytest.raises(ConfigError, match="ease"):
            find_user_method("ease").make(wrong)
    for wrong in ({"components": 0}, {"ideal": -1.0}, {"sharpen": -0.1}):
        with pytest.raises(ConfigError, match="graph-filter"):
            find_user_method("graph-filter").make(wrong)
