"""What every method that goes by the order of a user's items must hold to. A method's test inherits `SequenceChecks`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.models.sequences import History, NextScorer
from engine.models.user_item import FoldsIn, FoldsInData, UserItemData, UserItemEdges, UserScorer, joined
from tests.unit.models.model_checks import ratings_of, renumbered

ITEMS = 8
YEAR_3000 = 32_503_680_000_000


def dated(histories: list[list[tuple[int, int]]], items: int, **more: Any) -> UserItemData:
    """Users u0, u1, ... and each one's (item, time) pairs, the latest written first."""
    flat = [(user, item, time) for user, history in enumerate(histories) for item, time in history][::-1]
    data = ratings_of([(user, item, 1.0) for user, item, _ in flat], len(histories), items, levels=(), **more)
    return replace(data, train=replace(data.train, rating=None, time=np.array([t for *_, t in flat], np.int64)))


def ring(users: int = 40, **more: Any) -> UserItemData:
    """After item i everybody takes item i + 1, around a ring of 8. u0 has one item only; the last user has none."""
    walks: list[list[tuple[int, int]]] = [
        [((user + step) % ITEMS, 10 * user + step) for step in range(5)] for user in range(users)
    ]
    return dated([[(3, 5)], *walks, []], ITEMS, **more)


def two_rings(users: int = 24) -> UserItemData:
    """Half of the users take even items, half odd ones, in the order of a ring of four; each takes three of their four."""
    return dated([[((user + 2 * step) % ITEMS, 10 * user + step) for step in range(3)] for user in range(users)], ITEMS)


