"""Matrix factorisation of ratings, with biases. Knows no server."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigError, TrainingError
from engine.models.factors.ratings_kernel import learn_epoch, predict_pairs
from engine.models.learned import Learned, LearnedMethod
from engine.models.taught import Places, taught_ids
from engine.models.user_item import UserItemData, UserItemEdges
from engine.progress import progress
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class RatingSettings:
    """Raises ConfigError for a value out of range."""

    dim: int
    """Numbers a vector."""
    epochs: int
    """Passes over the ratings."""
    learning_rate: float
    """Of stochastic gradient descent, at first."""
    decay: float
    """What remains of it after each epoch."""
    ridge: float
    """What holds vectors small."""
    bias_ridge: float
    """What holds biases small."""

    def __post_init__(self) -> None:
        if self.dim < 1 or self.epochs < 1:
            raise ConfigError("mf: dim and epochs must be at least 1")
        if not self.learning_rate > 0 or not 0 < self.decay <= 1 or self.ridge < 0 or self.bias_ridge < 0:
            raise ConfigError("mf: learning_rate must be positive, decay in (0, 1], ridge and bias_ridge not negative")


class BiasedMf(LearnedMethod):
    """r_ui = mu + b_u + b_i + p_u . q_i (Koren, Bell and Volinsky, 2009), by stochastic gradient descent.

    Epochs are a setting, so that all known ratings are learned from. A user or an item without a rating has neither bias
    nor vector. Predictions are held within the levels.
    """

    name = "mf"

    def __init__(
        self,
        dim: int = 32,
        epochs: int = 60,
        learning_rate: float = 0.01,
        decay: float = 0.97,
        ridge: float = 0.1,
        bias_ridge: float = 0.02,
    ) -> None:
        self.settings = RatingSettings(dim, epochs, learning_rate, decay, ridge, bias_ridge)

    def fit(self, data: UserItemData) -> None:
        """Learn from all known ratings.

        Raises:
            TrainingError: there are no ratings, or training diverged.
        """
        started, settings, rated = time.perf_counter(), self.settings, data.known()
        if not len(rated) or rated.rating is None or np.isnan(rated.rating).any():
            raise TrainingError(f"{self.name}: there are no ratings to learn from, or some edges have none")
        users = taught_ids(data.users, np.bincount(rated.user, minlength=data.num_users))
        items = taught_ids(data.items, np.bincount(rated.item, minlength=data.num_items))
        user, item, rating = _by_user(rated, Places.of(users, data.users), Places.of(items, data.items))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(users)))]).astype(np.int64)
        rng = np.random.default_rng(data.seed)
        mean = np.float32(rating.mean(dtype=np.float64))
        user_bias, item_bias = np.zeros(len(users), np.float32), np.zeros(len(items), np.float32)
        own, tastes = (
            (rng.standard_normal((size, settings.dim)) * 0.1).astype(np.float32) for size in (len(users), len(items))
        )
        errors, rate = list[float](), settings.learning_rate
        with progress("Learning ratings", settings.epochs) as advance:
            for _ in range(settings.epochs):
                order = rng.permutation(len(users)).astype(np.int32)
                within = np.lexsort((rng.random(len(user)), user))
                squares = learn_epoch(
                    order,
                    indptr,
                    item,
                    rating,
                    within,
                    mean,
                    user_bias,
                    item_bias,
                    own,
                    tastes,
                    np.float32(rate),
                    np.float32(settings.ridge),
                    np.float32(settings.bias_ridge),
                )
                errors.append(float(np.sqrt(squares / len(user))))
                rate *= settings.decay
                advance(1)
        lowest, highest = (data.levels[0], data.levels[-1]) if data.levels else _ends(rating)
        arrays: dict[str, NDArray[Any]] = {
            "range": np.array([mean, lowest, highest], np.float32),
            "user_bias": user_bias,
            "item_bias": item_bias,
            "users": own,
            "items": tastes,
        }
        if not all(np.isfinite(values).all() for values in arrays.values()):
            raise TrainingError(f"{self.name}: the vectors are not finite", hint="Lower learning_rate.")
        figures = {
            "ratings": len(user),
            "training": {"epochs": len(errors), "losses": errors, "seconds": time.perf_counter() - started},
        }
        self._learned = Learned(asdict(settings), {"users": users, "items": items}, arrays, figures)
        self._look_at(data)

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`, within the levels."""
        found = np.empty(len(users), np.float32)
        predict_pairs(users.astype(np.int32), items.astype(np.int32), *self._parts, found)
        _, lowest, highest = self._learned.arrays["range"]
        return np.asarray(np.clip(found, lowest, highest), dtype=np.float32)

    def _look_at(self, data: UserItemData) -> None:
        arrays, ids = self._learned.arrays, self._learned.ids
        users, items = Places.of(ids["users"], data.users), Places.of(ids["items"], data.items)
        own = users.spread(arrays["users"], 0)
        base = users.spread(arrays["user_bias"], 0) + arrays["range"][0]
        self._parts = (base, items.spread(arrays["item_bias"], 0), own, items.spread(arrays["items"], 0))


def _by_user(rated: UserItemEdges, users: Places, items: Places) -> tuple[IndexArray, IndexArray, FloatArray]:
    """The ratings by user and item, whatever their order was."""
    assert rated.rating is not None
    user, item = users.column[rated.user], items.column[rated.item]
    order = np.lexsort((rated.rating, item, user))
    return user[order], item[order], rated.rating[order].astype(np.float32)


def _ends(rating: FloatArray) -> tuple[float, float]:
    return float(rating.min()), float(rating.max())
