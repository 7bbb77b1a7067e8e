"""The rating graph as GC-MC sends messages along it. Knows ratings and degrees, no network and no fields.

Nodes are users and items together: users first, in the order of their keys, then items in that of theirs. So no answer
depends on row numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError, TrainingError
from engine.models.gcmc.config import GcmcConfig
from engine.models.gcmc.sparse import Pattern
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import FloatArray, IndexArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RatingGraph:
    """Ratings between nodes.

    Attributes:
        num_users, num_items: how many of each.
        levels: the ratings that can be given, ascending.
        user, item: int64 `[E]`, places in the order of the keys; sorted by user, then item, then level.
        level: int64 `[E]`, positions in `levels`.
    """

    num_users: int
    num_items: int
    levels: FloatArray
    user: Ints
    item: Ints
    level: Ints

    def __len__(self) -> int:
        return len(self.user)

    @property
    def num_nodes(self) -> int:
        return self.num_users + self.num_items

    @property
    def num_levels(self) -> int:
        return len(self.levels)


def rating_graph(data: UserItemData, edges: UserItemEdges, model: str = "gcmc") -> RatingGraph:
    """Lay out some of the edges of some data.

    Args:
        model: who asks, for messages.

    Raises:
        TrainingError: there are no edges, or no ratings or levels.
        DataError: a rating that is none of the levels, naming user and item.
    """
    if not len(edges):
        raise TrainingError(f"{model}: there is no rating to learn from")
    if edges.rating is None or not data.levels:
        raise TrainingError(f"{model}: it learns from ratings and their levels, and these interactions have none")
    user = data.users.order.ranks(edges.user).astype(np.int64)
    item = data.items.order.ranks(edges.item).astype(np.int64)
    level = level_of(data, edges)
    order = np.lexsort((level, item, user))
    levels = np.asarray(data.levels, dtype=np.float32)
    return RatingGraph(data.num_users, data.num_items, levels, user[order], item[order], level[order])


def level_of(data: UserItemData, edges: UserItemEdges) -> Ints:
    """int64 `[E]`, where each rating is among the levels.

    Raises:
        DataError: a rating that is none of them, naming user and item.
    """
    levels = np.asarray(data.levels, dtype=np.float32)
    rating = np.asarray(edges.rating, dtype=np.float32)
    at = np.minimum(np.searchsorted(levels, rating), len(levels) - 1)
    wrong = np.flatnonzero(~(levels[at] == rating))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"user {data.users.ids[edges.user[row]]!r}, item {data.items.ids[edges.item[row]]!r}: "
            f"the rating {rating[row]:g} is none of the levels {', '.join(f'{level:g}' for level in levels)}",
            hint="Correct the rating, or declare its level.",
        )
    return at.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Messages:
    """What each node is sent: along each rating one message either way.

    Attributes:
        pattern: rows are what is summed (a node's level with stack, a node with sum), columns rows of the table
            (level x nodes + sender).
        share: float32 `[2E]`, what a message is divided by, as a factor.
        sender, receiver: int32 `[2E]`, nodes.
        degree: int64 `[nodes]`, messages that reach each node.
    """

    pattern: Pattern
    share: FloatArray
    sender: IndexArray
    receiver: IndexArray
    degree: Ints


def messages(graph: RatingGraph, config: GcmcConfig, known: NDArray[np.bool_] | None = None) -> Messages:
    """Lay out the messages of a graph.

    Args:
        known: bool `[nodes]`, the nodes that have something to send; None for all. What the others would send does
            not count as a message.
    """
    users, items = graph.user, graph.num_users + graph.item
    receiver, sender = np.concatenate([users, items]), np.concatenate([items, users])
    level = np.concatenate([graph.level, graph.level])
    if known is not None:
        sent = known[sender]
        receiver, sender, level = receiver[sent], sender[sent], level[sent]
    stacked = config.accumulation == "stack"
    rows = receiver * graph.num_levels + level if stacked else receiver
    columns = level * graph.num_nodes + sender
    order = np.lexsort((columns, rows))
    rows, columns, sender, receiver = rows[order], columns[order], sender[order], receiver[order]
    degree = np.bincount(receiver, minlength=graph.num_nodes)
    shape = (graph.num_nodes * (graph.num_levels if stacked else 1), graph.num_nodes * graph.num_levels)
    return Messages(
        pattern=Pattern.of(rows, columns, shape),
        share=shares(degree, sender, receiver, config.normalisation),
        sender=sender.astype(np.int32),
        receiver=receiver.astype(np.int32),
        degree=degree,
    )


def shares(
    degree: NDArray[np.integer],
    sender: NDArray[np.integer],
    receiver: NDArray[np.integer],
    normalisation: Literal["left", "symmetric"],
) -> FloatArray:
    """1 / c of each message (section 2.3): the receiver's degree, or the root of both. A node that only sends has degree 1."""
    count = np.maximum(degree, 1).astype(np.float32)
    if normalisation == "left":
        return np.asarray(1 / count[receiver], dtype=np.float32)
    return np.asarray(1 / np.sqrt(count[receiver] * count[sender]), dtype=np.float32)
