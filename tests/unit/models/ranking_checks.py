"""What every method that ranks items for users must hold to. A method's test inherits and says how it is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import CorruptFileError, TrainingError
from engine.models.user_item import UserItemData, UserScorer
from engine.models.user_methods import find_user_method
from engine.types import FloatArray
from tests.unit.models.model_checks import ratings_of, renumbered

USERS, ITEMS = 13, 11


def likes(pairs: list[tuple[int, int]], users: int, items: int, **more: Any) -> UserItemData:
    """Users u0, u1, ... who have items i0, i1, ..., without ratings."""
    return ratings_of([(user, item, 1.0) for user, item in pairs], users, items, levels=(), **more)


def pairs_of_two_tastes() -> list[tuple[int, int]]:
    """Six users of each taste with most of its five items."""
    rng = np.random.default_rng(5)
    return [
        (user, item)
        for user in range(12)
        for item in range(10)
        if (user < 6) == (item < 5) and (rng.random() < 0.7 or item % 5 == user % 5)
    ]


def two_tastes(**more: Any) -> UserItemData:
    """Users of two tastes; the last user and the last item have nothing."""
    return likes(pairs_of_two_tastes(), USERS, ITEMS, **more)


def scores_of(model: UserScorer, data: UserItemData) -> FloatArray:
    """`[users, items]` in the order u0, u1, ... and i0, i1, ..."""
    users = data.users.index_of([f"u{user}" for user in range(data.num_users)])
    items = data.items.index_of([f"i{item}" for item in range(data.num_items)])
    return model.score(users)[:, items]


def check_goes_on(make: Callable[[], UserScorer], task: type, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of six epochs of three steps, kept every second epoch and interrupted in the eighth step, ends as if it had not been.

    Args:
        make: an unfitted method.
        task: whose `loss` a step asks for.
        work: where checkpoints go.
    """
    whole = make()
    whole.fit(two_tastes())
    steps, loss = [], task.loss  # type: ignore[attr-defined]

    def interrupted(self: Any, batch: Any) -> Any:
        steps.append(1)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return loss(self, batch)

    monkeypatch.setattr(task, "loss", interrupted)
    data = two_tastes(workdir=work)
    with pytest.raises(KeyboardInterrupt):
        make().fit(data)
    again = make()
    again.fit(data)
    assert len(steps) == 8 + 3 * 6 - 6
    assert (scores_of(again, data) == scores_of(whole, data)).all()


class RankingChecks:
    """Inherit, and say how an unfitted method is made; `exact` is how near to each other equal scores must be."""

    exact = 1e-4

    def make(self) -> Any:
        """A method that learns a tiny graph in about a second."""
        raise NotImplementedError

    def likes(self, pairs: list[tuple[int, int]], users: int, items: int) -> UserItemData:
        """See `likes`, with what else the method reads."""
        return likes(pairs, users, items)

    def two_tastes(self) -> UserItemData:
        """See `two_tastes`, likewise."""
        return self.likes(pairs_of_two_tastes(), USERS, ITEMS)

    @pytest.fixture(scope="class")
    def fitted(self) -> tuple[Any, UserItemData]:
        data = self.two_tastes()
        model = self.make()
        model.fit(data)
        return model, data

    def test_a_checkerboard_is_gone_on_with(self, fitted: Any) -> None:
        """The two tastes are its colours: a user's own, which training has and which it left out, come before all of the other."""
        found, known = scores_of(*fitted), set(pairs_of_two_tastes())
        own_left_out = {(user, item) for user in range(12) for item in range(10) if (user < 6) == (item < 5)} - known
        assert len({user for user, _ in own_left_out}) > 10
        for user in range(12):
            own, other = (found[user, :5], found[user, 5:10])[:: 1 if user < 6 else -1]
            assert own.min() > other.max(), user

    def test_a_batch_is_scored_as_single_users_are(self, fitted: Any) -> None:
        model, _ = fitted
        assert isinstance(model, UserScorer)
        users = np.arange(USERS, dtype=np.int32)[::-1]
        found = model.score(users)
        assert found.dtype == np.float32
        assert found.shape == (USERS, ITEMS)
        for row, user in enumerate(users):
            assert model.score(np.array([user], np.int32))[0] == pytest.approx(found[row], abs=self.exact)
        assert model.score(users[:0]).shape == (0, ITEMS)

    def test_a_user_or_item_without_edges_is_said_not_to_be_known(self, fitted: Any) -> None:
        found = scores_of(*fitted)
        assert np.isneginf(found[12]).all()
        assert np.isneginf(found[:, 10]).all()
        assert np.isfinite(found[:12, :10]).all()

    def test_the_same_seed_gives_the_same_scores_whatever_the_row_numbers(self, fitted: Any) -> None:
        first, data = fitted
        again, elsewhere, other = self.make(), self.make(), renumbered(data)
        again.fit(self.two_tastes())
        elsewhere.fit(other)
        expected = scores_of(first, data)
        assert (scores_of(again, data) == expected).all()
        assert scores_of(elsewhere, other) == pytest.approx(expected, abs=1e-3)

    @pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 0), (0, 1)], [(0, 0), (1, 0)], [(0, 0), (1, 1)]])
    def test_the_smallest_graphs_are_answered(self, pairs: list[tuple[int, int]]) -> None:
        data = self.likes(pairs, 2, 2)
        model = self.make()
        model.fit(data)
        assert not np.isnan(model.score(np.arange(2, dtype=np.int32))).any()
        assert json.dumps(model.report())

    def test_a_user_who_has_everything_is_answered(self) -> None:
        data = self.likes([(user, item) for user in range(4) for item in range(5)], 4, 5)
        model = self.make()
        model.fit(data)
        assert np.isfinite(model.score(np.arange(4, dtype=np.int32))).all()

    def test_repeated_edges_and_those_of_validation_are_learned_from_once(self) -> None:
        data = self.two_tastes()
        half = np.arange(len(data.train)) % 2 == 0
        twice = replace(data, train=data.train.only(half), valid=data.train)
        model, plain = self.make(), self.make()
        model.fit(twice)
        plain.fit(data)
        assert scores_of(model, data) == pytest.approx(scores_of(plain, data), abs=1e-3)

    def test_without_edges_there_is_nothing_to_learn_from(self) -> None:
        with pytest.raises(TrainingError, match="edges"):
            self.make().fit(self.likes([], 2, 2))


