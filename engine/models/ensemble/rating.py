"""Predicted ratings of several methods as one: a weighed sum, learned on held-out ratings. Knows predictors by their protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.models.ensemble.parts import Ensemble, held_out
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray

PENALTY = 1.0
"""Weighs the pull towards equal weights, as so many ratings."""


class Stacking(Ensemble):
    """b + sum_m w_m r_m (Wolpert, 1992; Breiman's stacked regressions, 1996), where r_m is what part m predicts.

    Weights and offset minimise the squared error on held-out ratings, with a pull towards equal weights; they are learned
    from parts that have not seen these ratings. Then the parts are fitted on everything.

    Args:
        parts: names of methods, with commas between.
        settings: part -> its settings.

    Attributes:
        weights: float64 `[parts]`; offset: float.
    """

    name = "stacking"
    answers = "rating"
    usual = "bias,gcmc"

    def fit(self, data: UserItemData) -> None:
        """Learn the weights, then fit the parts on all that is known.

        Raises:
            TrainingError: there are no ratings, none to spare, or a part cannot be fitted.
        """
        known = data.known().rating
        if known is None or np.isnan(known).any():
            raise TrainingError(f"{self.name}: it learns from ratings, and some of these interactions have none")
        before, asked = held_out(data)
        assert asked.rating is not None
        self.fit_parts(before)
        told = self._told(asked.user, asked.item)
        self.weights, self.offset = _regress(told, asked.rating.astype(np.float64))
        self.lowest, self.highest = float(known.min()), float(known.max())
        self.fit_parts(data)

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """float32 `[P]`, within the ratings that were seen."""
        told = self._told(users, items) @ self.weights + self.offset
        return np.clip(told, self.lowest, self.highest).astype(np.float32)

    def _told(self, users: IndexArray, items: IndexArray) -> NDArray[np.float64]:
        return np.column_stack([made.predict(users, items) for made in self.fitted]).astype(np.float64)

    def learned(self) -> dict[str, Any]:
        """The weights by name, the offset, and the ratings that were seen."""
        return {
            "weights": self.named(self.weights),
            "offset": self.offset,
            "lowest": self.lowest,
            "highest": self.highest,
        }

    def learn_again(self, learned: Mapping[str, Any]) -> None:
        """Take over what `learned` told."""
        self.weights = self.unnamed(learned["weights"])
        self.offset, self.lowest, self.highest = (learned[name] for name in ("offset", "lowest", "highest"))


def _regress(told: NDArray[np.float64], rating: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Ridge regression towards equal weights; the offset is free."""
    middle, mean = told.mean(axis=0), float(rating.mean())
    centred, count = told - middle, told.shape[1]
    equal = np.full(count, 1 / count)
    left = rating - mean - centred @ equal
    change = np.linalg.solve(centred.T @ centred + PENALTY * np.eye(count), centred.T @ left)
    weights = equal + change
    return weights, mean - float(middle @ weights)
