"""The count of visits: what comes out is what sorting everything gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sampling import counting
from engine.types import IndexArray

NONE = np.empty(0, dtype=np.int32)


def sorted_counts(row: IndexArray, rank: IndexArray) -> list[tuple[int, int]]:
    counts = Counter(int(item) for item in row if item >= 0)
    return sorted(counts.items(), key=lambda pair: (-pair[1], rank[pair[0]] if len(rank) else pair[0]))


def assert_counted(visits: IndexArray, wanted: int, rank: IndexArray = NONE, by_rank: IndexArray = NONE) -> None:
    idx = np.empty((len(visits), wanted), dtype=np.int32)
    weight = np.empty((len(visits), wanted), dtype=np.float32)
    counting.top(visits, rank, by_rank, idx, weight)
    for row, items, weights in zip(visits, idx.tolist(), weight, strict=True):
        best = sorted_counts(row, rank)[:wanted]
        total = sum(count for _, count in best)
        filled = [count / total for _, count in best] + [0.0] * (wanted - len(best))
        assert items == [item for item, _ in best] + [-1] * (wanted - len(best))
        assert weights.tobytes() == np.array(filled, dtype=np.float32).tobytes()


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 700), st.integers(1, 400), st.sampled_from([3, 60, 1_000, 1_000_000]),
    st.booleans(),
)  # fmt: skip
def test_the_most_visited_come_first_and_ties_go_by_rank(
    seed: int, length: int, wanted: int, items: int, ordered: bool
) -> None:
    rng = np.random.default_rng(seed)
    visits = (rng.random((3, length)) ** 2 * items).astype(np.int32)
    visits[rng.random(visits.shape) < 0.2] = -1
    if ordered or items > 1_000:
        assert_counted(visits, wanted)
    else:
        by_rank = rng.permutation(items).astype(np.int32)
        assert_counted(visits, wanted, np.argsort(by_rank).astype(np.int32), by_rank)


def test_ranks_need_not_be_spread_evenly() -> None:
    crowded = np.concatenate([[5], 1_000_000 - np.arange(299)]).astype(np.int32)
    assert_counted(np.stack([crowded, crowded[::-1].copy()]), 50)


def test_many_are_wanted_of_very_many() -> None:
    rng = np.random.default_rng(0)
    assert_counted(rng.integers(0, 20_000, (2, 30_000)).astype(np.int32), 5_000)


def test_no_visit_is_no_neighbour() -> None:
    assert_counted(np.full((2, 30), -1, dtype=np.int32), 4)