class KeptChecks:
    """For a method that is saved and loaded: inherit beside `RankingChecks`."""

    def test_what_was_saved_gives_the_same_scores_under_other_row_numbers_too(
        self, fitted: Any, tmp_path: Path
    ) -> None:
        model, data = fitted
        model.save(tmp_path / "model")
        load = find_user_method(model.name).load
        assert load is not None
        expected = scores_of(model, data)
        assert (scores_of(load(tmp_path / "model", data), data) == expected).all()
        other = renumbered(data, seed=4)
        loaded = load(tmp_path / "model", other)
        assert scores_of(loaded, other) == pytest.approx(expected, abs=self.exact)
        assert loaded.report() == model.report()

    def test_a_damaged_or_foreign_model_is_refused(self, fitted: Any, tmp_path: Path) -> None:
        model, data = fitted
        load = find_user_method(model.name).load
        assert load is not None
        with pytest.raises(CorruptFileError):
            load(tmp_path / "nothing", data)
        model.save(tmp_path / "model")
        facts = tmp_path / "model" / "manifest.json"
        facts.write_text(facts.read_text().replace(f'"{model.name}"', '"another"'))
        with pytest.raises(CorruptFileError, match="not a"):
            load(tmp_path / "model", data)


class FoldInChecks:
    """For a method that knows a user by its items: inherit beside `RankingChecks`."""

    def test_a_later_user_is_answered_by_its_items_and_a_later_item_is_said_not_to_be_known(self, fitted: Any) -> None:
        model, data = fitted
        known = [
            (user, item)
            for user in range(12)
            for item in range(10)
            if data.seen()[data.users.index_of([f"u{user}"])[0], data.items.index_of([f"i{item}"])[0]]
        ]
        own = [item for user, item in known if user == 7]
        now = likes([*known, *((14, item) for item in own), (13, 11)], 15, 12)
        later = model.fold_in(now)
        before, found = scores_of(model, data), scores_of(later, now)
        assert found[:12, :10] == pytest.approx(before[:12, :10], abs=1e-4)
        self.check_alike(found[14, :10], found[7, :10])
        assert np.isneginf(found[13]).all()
        assert np.isneginf(found[:, 11]).all()

    def check_alike(self, later: FloatArray, known: FloatArray) -> None:
        """Whether a later user's scores are those of the user of training who has the same items."""
        assert later == pytest.approx(known, abs=1e-4)


class FoldInApartChecks(FoldInChecks):
    """For one where users of training have vectors of their own beside, which a later user has not."""

    def check_alike(self, later: FloatArray, known: FloatArray) -> None:
        """Whether the two are of one taste."""
        assert np.corrcoef(later, known)[0, 1] > 0.8
