"""Vectors of users and items by what a method learned, for any of them and layer by layer. Knows no method, no file and no server.

A method that answers by vectors says how it computes some rows (`RowEmbedder`). Computing all of them, and computing only
those that a change of the graph alters, then are the same code, and give the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.graph.snapshot import NodeTable, Snapshot
from engine.graph.snapshot_csr import as_matrix
from engine.models.friends import followed, ties
from engine.models.happened import epoch_ms, follows_so_far
from engine.models.user_graph import learnable
from engine.models.user_item import UserItemData
from engine.sampling.friends import Friendship
from engine.types import FloatArray, IndexArray

Side = Literal["users", "items"]
SIDES: tuple[Side, Side] = ("users", "items")
Outputs = Mapping[Side, FloatArray]
"""float32 `[N, d]` of each side."""
Rows = Mapping[Side, IndexArray]
"""int32, increasing, of each side."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Users and items, and who is joined to whom.

    Attributes:
        nodes: of each side.
        lists: (side, other side) -> `[N, M]`, an entry for each edge: the items of each user, the users of each item; and for
            each tie, with its weight: the friends of each user.
        befriended: `[users, users]`, whose friend each user is.
    """

    nodes: Mapping[Side, NodeTable]
    lists: Mapping[tuple[Side, Side], csr_array]
    befriended: csr_array

    @staticmethod
    def in_snapshot(snapshot: Snapshot, as_of: datetime, friendship: Friendship = "following") -> Joined:
        """All edges of a snapshot, as they lie there; of the follows, those that have happened.

        Args:
            as_of: of the generation whose vectors these are. A follow dated later is in the vectors of the first refresh after it.

        Raises:
            EmptyGraphError: there are neither interactions nor saves.
        """
        nodes, relation = learnable(snapshot)
        users, items = len(nodes), len(snapshot.items)
        friends = csr_array((users, users), dtype=np.float32)
        if nodes is snapshot.users:
            friends = ties(follows_so_far(snapshot.relations.follows.forward, epoch_ms(as_of)), friendship)
        return Joined(
            {"users": nodes, "items": snapshot.items},
            {
                ("users", "items"): as_matrix(relation.forward, items),
                ("items", "users"): as_matrix(relation.backward, users),
                ("users", "users"): friends,
            },
            friends.T.tocsr(),
        )

    @staticmethod
    def in_data(data: UserItemData, friendship: Friendship = "following") -> Joined:
        """All known edges of some data."""
        taken, friends = data.seen(data.known()), followed(data, friendship)
        return Joined(
            {"users": data.users, "items": data.items},
            {
                ("users", "items"): taken,
                ("items", "users"): taken.T.tocsr(),
                ("users", "users"): friends,
            },
            friends.T.tocsr(),
        )

    def rows_of(self, side: Side, other: Side, rows: NDArray[np.integer]) -> csr_array:
        """The lists of some rows, float32 `[len(rows), M]`: 1 where there is an edge, however often; of a tie its weight."""
        found = self.lists[side, other][rows]
        if side != other:
            found.sum_duplicates()
            found.data = np.ones(found.nnz, np.float32)
        return found

    def readers(self, side: Side, other: Side, rows: IndexArray) -> IndexArray:
        """int32, increasing: the rows of `side` that have one of some rows of `other` in their lists."""
        back = self.befriended if side == other else self.lists[other, side]
        return np.unique(back[rows].indices).astype(np.int32)

    def every(self) -> Rows:
        """All rows."""
        return {side: np.arange(len(self.nodes[side]), dtype=np.int32) for side in SIDES}


class RowEmbedder(Protocol):
    """A trained method before some users and items.

    Attributes:
        layers: how many times rows are computed from rows; the last layer gives the vectors.
        reads: the lists that the rows of each side are computed from. Of a neighbour a row reads nothing but its output of the
            layer before: what else it depends on (a degree) is part of that.
        reads_fields: whether a row is computed from its fields, too.
    """

    layers: int
    reads: Mapping[Side, tuple[Side, ...]]
    reads_fields: bool

    def embed(self, layer: int, side: Side, rows: IndexArray, before: Outputs) -> FloatArray:
        """The outputs of some rows.

        Args:
            rows: int32 `[R]`.
            before: the layer before, of all rows; only those of `rows` and of who is in their lists are read. Nothing for
                layer 0.

        Returns:
            float32 `[R, d]`; zeros in the last layer for a row that nothing is known of.
        """
        ...


def embed_all(embedder: RowEmbedder, joined: Joined) -> list[Outputs]:
    """Every row, the outputs of each layer."""
    every, outputs = joined.every(), list[Outputs]()
    for layer in range(embedder.layers):
        before = outputs[-1] if outputs else {}
        outputs.append({side: embedder.embed(layer, side, every[side], before) for side in SIDES})
    return outputs
