"""Where the right answer stands in a row of scores, ties treated fairly, and the figures made of it.

Shared by early stopping, blend weights and evaluation, so that all three mean the same by Hit@k and MRR. Knows arrays only.

Ties: a method that gives one score to many items ranks none of them, so each figure is its exact expectation over a random
order of the items that share the answer's score. A score of -inf means "cannot say" and is a miss, never a tie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.models.base import RelatedPairs
from engine.types import FloatArray, IndexArray

BATCH = 128
"""Queries scored at once: 128 x 1M items x float32 is half a gigabyte."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where each answer stands among the candidates.

    Attributes:
        better: int64 `[P]`, candidates with a higher score.
        tied: int64 `[P]`, candidates with the answer's score, the answer included; 0 where the method could not score it.
    """

    better: NDArray[np.int64]
    tied: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.better)

    def hit(self, k: int) -> NDArray[np.float64]:
        """Chance that the answer is among the first `k`, float64 `[P]`."""
        room = np.clip(k - self.better, 0, self.tied)
        return _divided(room, self.tied)

    def reciprocal_rank(self) -> NDArray[np.float64]:
        """Expected 1 / rank, float64 `[P]`."""
        last = int((self.better + self.tied).max(initial=0))
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, last + 1))])
        gain = harmonic[self.better + self.tied] - harmonic[np.minimum(self.better, last)]
        return _divided(gain, self.tied)

    def discounted(self) -> NDArray[np.float64]:
        """1 / log2(1 + rank), float64 `[P]`, at the mean rank of a tie: NDCG's discount. Between two models on one set of
        pairs it varies less than Hit@k, and no single place decides."""
        return np.where(self.tied > 0, 1 / np.log2(1 + self.better + (self.tied + 1) / 2), 0.0)


def _divided(value: NDArray[Any], by: NDArray[np.int64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.divide(value, by, out=np.zeros(len(by)), where=by > 0)
    return result


def standing(scores: FloatArray, queries: IndexArray, answers: IndexArray) -> Standing:
    """Rank all items but the query.

    Args:
        scores: float `[B, N]`, higher is better.
        queries: int32 `[B]`, taken out of the candidates.
        answers: int32 `[B]`.

    Raises:
        TrainingError: a score is NaN.
    """
    rows = np.arange(len(queries))
    own = scores[rows, answers][:, None]
    with np.errstate(invalid="ignore"):
        better = np.count_nonzero(scores > own, axis=1)
        tied = np.count_nonzero(scores == own, axis=1)
        worse = np.count_nonzero(scores < own, axis=1)
    if np.any(better + tied + worse != scores.shape[1]):
        raise TrainingError("a method gave NaN as a score", hint="Its training diverged: lower the learning rate.")
    itself = scores[rows, queries]
    better -= itself > own[:, 0]
    tied -= itself == own[:, 0]
    tied[np.isneginf(own[:, 0])] = 0
    return Standing(better.astype(np.int64), tied.astype(np.int64))


def stand_all(
    score: Callable[[IndexArray], FloatArray],
    pairs: RelatedPairs,
    *,
    batch: int = BATCH,
    advance: Callable[[int], None] | None = None,
) -> Standing:
    """`standing` of many pairs; each distinct query is scored once, `batch` of them at a time."""
    better = np.zeros(len(pairs), np.int64)
    tied = np.zeros(len(pairs), np.int64)
    order = np.argsort(pairs.query, kind="stable")
    distinct, first = np.unique(pairs.query[order], return_index=True)
    ends = np.append(first[1:], len(order))
    for start in range(0, len(distinct), batch):
        queries = distinct[start : start + batch].astype(np.int32)
        scores = score(queries)
        where = order[first[start] : ends[min(start + batch, len(distinct)) - 1]]
        row = np.searchsorted(queries, pairs.query[where])
        for low in range(0, len(where), batch):
            some, its = where[low : low + batch], row[low : low + batch]
            found = standing(scores[its], pairs.query[some], pairs.answer[some])
            better[some], tied[some] = found.better, found.tied
        if advance is not None:
            advance(len(where))
    return Standing(better, tied)


def mean_reciprocal_rank(score: Callable[[IndexArray], FloatArray], pairs: RelatedPairs) -> float:
    """MRR of a scoring function over validation pairs; 0 without pairs."""
    return float(stand_all(score, pairs).reciprocal_rank().mean()) if len(pairs) else 0.0
