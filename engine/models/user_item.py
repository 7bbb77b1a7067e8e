"""What every method about users and items is given and what it must answer. Knows no method, no file and no protocol.

A method sees a `UserItemData` once, in `fit`. From then on a `UserScorer` scores every item for a batch of users, and a
`RatingPredictor` tells what a user would rate an item. A method may be both. Evaluation, tuning and serving all talk to
methods through these shapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.types import CSR, FloatArray, IndexArray, TimeArray

if TYPE_CHECKING:
    from engine.graph.snapshot import NodeTable


@dataclass(frozen=True, slots=True)
class UserItemEdges:
    """Interactions between users and items.

    Attributes:
        user, item: int32 `[E]`, row numbers.
        rating: float32 `[E]`, or None where interactions carry none.
        time: int64 `[E]` epoch ms, or None where they carry none.
    """

    user: IndexArray
    item: IndexArray
    rating: FloatArray | None = None
    time: TimeArray | None = None

    def __len__(self) -> int:
        return len(self.user)

    @staticmethod
    def empty() -> UserItemEdges:
        return UserItemEdges(np.empty(0, np.int32), np.empty(0, np.int32))

    def only(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> UserItemEdges:
        """Some of them, by mask or position."""
        rating = None if self.rating is None else self.rating[rows]
        return UserItemEdges(self.user[rows], self.item[rows], rating, None if self.time is None else self.time[rows])


@dataclass(frozen=True, slots=True)
class UserItemData:
    """All that a method may learn from. Test edges are not in here.

    Attributes:
        train: the training edges; in rating protocols each has a rating.
        users, items: every node with its fields, also those without a training edge.
        valid: edges carved out of the training part, for early stopping, tuning and weights; may be empty.
        levels: the ratings that can be given, ascending; empty where interactions carry no rating.
        follows: CSR from user to the users they follow; None without a social graph.
        seed: of everything random in the method.
        workdir: a folder the method may keep checkpoints in, to resume; None when it may not write.
    """

    train: UserItemEdges
    users: NodeTable
    items: NodeTable
    valid: UserItemEdges = field(default_factory=UserItemEdges.empty)
    levels: tuple[float, ...] = ()
    follows: CSR | None = None
    seed: int = 0
    workdir: Path | None = None

    @property
    def num_users(self) -> int:
        return len(self.users)

    @property
    def num_items(self) -> int:
        return len(self.items)

    def seen(self) -> csr_array:
        """float32 `[users, items]`: 1 where a training edge is; repeated ones count once."""
        ones = np.ones(len(self.train), np.float32)
        matrix = csr_array((ones, (self.train.user, self.train.item)), shape=(self.num_users, self.num_items))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix


@runtime_checkable
class UserScorer(Protocol):
    """A method that scores all items for a user."""

    name: str

    def fit(self, data: UserItemData) -> None:
        """Learn from the training edges.

        Raises:
            TrainingError: the data holds nothing to learn from.
        """
        ...

    def score(self, users: IndexArray) -> FloatArray:
        """Score every item for each user.

        Args:
            users: int32 `[B]`, row numbers.

        Returns:
            float32 `[B, items]`, higher is better, no NaN; -inf where the method cannot say anything. Items that the user
            has already are scored as any other: who asks leaves them out.
        """
        ...

    def report(self) -> dict[str, Any]:
        """What the fit did and with which settings, JSON-able."""
        ...


@runtime_checkable
class RatingPredictor(Protocol):
    """A method that predicts ratings."""

    name: str

    def fit(self, data: UserItemData) -> None:
        """Learn from the training edges.

        Raises:
            TrainingError: the data holds nothing to learn from, or has no ratings.
        """
        ...

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`, finite for every pair: a user or item without a training edge
        gets what the method knows without it."""
        ...

    def report(self) -> dict[str, Any]:
        """What the fit did and with which settings, JSON-able."""
        ...
