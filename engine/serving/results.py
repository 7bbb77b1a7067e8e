"""What an answer is: frozen values that print as a table and turn into JSON. Knows nothing of how they were found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

NodeKind = Literal["item", "context", "user"]


class Shown:
    """What every result can do: `print(result)` shows tables, `result.to_json()` is one JSON object."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values all the way down; times are ISO 8601 in UTC."""
        told: dict[str, Any] = _plain(self)
        return told

    def to_json(self, *, indent: int | None = None) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def __str__(self) -> str:
        from engine.serving.show import as_text

        return as_text(self)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else str(value)


@dataclass(frozen=True, slots=True)
class NodeRef:
    """One node of a path."""

    kind: NodeKind
    id: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item was answered.

    Attributes:
        paths: chains of nodes from a query item to the answer, the most telling first; empty where only their features
            or wider neighbourhoods are alike.
        shared_contexts: how many contexts hold both.
        cypher: a query to paste that shows these paths in the graph.
    """

    paths: tuple[tuple[NodeRef, ...], ...]
    shared_contexts: int
    cypher: str


@dataclass(frozen=True, slots=True)
class WeighedNode:
    """A node that a model attended to, or a friend by their tie.

    Attributes:
        weight: of all that this attention gave, or of all ties, in [0, 1].
    """

    kind: NodeKind
    id: str
    title: str | None
    weight: float


@dataclass(frozen=True, slots=True)
class Part:
    """One attention of a model, or the ties to a user's friends.

    Attributes:
        name: which, in words.
        role: "items" that the user has, "friends" of theirs, "takers" who have those items too, or "raters" of the item
            asked about.
        of: how many nodes were attended to.
        nodes: those with the largest weights, the largest first.
        share: what the model gave this part where it weighs several against each other, such as interest against influence; None
            where there is no other.
    """

    name: str
    role: Literal["items", "friends", "takers", "raters"]
    of: int
    nodes: tuple[WeighedNode, ...]
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer rests on: the weights of a model's own attention and, of what friends took up, their ties.

    Attributes:
        parts: the ties, where there are some, then an attention each, the last layer's first.
        cypher: a query that shows these nodes in the graph, with `parameters`.
    """

    parts: tuple[Part, ...]
    cypher: str
    parameters: Mapping[str, Any]

    @property
    def nodes(self) -> tuple[WeighedNode, ...]:
        """The nodes of all parts."""
        return tuple(node for part in self.parts for node in part.nodes)


class ScoredItem(NamedTuple):
    """One answered item. A named tuple, for an answer makes many and a frozen dataclass takes four times as long.

    Attributes:
        score: higher is better; comparable within one answer only.
        interest: id of the medoid of the interest that brought it, in a home feed.
    """

    item_id: str
    score: float
    corpus: str
    title: str | None = None
    interest: str | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """One of a user's interests: a cluster of what they took up (PinnerSage, section 4).

    Attributes:
        medoid: the member nearest to all others; its id and title.
        importance: share of the user's time-decayed actions, in [0, 1].
        size: how many of the user's items it holds.
    """

    medoid: str
    title: str | None
    importance: float
    size: int


@dataclass(frozen=True, slots=True)
class Answer(Shown):
    """Items for a query, best first unless diversity reordered them.

    Attributes:
        subject: what was asked, in words.
        k: how many were asked for.
        items: at most `k` items.
        method: what ranked them.
        corpus: where they are from.
        generation: id of the generation that answered; `watermark` and `as_of` say up to when it is true.
        reason: why there are fewer than `k`, or why another method answered; None otherwise.
        interests: of a home feed.
        certificate: how far the generation's vectors may be from an exact refresh: `largest_error`, a Euclidean distance of
            unit vectors (None where nothing is known of it), and `skipped`, how many items, or users and items, have one.
            None is exact.
        at: of what comes next, the time that was asked about, epoch ms: nothing at or after it was read.
        evidence: where it was asked for, what the model attended to; None of a method without attention.
    """

    subject: str
    k: int
    items: tuple[ScoredItem, ...]
    method: str
    corpus: str
    generation: str
    watermark: int
    as_of: datetime
    reason: str | None = None
    interests: tuple[Interest, ...] = ()
    certificate: Mapping[str, Any] | None = None
    at: int | None = None
    evidence: Evidence | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[ScoredItem]:
        return iter(self.items)

    @property
    def ids(self) -> tuple[str, ...]:
        """The answered ids, in order."""
        return tuple(item.item_id for item in self.items)


@dataclass(frozen=True, slots=True)
class UserCluster:
    """Users with alike interests.

    Attributes:
        size: how many users it holds.
        label: the words that set its items apart.
        users: ids of the users nearest to the centre.
        top_items: the items nearest to the centre.
        top_values: field values that are commoner here than among all, as "field: value".
    """

    number: int
    size: int
    label: str
    users: tuple[str, ...]
    top_items: tuple[ScoredItem, ...]
    top_values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UserClusters(Shown):
    """All users, by interest. Largest cluster first.

    Attributes:
        left_out: users with nothing to go by.
    """

    clusters: tuple[UserCluster, ...]
    left_out: int
    generation: str
    watermark: int
    as_of: datetime

    def __len__(self) -> int:
        return len(self.clusters)

    def __iter__(self) -> Iterator[UserCluster]:
        return iter(self.clusters)
