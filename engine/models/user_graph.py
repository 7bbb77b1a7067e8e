"""Users, items and the edges between them, out of a snapshot. Knows no split, no method and no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import EmptyGraphError
from engine.graph.snapshot import NO_TIME, NodeTable, Snapshot
from engine.graph.snapshot_columns import FieldColumn, with_row
from engine.graph.snapshot_csr import Relation, edge_rows, relation
from engine.models.user_item import UserItemData, UserItemEdges, joined
from engine.sampling.friends import weights
from engine.types import CSR, FloatArray, IndexArray, TimeArray


def has_users(snapshot: Snapshot) -> bool:
    """Whether users have items there; where they have none, contexts stand for users, and their saves for interactions."""
    return bool(snapshot.relations.interactions.num_edges)


def taker_relation(snapshot: Snapshot) -> tuple[NodeTable, Relation]:
    """Who has items, and what joins them to the items: users by their interactions, or contexts by their saves."""
    if has_users(snapshot):
        return snapshot.users, snapshot.relations.interactions
    return snapshot.contexts, snapshot.relations.saves


def learnable(snapshot: Snapshot) -> tuple[NodeTable, Relation]:
    """The same, where there is anything to learn from.

    Raises:
        EmptyGraphError: there are neither interactions nor saves.
    """
    nodes, edges = taker_relation(snapshot)
    if not edges.num_edges:
        raise EmptyGraphError(
            "the graph has neither interactions nor saves", hint="Load a data set with `engine ingest DIR`."
        )
    return nodes, edges


def takers(snapshot: Snapshot) -> tuple[NodeTable, CSR]:
    """Who has items, and a CSR from them to the items."""
    nodes, edges = taker_relation(snapshot)
    return nodes, edges.forward


def graph_data(snapshot: Snapshot, *, seed: int = 0, workdir: Path | None = None) -> UserItemData:
    """All that a snapshot tells a method about users and items; nothing is held out.

    Raises:
        EmptyGraphError: there are neither interactions nor saves.
    """
    nodes, edges = learnable(snapshot)
    forward = edges.forward
    rating = forward.value
    levels: tuple[float, ...] = ()
    if rating is not None:
        levels = tuple(np.unique(rating[~np.isnan(rating)]).tolist())
    follows = snapshot.relations.follows.forward
    return UserItemData(
        UserItemEdges(edge_rows(forward), forward.indices, rating, forward.time),
        nodes,
        snapshot.items,
        levels=levels,
        follows=follows if has_users(snapshot) and follows.num_edges else None,
        seed=seed,
        workdir=workdir,
    )


@dataclass(frozen=True, slots=True)
class OwnFollows:
    """Follows that one user is an end of.

    Attributes:
        friends: int32 `[F]`, rows of those at the other ends.
        ties: float32 `[F]`, the weights.
        outward: bool `[F]`, whether it is the user who follows.
    """

    friends: IndexArray
    ties: FloatArray
    outward: NDArray[np.bool_]

    @staticmethod
    def none() -> OwnFollows:
        return OwnFollows(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.bool_))


def with_user(
    data: UserItemData,
    user: str,
    items: IndexArray,
    ratings: FloatArray,
    times: TimeArray | None = None,
    own: OwnFollows | None = None,
) -> UserItemData:
    """The data where a user has something, of whom it knew nothing: in a row of their own, the last, unless they have one.

    Args:
        items: int32 `[M]`, what they have; ratings: float32 `[M]`, NaN where they gave none.
        times: int64 `[M]` epoch ms; none is known when None.
        own: the follows that they are an end of; none where that is None.
    """
    users, row = _having(data.users, user)
    when = np.full(len(items), NO_TIME, np.int64) if times is None else times
    new = UserItemEdges(np.full(len(items), row, np.int32), items, ratings, when)
    mine, follows = OwnFollows.none() if own is None else own, data.follows
    if follows is None and len(mine.friends):
        follows = CSR(np.zeros(len(data.users) + 1, np.int64), np.empty(0, np.int32))
    if follows is not None:
        follows = _following(follows, len(users), row, mine)
    return replace(data, users=users, train=joined(data.train, new), follows=follows)


def with_item(
    data: UserItemData,
    item: str,
    users: IndexArray,
    ratings: FloatArray,
    times: TimeArray,
    fields: Mapping[str, FieldColumn],
) -> UserItemData:
    """The data where users have an item, of which it knew no edge: in a row of its own, the last, unless it has one.

    Args:
        users: int32 `[M]`, who has it; ratings: float32 `[M]`, NaN where they gave none; times: int64 `[M]` epoch ms.
        fields: of an item without a row; see `engine.graph.snapshot_columns.with_row`.
    """
    items, row = _having(data.items, item, fields)
    new = UserItemEdges(users, np.full(len(users), row, np.int32), ratings, times)
    return replace(data, items=items, train=joined(data.train, new))


def _having(nodes: NodeTable, node_id: str, fields: Mapping[str, FieldColumn] | None = None) -> tuple[NodeTable, int]:
    """The nodes with one that may be new, and its row."""
    row = int(nodes.index_of([node_id])[0])
    return (with_row(nodes, node_id, fields), len(nodes)) if row < 0 else (nodes, row)


def _following(follows: CSR, count: int, row: int, own: OwnFollows) -> CSR:
    """The follows of so many users, where one is an end of others than before: since when is not known of them."""
    source, target, time = edge_rows(follows), follows.indices, follows.time
    kept, user = (source != row) & (target != row), np.full(len(own.friends), row, np.int32)
    return relation(
        count,
        count,
        np.concatenate([source[kept], np.where(own.outward, user, own.friends)]),
        np.concatenate([target[kept], np.where(own.outward, own.friends, user)]),
        time=None if time is None else np.concatenate([time[kept], np.full(len(user), NO_TIME, np.int64)]),
        value=np.concatenate([weights(follows)[kept], own.ties]),
    ).forward
