"""Users, items and the edges between them, out of a snapshot. Knows no split, no method and no server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.errors import EmptyGraphError
from engine.graph.snapshot import NO_TIME, NodeTable, Snapshot
from engine.graph.snapshot_columns import with_row
from engine.graph.snapshot_csr import Relation, edge_rows
from engine.models.user_item import UserItemData, UserItemEdges, joined
from engine.types import CSR, FloatArray, IndexArray


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
    nodes, relation = taker_relation(snapshot)
    if not relation.num_edges:
        raise EmptyGraphError(
            "the graph has neither interactions nor saves", hint="Load a data set with `engine ingest DIR`."
        )
    return nodes, relation


def takers(snapshot: Snapshot) -> tuple[NodeTable, CSR]:
    """Who has items, and a CSR from them to the items."""
    nodes, relation = taker_relation(snapshot)
    return nodes, relation.forward


def graph_data(snapshot: Snapshot, *, seed: int = 0, workdir: Path | None = None) -> UserItemData:
    """All that a snapshot tells a method about users and items; nothing is held out.

    Raises:
        EmptyGraphError: there are neither interactions nor saves.
    """
    nodes, relation = learnable(snapshot)
    forward = relation.forward
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


def with_user(data: UserItemData, user: str, items: IndexArray, ratings: FloatArray) -> UserItemData:
    """The data with one more user, in the last row.

    Args:
        items: int32 `[M]`, what they have; ratings: float32 `[M]`, NaN where they gave none.
    """
    rows = np.full(len(items), len(data.users), np.int32)
    new = UserItemEdges(rows, items, ratings, np.full(len(items), NO_TIME, np.int64))
    follows = data.follows
    if follows is not None:
        follows = replace(follows, indptr=np.append(follows.indptr, follows.indptr[-1]))
    return replace(data, users=with_row(data.users, user), train=joined(data.train, new), follows=follows)
