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
        valid: edges carved out of the training part, for early stopping and weights; may be empty. They are not in `train`,
            but they are no secret: `known` holds both.
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

    def known(self) -> UserItemEdges:
        """`train` and `valid` together. A method that needs no validation learns from these, as one may that has chosen
        its settings; a sequence ends with them."""
        return joined(self.train, self.valid)

    def seen(self, edges: UserItemEdges | None = None) -> csr_array:
        """float32 `[users, items]`: 1 where an edge is; repeated ones count once.

        Args:
            edges: those to count; None counts the training edges.
        """
        counted = self.train if edges is None else edges
        ones = np.ones(len(counted), np.float32)
        matrix = csr_array((ones, (counted.user, counted.item)), shape=(self.num_users, self.num_items))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix


def joined(first: UserItemEdges, second: UserItemEdges) -> UserItemEdges:
    """The edges of both; a rating or a time is kept where both have it, or where the other has no edges."""
    if not len(first) or not len(second):
        return first if len(first) else second
    rating = time = None
    if first.rating is not None and second.rating is not None:
        rating = np.concatenate([first.rating, second.rating])
    if first.time is not None and second.time is not None:
        time = np.concatenate([first.time, second.time])
    user, item = np.concatenate([first.user, second.user]), np.concatenate([first.item, second.item])
    return UserItemEdges(user, item, rating, time)


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
class VectorScorer(UserScorer, Protocol):
    """A `UserScorer` whose scores are inner products, so that an index of the items can answer for it.

    Attributes:
        user_vectors: float32 `[users, d]`; a row of zeros where nothing is known of the user.
        item_vectors: float32 `[items, d]`. `score(users)` equals `user_vectors[users] @ item_vectors.T` where it is finite. A
            bias of an item is a column of its own, against a 1 in the user's.
    """

    user_vectors: FloatArray
    item_vectors: FloatArray


@runtime_checkable
class FoldsIn(Protocol):
    """A method that can answer for a user whom it has never seen, from the items they have, without training."""

    def score_new(self, items: IndexArray, ratings: FloatArray | None = None) -> FloatArray:
        """Score every item for a new user.

        Args:
            items: int32 `[M]`, the items they have, at least one.
            ratings: float32 `[M]`, what they gave them; None or NaN where that is not known.

        Returns:
            float32 `[items]`, as a row of `UserScorer.score`.
        """
        ...


@runtime_checkable
class FoldsInData(Protocol):
    """A method that can answer about later data than that of its training, without training: whoever came since is
    answered from their first edges."""

    def fold_in(self, data: UserItemData) -> Any:
        """The method, answering about other data.

        Args:
            data: all users, items and edges as they are now; row numbers may be others.
        """
        ...


@runtime_checkable
class Kept(Protocol):
    """A method that can be written down. `UserMethod.load` reads it again, to answer about the data of its training or about
    later data, without training."""

    def save(self, folder: Path) -> None:
        """Write what was learned as a sealed folder; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
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
