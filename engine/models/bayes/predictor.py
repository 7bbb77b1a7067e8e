"""The sampled factorisation machine as a method. Knows no server."""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from engine.models.bayes.chain import sample
from engine.models.bayes.config import BayesSettings
from engine.models.bayes.late import moved
from engine.models.bayes.sides import FOLLOWED, ITEMS, USERS, sides_of
from engine.models.friends import followed, rests_on, told_of
from engine.models.learned import Learned, LearnedMethod
from engine.models.svdpp.ratings import RatedLists
from engine.models.taught import ids_by_key, taught_ids
from engine.models.user_baselines.bias import DampedBias
from engine.models.user_item import UserItemData
from engine.sampling.friends import Friendship
from engine.types import FloatArray, IndexArray

MOST_OWN = 0.9
"""A rating's share in its own biases is taken as no more than this."""


class BayesPredictor(LearnedMethod):
    """Predicts the posterior mean of m + b_u + b_i + P_u . Q_i, within the ratings that were seen.

    P_u is a sum of weights, of the user, of the items it rated and of its friends, and Q_i of the item and of the users
    who rated it; b_u and b_i are such sums too. That is SVD++ from both ends and TrustSVD, as a factorisation machine (Rendle,
    TIST'12, section 3.3), whose weights are drawn by Gibbs sampling instead of descended to: each kind of feature has a prior
    that is drawn as well, so there is nothing to regularise by hand, and the mean over many draws overfits less than the best
    one (Salakhutdinov and Mnih, ICML'08). How far ratings lie from their predictions is not drawn but set, because steps of
    whole stars are not normal and a chain that may choose comes to believe them too exact.

    A user or item that came later is expected to be an average one of those that rated, were rated and follow as it does by now,
    moved by its ratings; no training is needed.
    """

    name = "bayes"

    def __init__(
        self,
        dim: int = 16,
        sweeps: int = 300,
        burn_in: int = 40,
        rank: int = 128,
        noise: float = 0.9,
        friends: bool = False,
        friendship: Friendship = "following",
    ) -> None:
        self.settings = BayesSettings(dim, sweeps, burn_in, rank, noise, friends, friendship)

    def fit(self, data: UserItemData) -> None:
        """Draw.

        Raises:
            TrainingError: there are no ratings.
        """
        started, settings = time.perf_counter(), self.settings
        rated = RatedLists.of(data, self.name)
        user, item = data.users.rows_by_key[rated.user], data.items.rows_by_key[rated.item]
        heard = np.zeros(data.num_users, np.int64)
        if settings.friends:
            heard = np.bincount(followed(data, settings.friendship).indices, minlength=data.num_users)
        ids = {
            USERS: ids_by_key(data.users),
            ITEMS: ids_by_key(data.items),
            FOLLOWED: taught_ids(data.users, heard),
        }
        mean, noise = float(rated.rating.mean()), settings.noise * honest_error(data)
        found = sample(
            sides_of(data, ids, settings.friendship), user.astype(np.int64), item.astype(np.int64), rated.rating - mean, noise**-2,
            settings, data.seed,
        )  # fmt: skip
        arrays = {"ratings": np.array([mean, rated.rating.min(), rated.rating.max()])}
        rated_ones = {
            f"{USERS}_rated": np.unique(rated.user),
            f"{ITEMS}_rated": np.unique(rated.item),
        }
        for name, biases, weights in zip(("user", "item"), found.biases, found.weights, strict=True):
            arrays |= {f"{name}_biases": biases, f"{name}_weights": weights}
        self._learned = Learned(
            asdict(settings),
            ids,
            {name: values.astype(np.float32) for name, values in arrays.items()} | rated_ones,
            {
                "ratings": len(rated.rating),
                "noise": noise,
                "errors": found.errors[-5:],
                "seconds": time.perf_counter() - started,
            },
        )
        self._look_at(data)

    def fold_in(self, data: UserItemData) -> BayesPredictor:
        """Answer about later data without training: everybody from what they rated and their friends by now."""
        return self._answering(self._learned, data)

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`, within the ratings that were seen."""
        mean, low, high = self._learned.arrays["ratings"].tolist()
        mine, its = self._users[users], self._items[items]
        told = mean + mine[:, 0] + its[:, 0] + np.einsum("pd,pd->p", mine[:, 1:], its[:, 1:])
        return np.asarray(np.clip(told, low, high), np.float32)

    def rests_on(self, users: IndexArray) -> NDArray[np.str_]:
        """On what an answer for each user rests: "ratings and friends", "ratings", "friends" or "nothing"."""
        return np.asarray(self._rests[users])

    def report(self) -> dict[str, object]:
        """Settings, figures of the fit, and on what answers rest."""
        return {**super().report(), "users": told_of(self._rests)}

    def _look_at(self, data: UserItemData) -> None:
        arrays, ids = self._learned.arrays, {name: tuple(some) for name, some in self._learned.ids.items()}
        sides = [side.matrix.astype(np.float32) for side in sides_of(data, ids, self.settings.friendship)]
        # A column for the bias of each side: what is added to it whatever the other side is a factor times 1.
        self._users, self._items = (
            side @ np.vstack([arrays[f"{name}_biases"], arrays[f"{name}_weights"]]).T
            for side, name in zip(sides, ("user", "item"), strict=True)
        )
        self._take_in(data)
        speaks = np.zeros(data.num_users, np.bool_)
        them = data.users.index_of(ids[FOLLOWED])
        speaks[them[them >= 0]] = True
        self._rests = rests_on(data, speaks, self.settings.friendship)

    def _take_in(self, data: UserItemData) -> None:
        """Let the ratings of who came after training, or had none then, move them."""
        known, arrays = data.known(), self._learned.arrays
        if known.rating is None:
            return
        mean, noise = float(arrays["ratings"][0]), float(self._learned.figures["noise"])
        taught = [
            np.isin(np.arange(len(nodes)), nodes.index_of(self._learned.ids[name])[arrays[f"{name}_rated"]])
            for name, nodes in ((USERS, data.users), (ITEMS, data.items))
        ]
        sides = [(known.user, known.item), (known.item, known.user)]
        tables = [self._users, self._items]
        for (own, other), this, that, here in zip(sides, (0, 1), (1, 0), taught, strict=True):
            late = np.setdiff1d(own, np.flatnonzero(here))
            its = np.column_stack([np.ones(len(tables[that]), np.float32), tables[that][:, 1:]])
            left = known.rating - mean - tables[that][other, 0]
            tables[this][late] = moved(tables[this], tables[this][here], late, own, other, left, its, noise)


def honest_error(data: UserItemData) -> float:
    """Root mean square error of damped biases, each rating left out of its own: e / (1 - h), h its share in them."""
    biases, known = DampedBias(), data.known()
    biases.fit_edges(known, data.num_users, data.num_items)
    assert known.rating is not None
    share = 1 / (np.bincount(known.user)[known.user] + biases.user_damping)
    share = share + 1 / (np.bincount(known.item)[known.item] + biases.item_damping)
    left = known.rating - biases.expected(known.user, known.item)
    return float(np.sqrt(np.mean((left / (1 - np.minimum(share, MOST_OWN))) ** 2))) or 1.0
