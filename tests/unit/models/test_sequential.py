"""The simple methods that go by order answer what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import TrainingError
from engine.models.next_items import step_size
from engine.models.sequences import newest, sequences
from engine.models.user_baselines.sequential import MarkovChain, SessionKnn
from engine.models.user_methods import USER_METHODS
from tests.unit.models.sequence_checks import NextItemChecks, SequenceChecks, by_number, dated, ring, rows


class TestMarkovChain(NextItemChecks):
    def make(self) -> MarkovChain:
        return MarkovChain(0.5)


class TestSessionKnn(SequenceChecks):
    def make(self) -> SessionKnn:
        return SessionKnn(8, 0.0, recent=1)


def test_a_chain_counts_what_follows_and_smooths_it() -> None:
    data = dated([[(0, 1), (1, 2), (0, 3)], [(0, 4), (1, 5)], [(0, 9), (2, 10)], []], 3)
    chain = MarkovChain(2.0)
    chain.fit(data)
    prior = np.array([4, 2, 1]) / 7
    found = by_number(data, chain.score(rows(data, 0, 1, 3)))
    assert found[0] == pytest.approx((np.array([0, 2, 1]) + 2 * prior) / 5)  # after 0 came 1, 1 and 2
    assert found[1] == pytest.approx((np.array([1, 0, 0]) + 2 * prior) / 3)  # after 1 came 0
    assert found[2] == pytest.approx(prior)
    assert found.sum(axis=1) == pytest.approx([1, 1, 1])


def test_older_items_count_less_and_the_oldest_not_at_all() -> None:
    data = dated([[(0, 1), (1, 2), (2, 3)], [(0, 1), (3, 2)], [(1, 1), (4, 2)], [(2, 1), (5, 2)]], 6)
    knn = SessionKnn(10, 0.0, recent=2, decay=0.5)
    knn.fit(data)
    found = by_number(data, knn.score(rows(data, 0)))[0]
    assert found[3] == 0  # like item 0 alone, which is too old
    assert found[5] == pytest.approx(2 * found[4])
    assert found[5] > 0


def test_times_decide_the_order_and_the_newest_are_cut_off() -> None:
    data = dated([[(2, 30), (0, 10), (1, 20)], [(3, 1)]], 4)
    lists = sequences(data, data.known())
    names = data.items.ids.take(lists.indices)
    first, second = rows(data, 0, 1)
    assert names[lists.indptr[first] : lists.indptr[first + 1]] == ["i0", "i1", "i2"]
    last = newest(lists, np.array([second, first, second], np.int32), 2)
    assert [data.items.ids.take(last.row(at)) for at in range(3)] == [["i3"], ["i1", "i2"], ["i3"]]


@pytest.mark.parametrize("wrong", [{"smoothing": 0.0}])
def test_a_chain_refuses_wrong_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(TrainingError):
        USER_METHODS["markov"].make(wrong)


@pytest.mark.parametrize("wrong", [{"recent": 0}, {"decay": 0.0}, {"decay": 1.5}, {"neighbours": 0}])
def test_session_knn_refuses_wrong_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(TrainingError):
        USER_METHODS["session-knn"].make(wrong)


def test_a_sequence_of_one_is_enough_to_answer() -> None:
    data = ring()
    for name in ("markov", "session-knn"):
        method = USER_METHODS[name].make({})
        method.fit(data)
        assert method.score(rows(data, 0)).any()


@pytest.mark.parametrize(("targets", "size"), [(1_000_000, 512), (51_200, 512), (6_000, 60), (900, 9), (40, 8)])
def test_an_epoch_of_a_small_data_set_has_a_hundred_steps(targets: int, size: int) -> None:
    assert step_size(512, targets) == size
    assert step_size(5, targets) == 5
