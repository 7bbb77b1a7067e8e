"""Predicted ratings of several methods as one: a weighed sum, learned on held-out ratings. Knows predictors by their protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.files import atomic_folder, open_folder
from engine.models.ensemble.parts import Part, fold_parts, held_out, load_parts, read_parts, save_parts
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray

PENALTY = 1.0
"""Weighs the pull towards equal weights, as so many ratings."""


class Stacking:
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

    def __init__(self, parts: str = "bias,gcmc", **settings: Any) -> None:
        self.parts: tuple[Part, ...] = read_parts(self.name, "rating", parts, settings)
        self.asked = {"parts": parts, **settings}
        self.fitted: tuple[Any, ...] = ()

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
        self.fitted = tuple(part.fitted(before) for part in self.parts)
        told = self._told(asked.user, asked.item)
        self.weights, self.offset = _regress(told, asked.rating.astype(np.float64))
        self.lowest, self.highest = float(known.min()), float(known.max())
        self.fitted = tuple(part.fitted(data) for part in self.parts)

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """float32 `[P]`, within the ratings that were seen."""
        told = self._told(users, items) @ self.weights + self.offset
        return np.clip(told, self.lowest, self.highest).astype(np.float32)

    def fold_in(self, data: UserItemData) -> Self:
        """The same, answering about later data."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, fitted=fold_parts(self.parts, self.fitted, data))
        return other

    def save(self, folder: Path) -> None:
        """Write down the parts and the weights."""
        facts = {"kind": self.name, "asked": self.asked, "learned": self._learned()}
        with atomic_folder(folder, facts) as temporary:
            save_parts(temporary, self.parts, self.fitted)

    @classmethod
    def load(cls, folder: Path, data: UserItemData) -> Self:
        """Read what `save` wrote, to answer about some data.

        Raises:
            CorruptFileError: a file is missing or altered.
        """
        facts = open_folder(folder, what="ensemble")
        found, learned = cls(**facts["asked"]), facts["learned"]
        found.fitted = load_parts(folder, found.parts, data)
        found.weights = np.array([learned["weights"][part.name] for part in found.parts])
        found.offset, found.lowest, found.highest = (learned[name] for name in ("offset", "lowest", "highest"))
        return found

    def report(self) -> dict[str, Any]:
        told = {part.name: made.report() for part, made in zip(self.parts, self.fitted, strict=True)}
        return {"parts": told, **self._learned()}

    def _told(self, users: IndexArray, items: IndexArray) -> NDArray[np.float64]:
        return np.column_stack([made.predict(users, items) for made in self.fitted]).astype(np.float64)

    def _learned(self) -> dict[str, Any]:
        weights = dict(zip((part.name for part in self.parts), self.weights.tolist(), strict=True))
        return {"weights": weights, "offset": self.offset, "lowest": self.lowest, "highest": self.highest}


def _regress(told: NDArray[np.float64], rating: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Ridge regression towards equal weights; the offset is free."""
    middle, mean = told.mean(axis=0), float(rating.mean())
    centred, count = told - middle, told.shape[1]
    equal = np.full(count, 1 / count)
    left = rating - mean - centred @ equal
    change = np.linalg.solve(centred.T @ centred + PENALTY * np.eye(count), centred.T @ left)
    weights = equal + change
    return weights, mean - float(middle @ weights)
