"""Small worlds of boards for the tests of evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.datasets.folder import DatasetFolder
from engine.datasets.folder_write import write_dataset
from engine.graph.snapshot import Snapshot

Edge = tuple[str, str]


def world(
    path: Path,
    saves: list[Edge],
    *,
    owners: dict[str, str] | None = None,
    interactions: list[Edge] | None = None,
    items: list[str] | None = None,
    tags: dict[str, str] | None = None,
) -> DatasetFolder:
    """A data set of boards; `owners` maps boards to users, `tags` items to values."""
    everything = items or sorted({item for _, item in [*saves, *(interactions or [])]})
    table: dict[str, list[str]] = {"item_id": everything}
    if tags is not None:
        table["tags"] = [tags.get(item, "") for item in everything]
    boards = sorted({board for board, _ in saves})
    contexts = {"context_id": boards}
    if owners is not None:
        contexts["owner_id"] = [owners.get(board, "") for board in boards]
    users = sorted({user for user, _ in interactions or []} | set((owners or {}).values()))
    return write_dataset(
        path,
        "boards",
        items=table,
        contexts=contexts if boards else None,
        users={"user_id": users} if users else None,
        saves=_columns(saves, "context_id"),
        interactions=_columns(interactions or [], "user_id"),
        item_fields={} if tags is None else {"tags": "categorical"},
    )


def _columns(edges: list[Edge], left: str) -> dict[str, list[str]] | None:
    if not edges:
        return None
    return {left: [edge[0] for edge in edges], "item_id": [edge[1] for edge in edges]}


def topics(path: Path, *, boards: int = 60, seed: int = 0) -> DatasetFolder:
    """Boards of one of four topics each, three boards an owner; items carry their topic as a tag."""
    random = np.random.default_rng(seed)
    saves: list[Edge] = []
    for board in range(boards):
        topic = board % 4
        saves += [(f"b{board}", f"i{topic}-{n}") for n in random.choice(25, 8, replace=False)]
    owners = {f"b{board}": f"u{board // 3}" for board in range(boards)}
    tags = {f"i{topic}-{n}": f"topic{topic}" for topic in range(4) for n in range(25)}
    return world(path, saves, owners=owners, items=sorted(tags), tags=tags)


def snapshot(data: DatasetFolder) -> Snapshot:
    return Snapshot.from_dataset(data)
