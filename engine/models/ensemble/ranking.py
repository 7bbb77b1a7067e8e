"""Rankings of several methods as one: by reciprocal rank, or by scores with learned weights. Knows scorers by their protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from engine.models.ensemble.parts import Ensemble, held_out
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import FloatArray, IndexArray

USUAL = "item-knn,user-knn"
BLOCK = 256
"""Users scored at once."""
NEGATIVES = 200
PENALTY = 1e-3


class RankFusion(Ensemble):
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR'09): the sum of 1 / (60 + rank) over the parts.

    Items that share a score share their mean rank; one that a part cannot score gets nothing from it.

    Args:
        parts: names of methods, with commas between.
        settings: part -> its settings.
    """

    name = "rank-fusion"
    answers = "ranking"
    usual = USUAL
    SMOOTHING = 60.0

    def fit(self, data: UserItemData) -> None:
        """See `fit_parts`."""
        self.fit_parts(data)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`."""
        fused = [
            np.where(np.isfinite(scores), 1.0 / (self.SMOOTHING + _ranks(scores)), 0.0)
            for scores in (made.score(users) for made in self.fitted)
        ]
        return np.asarray(np.sum(fused, axis=0), np.float32)


class LearnedFusion(Ensemble):
    """The parts' scores, standardised for each user, weighed so that held-out items win against random ones.

    The weights, at least 0, minimise the softmax cross-entropy of each held-out item among `NEGATIVES` others, which is
    convex. They are learned from parts that have not seen the held-out edges; then the parts are fitted on everything.

    Args:
        parts: names of methods, with commas between.
        settings: part -> its settings.

    Attributes:
        weights: float64 `[parts]`.
    """

    name = "learned-fusion"
    answers = "ranking"
    usual = USUAL

    def fit(self, data: UserItemData) -> None:
        """Learn the weights, then fit the parts on all that is known.

        Raises:
            TrainingError: there is no edge to spare, or a part cannot be fitted.
        """
        before, asked = held_out(data)
        self.fit_parts(before)
        self.weights = self._weigh(before, asked)
        self.fit_parts(data)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`."""
        scores = [_standard(made.score(users)) for made in self.fitted]
        return np.asarray(np.tensordot(self.weights, np.stack(scores), 1), np.float32)

    def _weigh(self, before: UserItemData, asked: UserItemEdges) -> NDArray[np.float64]:
        """Weights from scores of held-out items and, for each, of `NEGATIVES` random ones that the user has not.

        Equal ones where no part tells the two apart.
        """
        seen = before.seen()
        rng = np.random.default_rng(before.seed)
        users = np.unique(asked.user)
        if len(users) > 4 * BLOCK:
            users = np.sort(rng.choice(users, 4 * BLOCK, replace=False))
        ahead_by, takes_part = [], []
        for start in range(0, len(users), BLOCK):
            block = users[start : start + BLOCK].astype(np.int32)
            scores = np.stack([_standard(made.score(block)) for made in self.fitted])
            at = np.searchsorted(block, asked.user)
            mine = (at < len(block)) & (block[np.minimum(at, len(block) - 1)] == asked.user)
            where, items = at[mine], asked.item[mine]
            others = rng.integers(0, before.num_items, (len(items), NEGATIVES))
            theirs = scores[:, where[:, None], others] - scores[:, where, items][:, :, None]
            has = seen[block].toarray()[where[:, None], others] > 0
            ahead_by.append(theirs)
            takes_part.append(~has)
        drawn = np.concatenate(ahead_by, axis=1)  # [parts, edges, negatives]
        counted = np.concatenate(takes_part)

        def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            ahead = np.where(counted, np.tensordot(weights, drawn, 1), -np.inf)
            highest = np.maximum(ahead.max(axis=1, keepdims=True), 0.0)
            share = np.exp(ahead - highest)
            total = share.sum(axis=1, keepdims=True) + np.exp(-highest)
            slope = (drawn * (share / total)).sum(axis=2).mean(axis=1)
            value = float((np.log(total) + highest).mean())
            return value + PENALTY * float(weights @ weights), slope + 2 * PENALTY * weights

        equal = np.full(len(self.fitted), 1 / len(self.fitted))
        found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(equal)).x
        return np.asarray(found if found.any() else equal, np.float64)

    def learned(self) -> dict[str, Any]:
        """The weights by name."""
        return {"weights": self.named(self.weights)}

    def learn_again(self, learned: Mapping[str, Any]) -> None:
        """Take over what `learned` told."""
        self.weights = self.unnamed(learned["weights"])


def _ranks(scores: FloatArray) -> NDArray[np.float64]:
    """Mean rank of each item from the best, from 1."""
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(-scores, axis=1)
    return ranks


def _standard(scores: FloatArray) -> NDArray[np.float64]:
    """Each user's scores with mean 0 and deviation 1; what cannot be scored stands with the lowest."""
    finite = np.isfinite(scores)
    low = np.where(finite, scores, np.inf).min(axis=1, keepdims=True)
    filled = np.where(finite, scores, np.where(np.isfinite(low), low, 0.0)).astype(np.float64)
    filled -= filled.mean(axis=1, keepdims=True)
    deviation = filled.std(axis=1, keepdims=True)
    standard: NDArray[np.float64] = np.divide(filled, deviation, out=np.zeros_like(filled), where=deviation > 0)
    return standard
