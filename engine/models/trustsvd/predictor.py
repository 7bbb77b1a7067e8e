"""TrustSVD as a method (Guo, Zhang and Yorke-Smith, AAAI'15, equation 8). Knows no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.friends import friends_of, told_of
from engine.models.svdpp.learned import Learned
from engine.models.svdpp.ratings import RatedLists
from engine.models.trustsvd.config import TrustsvdSettings
from engine.models.trustsvd.kernels import descend
from engine.models.trustsvd.learned import TrustLearned, read, shares_of, write
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


class TrustsvdPredictor:
    """Predicts SVD++'s mean + b_u + b_i + q_i^T (p_u + pooled items), and q_i^T |T(u)|^-1/2 sum of w_v over u's friends.

    The factors of a user also tell who their friends are (p_u^T w_v = 1), so that one with friends alone has some. Epochs are a
    setting, so that it learns from all known ratings. Without a social graph it is SVD++ with the paper's regularisation.

    Attributes:
        learned: biases and factors, rows as in the data at hand.
    """

    name = "trustsvd"

    def __init__(self, settings: TrustsvdSettings | None = None) -> None:
        self.settings = settings or TrustsvdSettings()
        self.learned: TrustLearned
        self.errors: list[float] = []

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> TrustsvdPredictor:
        """Make one from settings by name.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return TrustsvdPredictor(TrustsvdSettings.from_flat(settings))

    def fit(self, data: UserItemData) -> None:
        """Descend.

        Raises:
            TrainingError: there are no ratings, or the factors grew out of bounds.
        """
        rated, how = RatedLists.of(data, self.name), self.settings.model
        friends = friends_of(data, how.friendship)
        friend = friends.indices.astype(np.int64)
        raters = np.bincount(rated.item, minlength=data.num_items)
        followers = np.bincount(friend, minlength=data.num_users)
        known = (np.diff(rated.indptr) > 0) | (friends.degrees() > 0)
        rng = np.random.default_rng(data.seed)
        own, other, implicit, trusted = (
            rng.normal(0, 0.1, (len(has), how.dim)) * has[:, None]
            for has in (known, raters > 0, raters > 0, followers > 0)
        )
        ties = shares_of(friends, how)
        biases, shares = [np.zeros(data.num_users), np.zeros(data.num_items)], (_shares(raters), _shares(followers))
        mean, self.errors = float(rated.rating.mean()), []
        for epoch in range(how.epochs):
            shuffled = np.lexsort((rng.random(len(rated.user)), rated.user))
            users = rng.permutation(data.num_users)
            total = descend(
                rated.indptr, rated.item, rated.rating, friends.indptr, friend, ties, users, shuffled, shares[0], shares[1],
                mean, biases[0], biases[1], own, other, implicit, trusted, how.learning_rate, how.regularisation, how.trust,
            )  # fmt: skip
            self.errors.append(rated.error(total, self.name, epoch))
        ratings = Learned.of(data, rated.edges, mean, biases, [own, other, implicit])
        row = data.users.order.ranks(np.arange(data.num_users))
        self.learned = TrustLearned.of(data, ratings, own[row], trusted[row], how)

    def fold_in(self, data: UserItemData) -> TrustsvdPredictor:
        """Answer about later data without training: everybody from the items rated and the friends by now."""
        found = TrustsvdPredictor(self.settings)
        found.learned, found.errors = self.learned.on(data), self.errors
        return found

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`."""
        return self.learned.predict(users, items)

    def rests_on(self, users: IndexArray) -> NDArray[np.str_]:
        """On what an answer for each user rests: "ratings and friends", "ratings", "friends" or "nothing"."""
        return np.asarray(self.learned.rests[users])

    def report(self) -> dict[str, Any]:
        """Settings in force, the root mean square error met in each epoch, and on what answers rest."""
        training = {"epochs": len(self.errors), "losses": self.errors}
        return {"settings": asdict(self.settings), "training": training, "users": told_of(self.learned.rests)}

    def save(self, folder: Path) -> None:
        """Write what was learned as a sealed folder; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
        write(folder, self.learned, self.settings)

    @staticmethod
    def load(folder: Path, data: UserItemData) -> TrustsvdPredictor:
        """Read what `save` wrote, to answer about some data: that of training, or later data as in `fold_in`.

        Raises:
            CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
        """
        learned, settings = read(folder, data)
        found = TrustsvdPredictor(settings)
        found.learned = learned
        return found


def _shares(count: NDArray[np.integer]) -> NDArray[np.float64]:
    return np.asarray(1 / np.sqrt(np.maximum(count, 1)), dtype=np.float64)
