"""Standings and figures of users with several answers are exact, ties included."""

from __future__ import annotations

from itertools import pairwise, permutations
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import TrainingError
from engine.models import user_ranking
from engine.models.ranking import Standing, standing
from engine.models.user_metrics import METRICS, user_figures
from engine.models.user_ranking import Asked, Lists, Ranked, first_items, rank_users


def lists(*rows: list[int]) -> Lists:
    owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return Lists.of(owner, np.array([item for row in rows for item in row], np.int32), len(rows))


def rank(scores: np.ndarray, answers: Lists, depth: int = 0, **among):
    users = np.arange(len(scores), dtype=np.int32)
    return rank_users(lambda some: scores[some], users, Asked(answers, **among), scores.shape[1], depth=depth)


def figures(scores: list[float], answers: list[int], k: int, hidden: list[int] | None = None) -> dict[str, float]:
    found, _ = rank(np.array([scores], np.float32), lists(answers), hidden=lists(hidden or []))
    return {name: float(values[0]) for name, values in user_figures(found, k).items()}


def test_a_case_worked_by_hand():
    # In order: 0 (no answer), 1 (answer), 2 (hidden), 3 (no answer), 4 (answer), 5 (answer, behind the cut).
    found = figures([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 4, 5], k=4, hidden=[2])
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["hit"] == 1
    assert found["mrr"] == pytest.approx(1 / 2)
    assert found["map"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    ideal = 1 + 1 / log2(3) + 1 / log2(4)
    assert found["ndcg"] == pytest.approx((1 / log2(3) + 1 / log2(5)) / ideal)
    short = figures([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 4, 5], k=1, hidden=[0, 2])
    assert (short["recall"], short["capped-recall"], short["ndcg"], short["map"]) == (pytest.approx(1 / 3), 1, 1, 1)


def plain(order: tuple[int, ...], answers: set[int], k: int) -> list[float]:
    hits = [item in answers for item in order[:k]]
    ranks = [place + 1 for place, hit in enumerate(hits) if hit]
    ideal = sum(1 / log2(1 + place) for place in range(1, min(len(answers), k) + 1))
    return [
        len(ranks) / len(answers),
        len(ranks) / min(len(answers), k),
        sum(1 / log2(1 + place) for place in ranks) / ideal,
        float(bool(ranks)),
        1 / ranks[0] if ranks else 0.0,
        sum((found + 1) / place for found, place in enumerate(ranks)) / min(len(answers), k),
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=6), st.integers(1, 7), st.data())
def test_figures_equal_the_mean_over_every_order_of_ties(scores: list[int], k: int, data: st.DataObject):
    answers = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    found = figures([float(score) for score in scores], sorted(answers), k)
    orders = [o for o in permutations(range(len(scores))) if all(scores[a] >= scores[b] for a, b in pairwise(o))]
    expected = np.mean([plain(order, answers, k) for order in orders], axis=0)
    assert [found[name] for name in METRICS] == pytest.approx(expected.tolist())


@pytest.mark.parametrize("size", [3, 40])
def test_standings_are_those_of_one_answer_at_a_time(size: int):
    random = np.random.default_rng(0)
    scores = random.integers(0, 6, (20, 90)).astype(np.float32)
    scores[random.random(scores.shape) < 0.1] = -np.inf
    answers = lists(*(random.choice(80, size, replace=False).tolist() for _ in range(20)))
    owner = np.repeat(np.arange(20), size)
    # The query of `standing` is what is left out: here a column of its own.
    direct = standing(scores[owner], np.full(len(owner), 89, np.int32), answers.items)
    found, _ = rank(scores, answers, hidden=lists(*([89] for _ in range(20))))
    assert found.better.tolist() == direct.better.tolist()
    assert found.tied.tolist() == direct.tied.tolist()


def test_one_answer_has_the_figures_of_a_single_standing():
    better, tied = np.array([0, 3, 9, 4]), np.array([1, 4, 2, 0])
    single, many = Standing(better, tied), Ranked(np.arange(5), better, tied)
    assert user_figures(many, 5)["hit"].tolist() == pytest.approx(single.hit(5).tolist())
    assert user_figures(many, 0)["mrr"].tolist() == pytest.approx(single.reciprocal_rank().tolist())


def test_figures_agree_with_an_independent_library():
    import ir_measures
    from ir_measures import AP, RR, R, Success, nDCG

    random = np.random.default_rng(2)
    scores = random.permutation(50 * 80).reshape(50, 80).astype(np.float32)
    answers = lists(*(random.choice(80, random.integers(1, 9), replace=False).tolist() for _ in range(50)))
    found, _ = rank(scores, answers)
    run = {f"u{u}": {f"i{i}": float(scores[u, i]) for i in range(80)} for u in range(50)}
    truth = {f"u{u}": {f"i{i}": 1 for i in answers.items[answers.indptr[u] : answers.indptr[u + 1]]} for u in range(50)}
    theirs = ir_measures.calc_aggregate([nDCG @ 10, R @ 10, RR @ 10, Success @ 10, AP @ 10], truth, run)
    ours = {name: float(values.mean()) for name, values in user_figures(found, 10).items()}
    names = {"recall": R @ 10, "ndcg": nDCG @ 10, "mrr": RR @ 10, "hit": Success @ 10, "map": AP @ 10}
    assert {name: ours[name] for name in names} == pytest.approx({name: theirs[m] for name, m in names.items()})


def test_only_candidates_are_ranked():
    found, first = rank(np.array([[5.0, 4, 3, 2, 1]], np.float32), lists([3]), only=lists([1, 3, 4]), depth=4)
    assert found.better.tolist() == [1]
    assert first.tolist() == [[1, 3, 4, -1]]
    found, first = rank(np.array([[5.0, 4, 3]], np.float32), lists([2]), among=np.array([True, False, True]), depth=3)
    assert (found.better.tolist(), first.tolist()) == ([1], [[0, 2, -1]])


def test_an_answer_that_cannot_be_scored_is_a_miss():
    found, _ = rank(np.array([[1.0, -np.inf, -np.inf]], np.float32), lists([1]))
    assert all(values[0] == 0 for values in user_figures(found, 3).values())


def test_lists_hold_the_best_of_a_row_and_blocks_of_any_size_agree(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(3)
    scores = random.integers(0, 40, (30, 200)).astype(np.float32)
    first = np.full((30, 12), -1, np.int32)
    first_items(scores, first)
    assert first.tolist() == np.argsort(-scores, axis=1, kind="stable")[:, :12].tolist()
    answers = lists(*([u, u + 7] for u in range(30)))
    whole = rank(scores, answers, depth=12)
    monkeypatch.setattr(user_ranking, "BLOCK_BYTES", 4 * 200 * 7)
    parts = rank(scores, answers, depth=12)
    assert parts[0].better.tolist() == whole[0].better.tolist()
    assert parts[1].tolist() == whole[1].tolist() == first.tolist()


@pytest.mark.parametrize("answers", [[0], list(range(40))])
def test_nan_is_refused(answers: list[int]):
    scores = np.ones((1, 50), np.float32)
    scores[0, 45] = np.nan
    with pytest.raises(TrainingError, match="NaN"):
        rank(scores, lists(answers))
    with pytest.raises(TrainingError, match="shape"):
        rank_users(lambda users: scores[:, :3], np.zeros(1, np.int32), Asked(lists([0])), 50)
