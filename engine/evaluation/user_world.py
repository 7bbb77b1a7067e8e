"""A data set folder as users, items and the edges between them. Knows no split and no method."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.datasets.folder import DatasetFolder
from engine.errors import DataError, EmptyGraphError
from engine.evaluation.draws import pack
from engine.graph.snapshot import NodeTable, Snapshot
from engine.graph.snapshot_csr import edge_rows
from engine.graph.snapshot_tables import rows_of
from engine.models.user_graph import graph_data, has_users
from engine.models.user_item import UserItemEdges
from engine.types import CSR


@dataclass(frozen=True, slots=True)
class UserItemWorld:
    """Everything a data set says about users and items.

    Attributes:
        name: of the data set.
        users: who has items; where there are no interactions, the contexts that hold saves.
        items: all items.
        edges: every edge; rating NaN and time -1 where one has none.
        follows: user -> the users they follow, or None.
        boards: int64, ascending: pairs of a user and an item that a context of theirs holds, packed.
    """

    name: str
    users: NodeTable
    items: NodeTable
    edges: UserItemEdges
    follows: CSR | None
    boards: NDArray[np.int64]

    @staticmethod
    def of(snapshot: Snapshot, name: str) -> UserItemWorld:
        """Take interactions as the edges; where there are none, saves, with contexts as users.

        Raises:
            DataError: there are neither.
        """
        try:
            told = graph_data(snapshot)
        except EmptyGraphError as error:
            raise DataError(
                f"{name} has neither interactions nor saves", hint="A table of users and items is needed."
            ) from error
        boards = _boards(snapshot) if has_users(snapshot) else np.empty(0, np.int64)
        return UserItemWorld(name, told.users, told.items, told.train, told.follows, boards)

    def pairs(self, edges: UserItemEdges) -> NDArray[np.int64]:
        """User and item of each edge in one number, int64 `[E]`."""
        return pack(edges.user, edges.item, len(self.items))

    def named(self, pair: int) -> str:
        """A packed pair as a person reads it."""
        user, item = divmod(int(pair), len(self.items))
        return f"user {self.users.ids[user]!r} and item {self.items.ids[item]!r}"

    def with_rating(self, least: float | None) -> UserItemWorld:
        """The world with the edges of at least a rating.

        Raises:
            DataError: edges carry no rating, or none is high enough.
        """
        if least is None:
            return self
        if self.edges.rating is None:
            raise DataError(f"{self.name} has no ratings, so min_rating cannot choose among its edges")
        kept = self.edges.only(self.edges.rating >= least)
        if not len(kept):
            raise DataError(f"{self.name}: no rating is at least {least:g}, the protocol's min_rating")
        return replace(self, edges=kept)


def official_parts(folder: DatasetFolder, name: str, world: UserItemWorld) -> dict[str, UserItemEdges]:
    """The files of a split, `splits/NAME/{train,valid,test}.csv`, as rows of the world.

    Raises:
        DataError: there is no such split, a file names a user or item that the data set has not, or train or test is empty.
    """
    parts = {}
    for part, columns in folder.split(name).items():
        where = f"splits/{name}/{part}.csv"
        user = next((column for column in ("user_id", "context_id") if column in columns), None)
        if user is None or "item_id" not in columns:
            raise DataError(f"{where} does not say which user has which item")
        rating, time = columns.get("rating"), columns.get("time")
        parts[part] = UserItemEdges(
            rows_of(where, user.removesuffix("_id"), world.users, columns[user]),
            rows_of(where, "item", world.items, columns["item_id"]),
            None if rating is None or np.isnan(rating).all() else np.asarray(rating, np.float32),
            None if time is None or (np.asarray(time) < 0).all() else np.asarray(time, np.int64),
        )
    for part in ("train", "test"):
        if part not in parts or not len(parts[part]):
            raise DataError(f"splits/{name}/{part}.csv holds no edge", hint="Write the split again, or name another.")
    return parts


def split_names(folder: DatasetFolder) -> list[str]:
    """The official splits that a data set has."""
    found = folder.path / "splits"
    return sorted(path.name for path in found.iterdir() if path.is_dir()) if found.is_dir() else []


def _boards(snapshot: Snapshot) -> NDArray[np.int64]:
    owns, saves = snapshot.relations.owns.forward, snapshot.relations.saves.forward
    if not owns.num_edges or not saves.num_edges:
        return np.empty(0, np.int64)
    size = saves.degrees()[owns.indices]
    start = np.repeat(saves.indptr[owns.indices], size)
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return np.unique(pack(np.repeat(edge_rows(owns), size), saves.indices[start + within], len(snapshot.items)))
