"""SVD++ as a method (Koren, KDD'08, equation 15). Knows no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from engine.models.svdpp.config import SvdppSettings
from engine.models.svdpp.kernels import descend
from engine.models.svdpp.learned import Learned, read, write
from engine.models.svdpp.ratings import RatedLists
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


class SvdppPredictor:
    """Predicts mean + b_u + b_i + q_i^T (p_u + |R(u)|^-1/2 sum of y_j over what u rated), within the levels.

    Epochs are a setting, so that it learns from all known ratings. A user without a rating has no factor, an item without
    one no factor and no bias: such a pair gets what is left of the sum.

    Attributes:
        learned: biases and factors, rows as in the data at hand.
    """

    name = "svdpp"

    def __init__(self, settings: SvdppSettings | None = None) -> None:
        self.settings = settings or SvdppSettings()
        self.learned: Learned
        self.errors: list[float] = []

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> SvdppPredictor:
        """Make one from settings by name.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return SvdppPredictor(SvdppSettings.from_flat(settings))

    def fit(self, data: UserItemData) -> None:
        """Descend.

        Raises:
            TrainingError: there are no ratings, or the factors grew out of bounds.
        """
        rated, how = RatedLists.of(data, self.name), self.settings.model
        rng = np.random.default_rng(data.seed)
        has = [
            np.bincount(ends, minlength=count) > 0
            for ends, count in ((rated.user, data.num_users), (rated.item, data.num_items))
        ]
        factors = [rng.normal(0, 0.1, (len(some), how.dim)) * some[:, None] for some in (has[0], has[1], has[1])]
        biases = [np.zeros(len(some)) for some in has]
        mean, self.errors = float(rated.rating.mean()), []
        for epoch in range(how.epochs):
            shuffled = np.lexsort((rng.random(len(rated.user)), rated.user))
            users = rng.permutation(data.num_users)
            total = descend(
                rated.indptr, rated.item, rated.rating, users, shuffled, mean, biases[0], biases[1], factors[0],
                factors[1], factors[2],
                how.learning_rate, how.regularisation, how.bias_regularisation,
            )  # fmt: skip
            self.errors.append(rated.error(total, self.name, epoch))
        self.learned = Learned.of(data, rated.edges, mean, biases, factors)

    def fold_in(self, data: UserItemData) -> SvdppPredictor:
        """Answer about later data without training: a user who came later from the items rated so far."""
        found = SvdppPredictor(self.settings)
        found.learned, found.errors = self.learned.on(data), self.errors
        return found

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`."""
        return self.learned.predict(users, items)

    def report(self) -> dict[str, Any]:
        """Settings in force, and the root mean square error met in each epoch."""
        return {"settings": asdict(self.settings), "training": {"epochs": len(self.errors), "losses": self.errors}}

    def save(self, folder: Path) -> None:
        """Write what was learned as a sealed folder; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
        write(folder, self.learned, self.settings)

    @staticmethod
    def load(folder: Path, data: UserItemData) -> SvdppPredictor:
        """Read what `save` wrote, to answer about some data: that of training, or later data as in `fold_in`.

        Raises:
            CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
        """
        learned, settings = read(folder)
        found = SvdppPredictor(settings)
        found.learned = learned.on(data)
        return found
