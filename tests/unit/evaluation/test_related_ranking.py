"""Hit@k and MRR are exact, ties included."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TrainingError
from engine.models.base import RelatedPairs
from engine.models.ranking import mean_reciprocal_rank, stand_all, standing


def one(scores: list[float], query: int, answer: int):
    return standing(np.array([scores], np.float32), np.array([query], np.int32), np.array([answer], np.int32))


def test_an_answer_behind_two_better_items_is_third():
    found = one([9.0, 0.5, 0.9, 0.7, 0.1], query=4, answer=3)
    assert (found.better[0], found.tied[0]) == (2, 1)
    assert found.reciprocal_rank()[0] == pytest.approx(1 / 3)
    assert [found.hit(k)[0] for k in (1, 2, 3)] == [0, 0, 1]


def test_the_query_itself_is_no_candidate():
    assert one([9.0, 0.5, 0.1], query=0, answer=1).better[0] == 0
    assert one([0.5, 0.5, 0.1], query=0, answer=1).tied[0] == 1


def test_equal_scores_share_their_ranks():
    found = one([0.0, 1.0, 1.0, 1.0, 2.0], query=0, answer=2)
    assert found.hit(2)[0] == pytest.approx(1 / 3)
    assert found.reciprocal_rank()[0] == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)


def test_an_item_that_cannot_be_scored_is_a_miss_and_no_tie():
    found = one([1.0, -np.inf, -np.inf], query=0, answer=1)
    assert found.hit(500)[0] == 0
    assert found.reciprocal_rank()[0] == 0


def test_nan_is_refused():
    with pytest.raises(TrainingError, match="NaN"):
        one([1.0, np.nan, 0.0], query=0, answer=2)


@given(st.lists(st.integers(0, 3), min_size=3, max_size=6), st.integers(1, 6), st.data())
def test_figures_equal_the_mean_over_every_order_of_ties(scores: list[int], k: int, data: st.DataObject):
    query, answer = data.draw(st.permutations(range(len(scores))))[:2]
    found = one([float(score) for score in scores], query, answer)
    ranks = []
    for order in permutations(i for i in range(len(scores)) if i != query):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            ranks.append(order.index(answer) + 1)
    assert found.hit(k)[0] == pytest.approx(float(Fraction(sum(rank <= k for rank in ranks), len(ranks))))
    assert found.reciprocal_rank()[0] == pytest.approx(float(sum(Fraction(1, rank) for rank in ranks) / len(ranks)))


def test_batches_of_any_size_give_the_same_standing_and_score_each_query_once():
    random = np.random.default_rng(0)
    scores = random.normal(size=(30, 30)).astype(np.float32)
    query = random.integers(0, 6, 50).astype(np.int32)
    answer = (query + random.integers(1, 30, 50).astype(np.int32)) % np.int32(30)
    asked: list[int] = []

    def score(queries):
        asked.extend(queries.tolist())
        return scores[queries]

    pairs = RelatedPairs(query, answer)
    direct = standing(scores[query], query, answer)
    for batch in (1, 4, 64):
        found = stand_all(score, pairs, batch=batch)
        assert found.better.tolist() == direct.better.tolist()
        assert found.tied.tolist() == direct.tied.tolist()
    assert sorted(asked) == sorted(3 * np.unique(query).tolist())
    assert mean_reciprocal_rank(score, pairs) == pytest.approx(direct.reciprocal_rank().mean())


def test_figures_agree_with_an_independent_computation():
    from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

    random = np.random.default_rng(1)
    scores = random.normal(size=(40, 25)).astype(np.float32)
    query = np.zeros(40, np.int32)
    answer = random.integers(1, 25, 40).astype(np.int32)
    found = standing(scores, query, answer)
    labels = np.zeros((40, 25))
    labels[np.arange(40), answer] = 1
    assert found.reciprocal_rank().mean() == pytest.approx(
        label_ranking_average_precision_score(labels[:, 1:], scores[:, 1:])
    )
    assert found.hit(5).mean() == pytest.approx(
        top_k_accuracy_score(answer - 1, scores[:, 1:], k=5, labels=np.arange(24))
    )


def test_no_pairs_have_no_mrr():
    assert mean_reciprocal_rank(lambda queries: np.zeros((len(queries), 3), np.float32), RelatedPairs.empty()) == 0
