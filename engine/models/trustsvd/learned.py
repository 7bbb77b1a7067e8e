"""What TrustSVD learned, what it says about some data, and as a folder. Knows no training.

It is SVD++'s figures and those of being followed. A user who came after training is answered from the items rated so far and
from the friends that training knew.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.files import atomic_folder
from engine.models.folders import reading_model
from engine.models.friends import friends_of, rests_on
from engine.models.svdpp.config import SvdppSettings
from engine.models.svdpp.learned import Learned
from engine.models.svdpp.learned import read as read_svdpp
from engine.models.svdpp.learned import write as write_svdpp
from engine.models.trustsvd.config import TrustsvdConfig, TrustsvdSettings
from engine.models.user_item import UserItemData
from engine.types import CSR, FloatArray, IndexArray

RATINGS, SOCIAL, SETTINGS = "ratings", "social.npz", "settings.json"
FORMAT = 1
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrustLearned:
    """Figures of users and items, rows as in the data at hand.

    Attributes:
        ratings: what SVD++ would have of them; a user without ratings has no factors there.
        own: float64 `[users, D]`, factors of the users, also of those with friends alone.
        trusted: float64 `[users, D]`, factors of being followed; 0 for a user who was nobody's friend in training.
        friends: float64 `[users, D]`, the sum of the last over each user's friends by now, over the root of their number, by the weight
            of the tie where that is set.
        rests: on what an answer for each user rests.
        how: who is a friend, and whether ties count by their weights.
    """

    ratings: Learned
    own: Floats
    trusted: Floats
    friends: Floats
    rests: NDArray[np.str_]
    how: TrustsvdConfig

    @staticmethod
    def of(data: UserItemData, ratings: Learned, own: Floats, trusted: Floats, how: TrustsvdConfig) -> TrustLearned:
        """From SVD++'s part and the factors by row."""
        rests = rests_on(data, np.asarray(trusted.any(axis=1)), how.friendship)
        return TrustLearned(ratings, own, trusted, _pooled(data, trusted, how), rests, how)

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`, within the bounds."""
        factors = (self.own, *self.ratings.factors[1:])
        pooled = self.ratings.pooled + self.friends
        return replace(self.ratings, factors=factors, pooled=pooled).predict(users, items)

    def on(self, data: UserItemData) -> TrustLearned:
        """The same about other data, whose ratings and follows are those known now."""
        rows = data.users.index_of(self.ratings.ids[0])
        own, trusted = (np.zeros((data.num_users, table.shape[1])) for table in (self.own, self.trusted))
        for table, had in ((own, self.own), (trusted, self.trusted)):
            table[rows[rows >= 0]] = had[rows >= 0]
        return TrustLearned.of(data, self.ratings.on(data), own, trusted, self.how)


def _pooled(data: UserItemData, trusted: Floats, how: TrustsvdConfig) -> Floats:
    from scipy.sparse import csr_array

    friends = friends_of(data, how.friendship)
    share = shares_of(friends, how)
    rank = np.asarray(data.users.order.ranks(np.arange(data.num_users)))
    by_rank = np.empty_like(trusted)
    by_rank[rank] = trusted
    chosen = csr_array((share, friends.indices, friends.indptr), shape=(data.num_users, data.num_users))
    return np.asarray((chosen @ by_rank)[rank])


def shares_of(friends: CSR, how: TrustsvdConfig) -> Floats:
    """float64 `[F]`, what each friend counts in a user's sum over them: 1 / root of their number; where ties count by their weights,
    times the weight over the mean of the user's."""
    count = friends.degrees()
    share = np.repeat(1 / np.sqrt(np.maximum(count, 1)), count)
    if not how.weighted:
        return share
    assert friends.value is not None
    owner = np.repeat(np.arange(len(count)), count)
    total = np.bincount(owner, friends.value, minlength=len(count))
    return share * friends.value * (count / np.where(count > 0, total, 1))[owner]


def write(folder: Path, learned: TrustLearned, settings: TrustsvdSettings) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    with atomic_folder(folder, {"kind": "trustsvd", "format": FORMAT}) as temporary:
        write_svdpp(temporary / RATINGS, learned.ratings, SvdppSettings())
        (temporary / SETTINGS).write_text(json.dumps(asdict(settings)), encoding="utf-8")
        with (temporary / SOCIAL).open("wb") as stream:
            np.savez(stream, own=learned.own, trusted=learned.trusted)


def read(folder: Path, data: UserItemData) -> tuple[TrustLearned, TrustsvdSettings]:
    """Read what `write` wrote, about some data.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "trustsvd", FORMAT, "a TrustSVD"):
        ratings, _ = read_svdpp(folder / RATINGS)
        settings = TrustsvdSettings.from_json(json.loads((folder / SETTINGS).read_text("utf-8")))
        with np.load(folder / SOCIAL, allow_pickle=False) as stored:
            own, trusted = stored["own"], stored["trusted"]
        nobody = np.zeros(len(own), dtype=str)
        found = TrustLearned(ratings, own, trusted, np.zeros_like(own), nobody, settings.model)
        return found.on(data), settings
