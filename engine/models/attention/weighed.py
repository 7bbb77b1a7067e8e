"""How much of an answer each neighbour was given: the weights of a model's own attention. Knows no model, no view and no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from engine.models.sequences import History
from engine.types import FloatArray, IndexArray, OffsetArray

Role = Literal["items", "friends", "takers", "raters"]
"""Who was weighed: items that the user has, the user's friends, users who have those items too, or users who have the
item that is asked about. In a later hop the user is the neighbour that each list is of, or who has that neighbour."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Neighbours in packed lists, and what the softmax of each list gave them.

    Attributes:
        part: which attention of the model, in words.
        hop: how many edges they are away from who asks, or from what is asked about.
        indptr: int64 `[S + 1]`, where each list begins: one for each user asked for (of "raters", for each item), or in a later
            hop for each neighbour of the hop before.
        rows: int32 `[M]`, rows of the data's users or items.
        weight: float32 `[M]`, which sum to 1 in each list that is not empty.
        way: float32 `[S]`, in a later hop the weight of the neighbour that each list is of; None in the first.
        share: float32 `[S]`, where the model weighs several parts against each other, what each list's owner gave this one: they
            sum to 1, and a part without neighbours has 0; None where nothing stands against it.
    """

    part: str
    role: Role
    hop: int
    indptr: OffsetArray
    rows: IndexArray
    weight: FloatArray
    way: FloatArray | None = None
    share: FloatArray | None = None

    def largest(self, most: int) -> tuple[IndexArray, FloatArray]:
        """The neighbours of all lists with the largest weights, at most so many, the largest first; each once.

        A neighbour of a later hop weighs the product of the weights on the way to it, and one that comes in several lists their
        sum. Equal ones go by row.
        """
        weight = self.weight
        if self.way is not None:
            weight = weight * np.repeat(self.way, np.diff(self.indptr))
        rows, place = np.unique(self.rows, return_inverse=True)
        total = np.bincount(place, weight, minlength=len(rows)).astype(np.float32)
        best = np.argsort(-total, kind="stable")[:most]
        return rows[best].astype(np.int32), total[best]

    def profile(self, most: int) -> tuple[FloatArray, FloatArray]:
        """The mean weight of the first, second, ... most attended neighbour, float32 `[most]`, and what it were if all were
        attended alike. Lists of one neighbour have no choice, and do not count."""
        size = np.diff(self.indptr)
        owner = np.repeat(np.arange(len(size)), size)
        order = np.lexsort((-self.weight, owner))
        within = np.arange(len(order)) - np.repeat(self.indptr[:-1], size)
        chosen = (size > 1)[owner[order]] & (within < most)
        lists = max(int((size > 1).sum()), 1)
        share = np.bincount(within[chosen], self.weight[order][chosen], minlength=most) / lists
        even = np.bincount(within[chosen], 1 / size[owner[order]][chosen], minlength=most) / lists
        return share.astype(np.float32), even.astype(np.float32)

    def portion(self) -> float | None:
        """The mean of `share` over the lists whose owners had a choice, as they have neighbours of another part too; None where
        nobody had."""
        if self.share is None:
            return None
        chosen = self.share[(self.share > 0) & (self.share < 1)]
        return float(chosen.mean()) if len(chosen) else None


@runtime_checkable
class Attends(Protocol):
    """A method that weighs neighbours by attention, and tells how."""

    def attention(self, users: IndexArray, items: IndexArray) -> list[Weighed]:
        """What is weighed for some users, and, by a method that reads who has an item, for some items.

        Args:
            users: int32 `[S]`; items: int32 `[I]`, may be empty.
        """
        ...


@runtime_checkable
class AttendsFurther(Protocol):
    """One that `Attends` and whose layers before the last one attend too, of whom a user reaches: more than an answer shows."""

    def attention_further(self, users: IndexArray) -> list[Weighed]:
        """What is weighed from the second hop on, nearest first.

        Args:
            users: int32 `[S]`.
        """
        ...


@runtime_checkable
class AttendsInTime(Protocol):
    """A `NextScorer` that does."""

    def attention_next(self, history: History) -> list[Weighed]:
        """What is weighed for one user with a history."""
        ...
