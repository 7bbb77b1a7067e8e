"""Matrix factorisation solves what it says it solves, and its vectors make its scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from engine.errors import ConfigError, TrainingError
from engine.models.factors import als_kernel
from engine.models.factors.als import AlsScorer
from engine.models.factors.als_kernel import solve_rows
from engine.models.factors.bpr import BprScorer
from engine.models.user_item import VectorScorer
from engine.models.user_methods import find_user_method
from tests.unit.models.model_checks import ratings_of
from tests.unit.models.ranking_checks import FoldInChecks, KeptChecks, RankingChecks, two_tastes


class TestAls(RankingChecks, KeptChecks, FoldInChecks):
    def make(self) -> AlsScorer:
        return AlsScorer(dim=2, epochs=15, ridge=0.01)


class TestBpr(RankingChecks, KeptChecks):
    def make(self) -> BprScorer:
        return BprScorer(dim=4, epochs=200, ridge=0.001)


@pytest.mark.parametrize("model", [AlsScorer(dim=4), BprScorer(dim=4)])
def test_scores_are_inner_products_of_vectors(model: VectorScorer):
    data = two_tastes()
    model.fit(data)
    scores = model.score(np.arange(data.num_users, dtype=np.int32))
    products = model.user_vectors @ model.item_vectors.T
    known = np.isfinite(scores)
    assert scores[known] == pytest.approx(products[known], abs=1e-6)
    assert (products[~known] == 0).all() or model.name == "bpr"


def test_what_is_not_there_weighs_ten_times_what_is_unless_told_otherwise():
    pairs = {(user, (user * step + 7) % 40) for user in range(30) for step in (1, 3)}
    data = ratings_of([(user, item, 1.0) for user, item in sorted(pairs)], 30, 40, levels=())
    weight = 10 * len(pairs) / (30 * len({item for _, item in pairs}))
    by_itself, told = AlsScorer(dim=4), AlsScorer(dim=4, unobserved=weight)
    for model in (by_itself, told):
        model.fit(data)
    assert by_itself.report()["settings"]["unobserved"] == pytest.approx(weight)
    everybody = np.arange(30, dtype=np.int32)
    assert (by_itself.score(everybody) == told.score(everybody)).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_solved_to_their_least_squares(threads: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(als_kernel, "SMALL", 0)
    rng = np.random.default_rng(0)
    dense = rng.random((40, 30)) < 0.3
    other = rng.standard_normal((30, 6)).astype(np.float32)
    ridge = rng.random(40).astype(np.float32) + 0.1
    found = np.zeros((40, 6), np.float32)
    solve_rows(csr_array(dense.astype(np.float32)), found, other, ridge, 0.2, 30, threads)
    for row in range(40):
        own = other[dense[row]].astype(float)
        matrix = own.T @ own + 0.2 * other.T.astype(float) @ other + ridge[row] * np.eye(6)
        assert found[row] == pytest.approx(np.linalg.solve(matrix, own.sum(0)), abs=1e-3)


def test_settings_out_of_range_are_named():
    for name, wrong in (
        ("als", {"dim": 0}),
        ("als", {"unobserved": -0.1}),
        ("bpr", {"epochs": 0}),
        ("bpr", {"ridge": -1}),
    ):
        with pytest.raises(ConfigError, match=name):
            find_user_method(name).make(wrong)


def test_bpr_says_so_where_it_diverges():
    with pytest.raises(TrainingError, match="learning_rate"):
        BprScorer(dim=2, epochs=50, learning_rate=1e30).fit(two_tastes())
