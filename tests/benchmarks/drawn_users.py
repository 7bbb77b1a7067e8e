"""Users, what they took up and rated, and whom they follow: drawn, or all of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.datasets.folder import DatasetFolder
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_columns import node_table
from engine.graph.snapshot_csr import relation
from engine.models.user_graph import graph_data
from engine.models.user_item import UserItemData, UserItemEdges

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
YEAR_MS = 31_536_000_000


def drawn(users: int, items: int, edges: int, follows: int = 0) -> UserItemData:
    """Interactions with a rating and a time within a year, and follows; ends by rank^-0.6, each user and item has one."""
    rng = np.random.default_rng(0)

    def ends(count: int, size: int) -> np.ndarray:
        mass = np.arange(1, count + 1) ** -0.6
        return rng.permutation(np.concatenate([np.arange(count), rng.choice(count, size, p=mass / mass.sum())])[:size])

    made = UserItemEdges(
        ends(users, edges).astype(np.int32),
        ends(items, edges).astype(np.int32),
        rng.integers(1, 6, edges).astype(np.float32),
        np.sort(rng.integers(0, YEAR_MS, edges)),
    )
    tables = [
        node_table([f"{what}{number}" for number in range(count)])[0] for what, count in (("u", users), ("i", items))
    ]
    follow = relation(users, users, ends(users, follows), ends(users, follows)).forward if follows else None
    return UserItemData(made, tables[0], tables[1], levels=LEVELS, follows=follow)


def stored(folder: Path) -> UserItemData:
    """All of a data set."""
    return graph_data(Snapshot.from_dataset(DatasetFolder.open(folder)))
