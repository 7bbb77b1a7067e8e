"""What answers about ratings, friends and alike users are: frozen values, as all answers. Knows nothing of how they were found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from engine.serving.results import Evidence, Shown


@dataclass(frozen=True, slots=True)
class Prediction(Shown):
    """What a user would rate an item.

    Attributes:
        rating: the expected rating.
        distribution: rating -> its chance, where the model tells; None where it does not.
        rests_on: what is known of the two, in words.
        evidence: where it was asked for, what the model attended to; None of a method without attention.
    """

    user: str
    item: str
    rating: float
    distribution: Mapping[float, float] | None
    model: str
    rests_on: str
    generation: str
    watermark: int
    as_of: datetime
    evidence: Evidence | None = None


class AlikeUser(NamedTuple):
    """One user who is like another.

    Attributes:
        score: a cosine, higher is more alike.
    """

    user_id: str
    score: float


@dataclass(frozen=True, slots=True)
class AlikeUsers(Shown):
    """Users like one, the most alike first.

    Attributes:
        method: what they were compared by: the model's vectors, or "shared items" where it has none for the user.
    """

    user: str
    k: int
    users: tuple[AlikeUser, ...]
    method: str
    generation: str
    watermark: int
    as_of: datetime

    def __len__(self) -> int:
        return len(self.users)

    def __iter__(self) -> Iterator[AlikeUser]:
        return iter(self.users)

    @property
    def ids(self) -> tuple[str, ...]:
        """The users' ids, in order."""
        return tuple(one.user_id for one in self.users)


class Friend(NamedTuple):
    """One friend.

    Attributes:
        tie: how much what they took up counts: the follow's own weight, 1 where it has none.
    """

    user_id: str
    tie: float


@dataclass(frozen=True, slots=True)
class FriendItem:
    """One item that friends took up.

    Attributes:
        score: what the model says, or the sum of the ties; higher is better, comparable within one answer only.
        friends: who took it up, the strongest tie first.
    """

    item_id: str
    score: float
    friends: tuple[Friend, ...]
    title: str | None = None


@dataclass(frozen=True, slots=True)
class FromFriends(Shown):
    """What a user's friends took up, best first.

    Attributes:
        method: what put the items in order: a social model, or "ties".
        friends: how many friends were read, `of` how many there are.
        as_of: when the graph was asked.
        generation, watermark: of the model; None where ties put them in order.
        reason: why there are fewer than `k`, why ties put them in order, or that the model was not trained on the user; None
            otherwise.
        rests_on: what the model reads of the user, in words; None where ties put them in order.
        cypher: a query that shows user, friends and items in the graph, with `parameters`.
        evidence: where it was asked for, the ties to the friends through whom the items came and, of a model with attention to
            friends, what it gave them.
    """

    user: str
    k: int
    items: tuple[FriendItem, ...]
    method: str
    corpus: str
    friends: int
    of: int
    as_of: datetime
    generation: str | None = None
    watermark: int | None = None
    reason: str | None = None
    rests_on: str | None = None
    cypher: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evidence: Evidence | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[FriendItem]:
        return iter(self.items)

    @property
    def ids(self) -> tuple[str, ...]:
        """The items' ids, in order."""
        return tuple(item.item_id for item in self.items)
