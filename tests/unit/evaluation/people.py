"""Small worlds of users and items for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.folder import DatasetFolder, DatasetTables
from engine.datasets.folder_write import write_dataset
from engine.evaluation.user_world import UserItemWorld
from engine.graph.snapshot import Snapshot

Columns = dict[str, list[Any]]


def columns(rows: list[tuple[Any, ...]]) -> Columns:
    """(user, item[, rating[, time]]) -> columns."""
    names = ("user_id", "item_id", "rating", "time")[: len(rows[0]) if rows else 2]
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def people(
    path: Path,
    rows: list[tuple[Any, ...]],
    *,
    listed: list[str] | None = None,
    splits: Mapping[str, Mapping[str, list[tuple[Any, ...]]]] | None = None,
    **tables: Any,
) -> DatasetFolder:
    """A data set of interactions (user, item[, rating[, time]])."""
    interactions = columns(rows)
    return write_dataset(
        path,
        "people",
        **{
            "items": {"item_id": listed or sorted(set(interactions["item_id"]))},
            "users": {"user_id": sorted(set(interactions["user_id"]))},
            "interactions": interactions,
            "splits": {
                name: {part: columns(its) for part, its in parts.items()} for name, parts in (splits or {}).items()
            },
            **tables,
        },
    )


def tastes(path: Path, *, users: int = 60, items: int = 120, each: int = 14, seed: int = 0) -> DatasetFolder:
    """Users of one of four tastes have items of that taste, which a tag names, rated from 1 to 5 and dated in order.

    A user's ratings lie around the user's own mean, so that biases explain them.
    """
    random = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for user in range(users):
        own = random.permutation([item for item in range(items) if item % 4 == user % 4])[: each - 2]
        for place, item in enumerate(random.permutation([*own, *random.choice(items, 2, replace=False)])):
            rating = float(np.clip(2 + user % 3 + item % 2 + random.integers(-1, 2) * 0.5, 1, 5))
            rows.append((f"u{user}", f"i{item}", round(rating), 1_000_000 + 1000 * place + user))
    return people(
        path,
        rows,
        **{
            "items": {
                "item_id": [f"i{item}" for item in range(items)],
                "tag": [f"taste{item % 4}" for item in range(items)],
            },
            "item_fields": {"tag": "categorical"},
        },
    )


def camps(
    path: Path, *, users: int = 40, newcomers: int = 12, items: int = 24, each: int = 12, moods: bool = False
) -> DatasetFolder:
    """Users of one of two camps rate its items 4 or 5 and those of the other 1 or 2, and follow three of their own camp.

    With `moods` one camp rates everything 4 or 5, and the other everything 1 or 2.
    In the split `newcomers` the last ones have no rating in training: only whom they follow tells of them.
    """
    random = np.random.default_rng(0)
    parts: dict[str, list[tuple[Any, ...]]] = {"train": [], "test": []}
    follows: list[tuple[str, str]] = []
    camp = np.arange(users + newcomers) % 2
    for user in range(users + newcomers):
        part = parts["train" if user < users else "test"]
        for item in random.choice(items, each, replace=False):
            likes = camp[user] == (0 if moods else item % 2)
            part.append((f"u{user}", f"i{item}", float(random.integers(1, 3) + 3 * likes)))
        others = np.setdiff1d(np.flatnonzero(camp[:users] == camp[user]), [user])
        follows += [(f"u{user}", f"u{other}") for other in random.choice(others, 3, replace=False)]
    return people(
        path,
        [*parts["train"], *parts["test"]],
        splits={"newcomers": parts},
        follows={"user_id": [one for one, _ in follows], "followed_id": [other for _, other in follows]},
    )


def ring(path: Path, *, users: int = 60, items: int = 20, each: int = 7) -> DatasetFolder:
    """Everybody starts anywhere on a ring of items and takes one after the other."""
    starts = np.random.default_rng(0).integers(items, size=users)
    return people(
        path,
        [
            (f"u{user}", f"i{(start + step) % items}", 1.0, 1_000_000 + 1000 * step + user)
            for user, start in enumerate(starts)
            for step in range(each)
        ],
    )


def world(folder: DatasetFolder) -> UserItemWorld:
    return UserItemWorld.of(Snapshot.from_dataset(folder), folder.name)


def memory(rows: list[tuple[Any, ...]]) -> UserItemWorld:
    """The world of some interactions, without a file."""
    interactions: dict[str, Any] = columns(rows)
    for name, kind in (("rating", np.float64), ("time", np.int64)):
        if name in interactions:
            interactions[name] = np.array(interactions[name], kind)
    tables = DatasetTables(
        "people",
        items={"item_id": sorted(set(interactions["item_id"]))},
        users={"user_id": sorted(set(interactions["user_id"]))},
        interactions=interactions,
    )
    return UserItemWorld.of(Snapshot.from_dataset(tables), "people")
