"""Yelp as prepared for DiffNet (Wu et al., SIGIR'19): liked businesses, a social network and a fixed split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source, read_table, whole
from engine.errors import DataError

PARTS = {"train": "yelp.train.rating", "valid": "yelp.val.rating", "test": "yelp.test.rating"}


def _pairs(path: Path, first: str, second: str) -> dict[str, list[Any]]:
    return read_table(path, {first: whole, second: whole, "value": float}, separator="\t")


def _read(source: Source) -> Converted:
    links = _pairs(source.file("yelp.links"), "user_id", "followed_id")
    users = items = 0
    seen: set[tuple[int, int]] = set()
    splits: dict[str, dict[str, list[Any]]] = {}
    for part, name in PARTS.items():
        path = source.file(name)
        table = _pairs(path, "user_id", "item_id")
        pairs = set(zip(table["user_id"], table["item_id"], strict=True))
        if pairs & seen:
            user, item = min(pairs & seen)
            raise DataError(f"{path}: user {user}, item {item} is in another part of the split too")
        seen |= pairs
        users = max(users, 1 + max(table["user_id"]))
        items = max(items, 1 + max(table["item_id"]))
        splits[part] = {name: [str(v) for v in table[name]] for name in ("user_id", "item_id")}
    users = max(users, 1 + max(links["user_id"]), 1 + max(links["followed_id"]))
    return Converted(
        tables={
            "items": {"item_id": [str(i) for i in range(items)]},
            "users": {"user_id": [str(u) for u in range(users)]},
            "interactions": {
                name: [value for part in PARTS for value in splits[part][name]] for name in ("user_id", "item_id")
            },
            "follows": {name: [str(v) for v in links[name]] for name in ("user_id", "followed_id")},
        },
        splits={"official": splits},
    )


READER = Reader(
    name="diffnet-yelp",
    about="Likes without times, the social network as follows, and the authors' split; ids count from 0 to the largest.",
    files=("yelp.links", *PARTS.values()),
    origin="github.com/PeiJieSun/diffnet, data/yelp; Yelp data set terms",
    published={"items": 38_342, "users": 17_237, "interactions": 207_945, "follows": 143_765},
    read=_read,
)
