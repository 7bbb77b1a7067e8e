"""Rankings of several methods as one: by reciprocal rank, or by scores with learned weights. Knows scorers by their protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from engine.models.ensemble.parts import Ensemble, held_out
from engine.models.user_item import UserItemData, UserItemEdges, joined
from engine.types import FloatArray, IndexArray

USUAL = "item-knn,user-knn"
BLOCK = 256
"""Users scored at once."""
NEGATIVES = 200
PENALTY = 1e-3
ROUNDING = 1e-5
"""Of a user's largest score: what is nearer is the same."""


class RankFusion(Ensemble):
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR'09): the sum of 1 / (60 + rank) over the parts.

    Items that share a score share their mean rank; one that a part cannot score gets nothing from it, and one that none can
    is not scored.

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
        scores = np.stack([made.score(users) for made in self.fitted])
        fused = [np.where(np.isfinite(one), 1.0 / (self.SMOOTHING + _ranks(one)), 0.0) for one in scores]
        return _scored(np.sum(fused, axis=0), scores)


class LearnedFusion(Ensemble):
    """The logarithms of the parts' ranks, weighed so that held-out items win against random ones.

    Scores of methods that count are far apart at the top and all alike below it, so weights of scores go to the one method that
    sets random items lowest; ranks of methods are alike. What a part cannot score stands last in it; what none can is not scored.

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
    SMOOTHING = 10.0

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
        scores = np.stack([made.score(users) for made in self.fitted])
        return _scored(np.tensordot(self.weights, np.stack([self._places(one) for one in scores]), 1), scores)

    def _places(self, scores: FloatArray) -> NDArray[np.float64]:
        """float64 `[B, N]`, higher for a better rank; a rank that items share is their mean, and what is not scored has the last."""
        ranks = np.where(np.isfinite(scores), _ranks(scores), scores.shape[1])
        return -np.log(self.SMOOTHING + ranks)

    def _weigh(self, before: UserItemData, asked: UserItemEdges) -> NDArray[np.float64]:
        """Weights from ranks of held-out items and, for each, of `NEGATIVES` random ones that the user has not.

        Equal ones where no part tells the two apart.
        """
        seen = before.seen(joined(before.train, asked))
        rng = np.random.default_rng(before.seed)
        # By keys and not by rows, so that the draws are the same whatever the row numbers.
        item_at = np.argsort(before.items.order.ranks(np.arange(before.num_items)))
        places = before.items.order.ranks(asked.item), before.users.order.ranks(asked.user)
        asked = asked.only(np.lexsort(places))
        users = asked.user[np.diff(asked.user, prepend=-1) != 0]
        if len(users) > 4 * BLOCK:
            users = users[np.sort(rng.choice(len(users), 4 * BLOCK, replace=False))]
        at_of = np.full(before.num_users, -1)
        at_of[users] = np.arange(len(users))
        at = at_of[asked.user]
        ahead_by, takes_part = [], []
        for start in range(0, len(users), BLOCK):
            block = users[start : start + BLOCK]
            scores = np.stack([self._places(made.score(block)) for made in self.fitted])
            mine = (start <= at) & (at < start + BLOCK)
            where, items = at[mine] - start, asked.item[mine]
            others = item_at[rng.integers(0, before.num_items, (len(items), NEGATIVES))]
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
    """Mean rank of each item from the best, from 1. Scores that differ by what adding up in another order does are one score."""
    from scipy.stats import rankdata

    largest = np.abs(np.where(np.isfinite(scores), scores, 0.0)).max(axis=1, keepdims=True, initial=0.0)
    steps = scores / np.maximum(largest, np.finfo(np.float32).tiny) / ROUNDING
    ranks: NDArray[np.float64] = rankdata(-np.round(steps), axis=1)
    return ranks


def _scored(fused: NDArray[np.float64], scores: FloatArray) -> FloatArray:
    """float32 `[B, N]`, what the parts' scores, `[parts, B, N]`, came to; -inf where no part could score."""
    return np.where(np.isfinite(scores).any(axis=0), fused, -np.inf).astype(np.float32)