def by_number(data: UserItemData, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Columns in the order of the items' numbers."""
    return scores[:, data.items.index_of([f"i{item}" for item in range(data.num_items)])]


def rows(data: UserItemData, *users: int) -> NDArray[np.int32]:
    return data.users.index_of([f"u{user}" for user in users])


class SequenceChecks:
    """Inherit, and say how an unfitted method is made; `exact` is how near to each other equal answers must be."""

    exact = 1e-5

    def make(self) -> Any:
        """A method that learns `ring` by heart in about a second."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def fitted(self) -> tuple[Any, UserItemData]:
        data = ring()
        method = self.make()
        method.fit(data)
        return method, data

    def test_a_batch_is_answered_as_single_users_are_and_everybody_is(self, fitted: tuple[Any, UserItemData]) -> None:
        method, data = fitted
        everybody = np.arange(data.num_users, dtype=np.int32)
        whole = method.score(everybody)
        assert whole.shape == (data.num_users, ITEMS)
        assert np.isfinite(whole).all()
        alone = np.concatenate([method.score(everybody[at : at + 1]) for at in everybody[::-1]])[::-1]
        assert whole == pytest.approx(alone, abs=self.exact)
        assert method.score(everybody[:0]).shape == (0, ITEMS)

    def test_the_same_seed_gives_the_same_answers_whatever_the_row_numbers(
        self, fitted: tuple[Any, UserItemData]
    ) -> None:
        method, data = fitted
        other, elsewhere = renumbered(data), self.make()
        elsewhere.fit(other)
        expected = by_number(data, method.score(rows(data, *range(42))))
        assert by_number(other, elsewhere.score(rows(other, *range(42)))) == pytest.approx(expected, abs=1e-3)

    def test_a_new_user_is_answered_from_their_items_as_a_known_one_with_the_same(
        self, fitted: tuple[Any, UserItemData]
    ) -> None:
        method, data = fitted
        assert isinstance(method, FoldsIn)
        items = data.items.index_of([f"i{(7 + step) % ITEMS}" for step in range(5)])
        expected = method.score(rows(data, 8))[0]
        assert method.score_new(items) == pytest.approx(expected, abs=self.exact)
        assert method.score_new(items, np.full(5, np.nan, np.float32)) == pytest.approx(expected, abs=self.exact)

    def test_a_checkerboard_is_gone_on_with(self) -> None:
        """What is left out of a user's own colour comes before all of the other."""
        data, method = two_rings(), self.make()
        method.fit(data)
        found = by_number(data, method.score(rows(data, *range(24))))
        for user, scores in enumerate(found):
            assert scores[(user + 6) % ITEMS] > scores[(user + 1) % 2 :: 2].max(), user

    def test_equal_times_and_edges_that_come_twice_are_taken(self) -> None:
        data = dated([[(item, 5) for item in range(6)] + [(0, 5), (0, 7)]] * 6, 6)
        first, second = self.make(), self.make()
        first.fit(data)
        second.fit(renumbered(data))
        everybody = range(6)
        found = by_number(data, first.score(rows(data, *everybody)))
        assert np.isfinite(found).all()
        other = renumbered(data)
        assert by_number(other, second.score(rows(other, *everybody))) == pytest.approx(found, abs=1e-3)

    def test_edges_without_times_are_refused(self) -> None:
        data = ring(3)
        for edges in (UserItemEdges.empty(), replace(data.train, time=None)):
            with pytest.raises(TrainingError, match="times"):
                self.make().fit(replace(data, train=edges))

    def test_what_comes_next_rests_on_what_was_before_the_time_asked_about(
        self, fitted: tuple[Any, UserItemData]
    ) -> None:
        method, data = fitted
        assert isinstance(method, NextScorer)
        items = data.items.index_of([f"i{item}" for item in (2, 3, 4, 5, 6)])
        times = np.array([1000, 1001, 1001, 1002, 1003])
        order = data.items.order
        whole = method.score_next(History.of(items, times, 1002, order))
        part = method.score_next(History.of(items[[2, 0, 1]], times[[2, 0, 1]], 1002, order))
        assert whole.shape == (ITEMS,)
        assert (whole == part).all()
        later = method.score_next(History.of(items, times, 9999, order))
        assert not np.array_equal(later, whole)
        one = method.score_next(History.of(items[:1], times[:1], 9999, order))
        nothing = method.score_next(History.of(items, times, 1000, order))
        assert np.isfinite(one).all()
        assert np.isfinite(nothing).all()

    def test_what_is_dated_after_now_has_not_happened(self, fitted: tuple[Any, UserItemData]) -> None:
        """Neither training nor answering reads it, of its user or of anybody."""
        method, data = fitted
        ahead = UserItemEdges(rows(data, 1, 2), data.items.index_of(["i6", "i0"]), None, np.array([YEAR_3000] * 2))
        later = replace(data, train=joined(data.train, ahead))
        again, everybody = self.make(), rows(data, *range(42))
        again.fit(later)
        assert (again.score(everybody) == method.score(everybody)).all()
        if isinstance(method, FoldsInData):
            assert (method.fold_in(later).score(everybody) == method.score(everybody)).all()


class NextItemChecks(SequenceChecks):
    """For a method that learns what comes after what."""

    def test_what_comes_after_the_last_item_is_known(self, fitted: tuple[Any, UserItemData]) -> None:
        method, data = fitted
        assert isinstance(method, UserScorer)
        found = by_number(data, method.score(rows(data, *range(1, 41))))
        assert found.dtype == np.float32
        hits = found.argmax(axis=1) == (np.arange(40) + 5) % ITEMS
        assert hits.mean() >= 0.95

    def test_validation_edges_end_the_sequence(self) -> None:
        data = ring(8)
        assert data.train.time is not None
        held = (data.train.user == rows(data, 3)[0]) & (data.train.time == 24)
        method = self.make()
        method.fit(replace(data, train=data.train.only(~held), valid=data.train.only(held)))
        assert by_number(data, method.score(rows(data, 3)))[0].argmax() == 7


class StopsByValidation:
    """For a method that validation items stop; `with_settings` makes one that needs at most 30 epochs."""

    def with_settings(self, **changes: Any) -> Any:
        raise NotImplementedError

    def held(self) -> UserItemData:
        """The last item of each walk held out."""
        data = ring(24)
        assert data.train.time is not None
        last = data.train.time % 10 == 4
        return replace(data, train=data.train.only(~last), valid=data.train.only(last))

    def test_validation_chooses_the_epochs_and_then_all_is_learned_from_as_long(self) -> None:
        data, chosen = self.held(), self.with_settings()
        chosen.fit(data)
        told = chosen.report()["training"]
        assert max(told["validation"]) > 0.5
        assert len(told["again"]) == told["best_epoch"]
        everything = self.with_settings(epochs=told["best_epoch"])
        everything.fit(replace(data, train=data.known(), valid=data.valid.only(np.zeros(0, np.int64))))
        everybody = np.arange(data.num_users, dtype=np.int32)
        assert (everything.score(everybody) == chosen.score(everybody)).all()

    def test_an_interrupted_training_goes_on_where_it_was(self, tmp_path: Path) -> None:
        data, whole, stopped = self.held(), self.with_settings(epochs=10), self.with_settings(epochs=10)
        whole.fit(data)
        everybody = np.arange(data.num_users, dtype=np.int32)
        for part in ("choosing", "checkpoints"):
            stopped.fit(replace(data, workdir=tmp_path))
            shutil.rmtree(tmp_path / part)  # as if it had been stopped before this part was done
            again = self.with_settings(epochs=10)
            again.fit(replace(data, workdir=tmp_path))
            assert (again.score(everybody) == whole.score(everybody)).all()
