"""The chain: weights, their priors, sweep by sweep. Knows matrices and ratings, no ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from engine.models.bayes.config import BayesSettings
from engine.models.bayes.kernels import Floats, Ints, draw, gather, settle
from engine.models.bayes.sides import Side
from engine.models.bayes.sketch import MeanProduct
from engine.progress import progress

START, FIRM = 0.02, 100.0
"""Spread of the first weights and precision of the first priors: a chain that starts small grows into what the ratings say."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """Posterior means.

    Attributes:
        biases: float64 `[features]` of users, and of items: what is added whatever the other side.
        weights: float64 `[rank, features]` of users, and of items.
        errors: root mean square of what was left after each sweep.
    """

    biases: tuple[Floats, Floats]
    weights: tuple[Floats, Floats]
    errors: list[float]


class _Chain:
    """One side's weights, priors and factors."""

    def __init__(self, side: Side, own: Ints, other: Ints, dim: int, rng: np.random.Generator) -> None:
        columns = csc_array(side.matrix)
        columns.sort_indices()
        self.columns = (columns.indptr.astype(np.int64), columns.indices.astype(np.int64), columns.data)
        self.own, self.other, self.groups, self.rng = own, other, side.groups, rng
        features = columns.shape[1]
        self.weights = rng.standard_normal((dim + 1, features)) * START
        self.weights[:, side.groups[0].stop :] *= START
        self.weights[dim] = 0
        self.factors = np.ascontiguousarray((side.matrix @ self.weights.T).T)
        self.mean, self.precision = np.zeros((dim + 1, features)), np.full((dim + 1, features), FIRM)
        self.square, self.cross = np.zeros((2, len(self.factors[0])))

    def step(self, part: int, factor: Floats, left: Floats, sharpness: float) -> None:
        """Draw one number of every feature, then its priors.

        Args:
            factor: float64 `[others]`, what the other side has there.
            left: see `gather`; follows.
        """
        gather(self.own, self.other, left, factor, self.square, self.cross)
        mine, before = self.factors[part], self.factors[part].copy()
        noise = self.rng.standard_normal(self.weights[part].shape)
        indptr, rows, values = self.columns
        draw(
            indptr, rows, values, self.square, self.cross, mine, self.weights[part], self.mean[part],
            self.precision[part], noise, sharpness,
        )  # fmt: skip
        settle(self.own, self.other, left, factor, mine - before)
        for group in self.groups:
            if group.stop > group.start:
                drawn = self._prior(self.weights[part, group], self.mean[part, group.start])
                self.mean[part, group], self.precision[part, group] = drawn
        self.weights[part, -1] = self.mean[part, 0]

    def _prior(self, weights: Floats, mean: float) -> tuple[float, float]:
        """Mean and precision of a group, given its weights, under a normal-gamma prior of one weight's worth (Rendle, TIST'12,
        equations 31 and 32)."""
        rest = 1 + mean**2 + ((weights - mean) ** 2).sum()
        precision = self.rng.gamma((len(weights) + 2) / 2, 2 / rest)
        middle = weights.sum() / (len(weights) + 1)
        return self.rng.normal(middle, 1 / np.sqrt((len(weights) + 1) * precision)), precision


def sample(
    sides: tuple[Side, Side], user: Ints, item: Ints, left: Floats, sharpness: float, settings: BayesSettings, seed: int
) -> Posterior:
    """Run the chain.

    Args:
        user, item: int64 `[E]`, rows of the sides.
        left: float64 `[E]`, ratings less their mean; used up.
        sharpness: precision of a rating around its prediction.
    """
    rng, dim = np.random.default_rng(seed), settings.dim
    users, items = _Chain(sides[0], user, item, dim, rng), _Chain(sides[1], item, user, dim, rng)
    for part in range(dim):
        settle(user, item, left, items.factors[part], users.factors[part])
    ones = np.ones(len(users.square)), np.ones(len(items.square))
    product = MeanProduct(
        users.weights.shape[1], items.weights.shape[1], settings.rank, np.random.default_rng([seed, 1])
    )
    biases = np.zeros(users.weights.shape[1]), np.zeros(items.weights.shape[1])
    errors = []
    with progress("Sampling", settings.sweeps) as advance:
        for sweep in range(settings.sweeps):
            for part in (dim, *range(dim)):
                users.step(part, items.factors[part] if part < dim else ones[1], left, sharpness)
                items.step(part, users.factors[part] if part < dim else ones[0], left, sharpness)
            errors.append(float(np.sqrt(np.mean(left**2))))
            if sweep >= settings.burn_in:
                product.add(users.weights[:dim], items.weights[:dim])
                for side, total in zip((users, items), biases, strict=True):
                    total += side.weights[dim] / (settings.sweeps - settings.burn_in)
            advance(1)
    return Posterior(biases, product.mean(), errors)
