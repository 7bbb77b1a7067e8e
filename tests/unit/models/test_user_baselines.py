"""The simple methods about users and items answer what can be worked out by hand, however rows are numbered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from engine.errors import ConfigError, TrainingError
from engine.graph.snapshot import NO_TIME
from engine.models.user_baselines import similarity
from engine.models.user_baselines.bias import DampedBias
from engine.models.user_baselines.content import UserContent
from engine.models.user_baselines.neighbours import UserItemKnn, UserKnn
from engine.models.user_baselines.popularity import RecentPopularity, UserPopularity
from engine.models.user_baselines.rating_neighbours import ItemKnnRatings, UserKnnRatings
from engine.models.user_baselines.similarity import nearest_rows
from engine.models.user_item import RatingPredictor, UserItemData, UserItemEdges, UserScorer
from engine.models.user_methods import USER_METHODS
from engine.types import KeyOrder
from tests.unit.models.model_checks import RatingChecks, checkerboard, every_pair, pairs, ratings_of, tiny
from tests.unit.models.ranking_checks import RankingChecks, likes, scores_of


def scores(model: UserScorer, data: UserItemData, *users: int) -> dict[tuple[int, int], float]:
    """By numbers of users and items."""
    rows = data.users.index_of([f"u{user}" for user in users])
    found = model.score(rows)
    columns = data.items.index_of([f"i{item}" for item in range(data.num_items)])
    return {
        (user, item): float(found[at, column]) for at, user in enumerate(users) for item, column in enumerate(columns)
    }


class UnlearnedChecks(RankingChecks):
    """For a method that counts instead of learning."""

    def test_a_user_or_item_without_edges_is_said_not_to_be_known(self, fitted: Any) -> None:
        """Where no edge tells of something, a count has an answer: 0."""
        found = scores_of(*fitted)
        assert (found[12] == 0).all()
        assert (found[:, 10] == 0).all()
        assert np.isfinite(found).all()


class TestPopularity(UnlearnedChecks):
    def make(self) -> Any:
        return UserPopularity()

    def test_a_checkerboard_is_gone_on_with(self, fitted: Any) -> None:
        """Popularity knows no tastes: everybody gets the same."""
        found = scores_of(*fitted)
        assert (found == found[0]).all()

    def test_a_user_or_item_without_edges_is_said_not_to_be_known(self, fitted: Any) -> None:
        """A user without edges gets what all others do, and what nobody has is the least popular."""
        found = scores_of(*fitted)
        assert (found[:, 10] == 0).all()
        assert (found[:, :10] > 0).all()


class TestRecentPopularity(TestPopularity):
    def make(self) -> Any:
        return RecentPopularity(0.5)

    def likes(self, pairs: list[tuple[int, int]], users: int, items: int) -> UserItemData:
        """Each pair a step later than the one before."""
        data = super().likes(pairs, users, items)
        return replace(data, train=replace(data.train, time=np.arange(len(pairs), dtype=np.int64)))

    def test_repeated_edges_and_those_of_validation_are_learned_from_once(self) -> None:
        """What is taken up again is taken up at that time too: edges count, and not users."""
        data = self.two_tastes()
        half = np.arange(len(data.train)) > len(data.train) // 2
        ends = data.train.only(np.arange(len(data.train)) % (len(data.train) - 1) == 0)  # the span of times is theirs
        fits = [(data.train, data.train.only(half)), (ends, data.train.only(half)), (data.train, ends), (ends, ends)]
        found = []
        for train, valid in fits:
            model = self.make()
            model.fit(replace(data, train=train, valid=valid))
            found.append(scores_of(model, data))
        whole_and_half, ends_and_half, whole_and_ends, ends_twice = found
        assert whole_and_half + ends_twice == pytest.approx(ends_and_half + whole_and_ends, abs=1e-5)
        assert whole_and_half.sum() > whole_and_ends.sum()

    def test_edges_of_which_none_has_a_time_are_refused(self) -> None:
        data = self.two_tastes()
        with pytest.raises(TrainingError, match="needs edges with times"):
            self.make().fit(replace(data, train=replace(data.train, time=np.full(len(data.train), NO_TIME))))


class TestContent(UnlearnedChecks):
    def make(self) -> Any:
        return UserContent()

    def likes(self, pairs: list[tuple[int, int]], users: int, items: int) -> UserItemData:
        """The taste of an item is one of its fields."""
        tastes = ["loud" if item < 5 else "quiet" if item < 10 else "odd" for item in range(items)]
        return likes(pairs, users, items, item_fields={"taste": ("categorical", tastes)})


class TestItemKnn(UnlearnedChecks):
    def make(self) -> Any:
        return UserItemKnn(5, 0.5)


class TestAsymmetricItemKnn(TestItemKnn):
    def make(self) -> Any:
        return UserItemKnn(5, 0.5, "degree", 0.5)


class TestUserKnn(UnlearnedChecks):
    def make(self) -> Any:
        return UserKnn(5, 0.5, "tfidf")


@pytest.mark.parametrize("kind", [TestItemKnn, TestAsymmetricItemKnn, TestUserKnn])
def test_neighbours_go_on_with_a_checkerboard(kind: type[UnlearnedChecks]):
    board = [(u, i, 1.0) for u, i in every_pair(12, 12) if (u + i) % 2 == 0 and (u + 3 * i) % 7]
    data = ratings_of(board, 12, 12)
    model = kind().make()
    model.fit(data)
    found = scores(model, data, *range(12))
    fits = [value for (u, i), value in found.items() if (u + i) % 2 == 0]
    assert min(fits) > max(value for (u, i), value in found.items() if (u + i) % 2)


def test_the_asymmetric_cosine_is_the_formula():
    data = tiny()
    model = UserItemKnn(100, 2.0, "degree", 0.3)
    model.fit(data)
    seen = data.seen().toarray()
    rows = (seen / np.sqrt(np.maximum(seen.sum(axis=1, keepdims=True), 1))).T
    length = np.linalg.norm(rows, axis=1)
    similar = rows @ rows.T / (np.outer(length, length) + 2.0) * length[:, None] ** 0.7
    np.fill_diagonal(similar, 0)
    assert model.score(np.arange(12, dtype=np.int32)) == pytest.approx(seen @ similar.T, abs=1e-5)


def test_popularity_counts_users_and_recency_halves_with_age():
    data = ratings_of([(0, 0, 1.0), (1, 0, 1.0), (0, 1, 1.0)], 2, 3)
    model = UserPopularity()
    model.fit(data)
    assert list(scores(model, data, 0).values()) == [2, 1, 0]
    dated = UserItemEdges(data.train.user, data.train.item, None, np.array([0, 50, 100]))
    recent = RecentPopularity(half_life=0.5)
    recent.fit(UserItemData(dated, data.users, data.items))
    assert list(scores(recent, data, 0).values()) == pytest.approx([0.25 + 0.5, 1, 0])
    with pytest.raises(TrainingError, match="needs edges with times"):
        recent.fit(data)


def test_validation_edges_are_known_too():
    data = ratings_of([(0, 0, 1.0)], 1, 2)
    model = UserPopularity()
    model.fit(UserItemData(data.train, data.users, data.items, valid=ratings_of([(0, 1, 1.0)], 1, 2).train))
    assert list(scores(model, data, 0).values()) == [1, 1]


def test_biases_are_damped_means():
    data = ratings_of([(0, 0, 5.0), (0, 1, 4.0), (1, 0, 3.0)], 3, 3)
    model = DampedBias(user_damping=1, item_damping=1, turns=1)
    model.fit(data)
    item = (1 + -1) / 3, 0 / 2  # 5 and 3 around the mean 4; 4
    user = ((1 - item[0]) + (0 - item[1])) / 3, (-1 - item[0]) / 2
    found = model.predict(*pairs(data, (0, 0), (1, 1), (2, 2), (2, 0)))
    assert found == pytest.approx([4 + user[0] + item[0], 4 + user[1] + item[1], 4, 4 + item[0]])


class TestBias(RatingChecks):
    def make(self) -> Any:
        return DampedBias()

    def test_it_learns_a_tiny_graph_by_heart(self, fitted: tuple[RatingPredictor, UserItemData]) -> None:
        """Two numbers a pair cannot hold every rating: they are nearer to them than the mean is."""
        model, data = fitted
        found, rating = model.predict(data.train.user, data.train.item), data.train.rating
        assert np.mean((found - rating) ** 2) < np.var(rating)

    def test_a_checkerboard_is_gone_on_with(self) -> None:
        """On a board of two tastes nobody is kinder than others and nothing better: every answer is near the mean."""
        data, left_out, _ = checkerboard()
        model = self.make()
        model.fit(data)
        assert model.predict(*pairs(data, *left_out)) == pytest.approx(data.train.rating.mean(), abs=0.5)


@pytest.mark.parametrize("block", [1, 20_000_000])
def test_the_nearest_rows_are_those_of_a_full_comparison(monkeypatch: pytest.MonkeyPatch, block: int):
    monkeypatch.setattr(similarity, "BLOCK_ENTRIES", block)
    random = np.random.default_rng(0)
    dense = np.where(random.random((30, 20)) < 0.3, random.normal(size=(30, 20)), 0).astype(np.float32)
    dense[7] = 0
    length = np.linalg.norm(dense, axis=1)
    full = dense @ dense.T / (length[:, None] * length + 2.0)
    np.fill_diagonal(full, 0)
    for kept in (4, 100):
        found = nearest_rows(csr_array(dense), kept, 2.0, KeyOrder.of(np.arange(30, dtype=np.uint64))).toarray()
        cut = np.sort(np.abs(full), axis=1)[:, ::-1][:, min(kept, 30) - 1]
        assert found == pytest.approx(np.where(np.abs(full) >= cut[:, None], full, 0), abs=1e-6)


class NeighbourChecks(RatingChecks):
    def test_it_learns_a_tiny_graph_by_heart(self, fitted: tuple[RatingPredictor, UserItemData]) -> None:
        """Neighbours leave the rating itself out, so they are held to less than by heart."""
        model, data = fitted
        found = model.predict(data.train.user, data.train.item)
        assert np.sqrt(np.mean((found - data.train.rating) ** 2)) < 0.7


class TestItemKnnRatings(NeighbourChecks):
    def make(self) -> Any:
        return ItemKnnRatings(neighbours=50, shrink=1.0, damping=0.1)


class TestUserKnnRatings(NeighbourChecks):
    def make(self) -> Any:
        return UserKnnRatings(neighbours=50, shrink=1.0, damping=0.1)


def test_a_prediction_of_neighbours_is_the_formula():
    data = tiny()
    model = ItemKnnRatings(neighbours=3, shrink=2.0, damping=0.3)
    model.fit(data)
    similar, left = model._similar.toarray(), model._left.toarray()
    users, items = pairs(data, *every_pair(12, 10))
    rated = left != 0
    total = np.array([(similar[i] * left[u]).sum() for u, i in zip(users, items, strict=True)])
    weight = np.array([np.abs(similar[i] * rated[u]).sum() for u, i in zip(users, items, strict=True)])
    expected = np.clip(model._bias.expected(users, items) + total / (0.3 + weight), 1, 5)
    assert model.predict(users, items) == pytest.approx(expected, abs=1e-5)


def test_wrong_settings_are_named():
    with pytest.raises(
        ConfigError, match=r"unknown setting 'magic'\nKnown: neighbours, shrink, weighting, length_power"
    ):
        USER_METHODS["item-knn"].make({"magic": 1})
    for wrong in ({"neighbours": 0}, {"shrink": -1}, {"weighting": "magic"}):
        with pytest.raises(TrainingError):
            USER_METHODS["user-knn"].make(wrong)
    with pytest.raises(TrainingError, match="length_power"):
        USER_METHODS["item-knn"].make({"length_power": 2})
    with pytest.raises(TrainingError):
        USER_METHODS["item-knn-ratings"].make({"damping": -1})
    with pytest.raises(TrainingError):
        USER_METHODS["bias"].make({"turns": 0})
    with pytest.raises(TrainingError):
        USER_METHODS["recent-popularity"].make({"half_life": 0})
