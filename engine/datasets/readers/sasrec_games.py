"""Amazon video games as prepared for SASRec (Kang and McAuley, ICDM'18): each user's items in order, without times."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from engine.datasets.readers.base import Converted, Reader, pick
from engine.datasets.readers.source import Source, read_table, whole, wrong_line

MIN_SPLIT = 3
"""A user with fewer items stays whole in the training part."""


def _read(source: Source) -> Converted:
    path = source.file("Video.txt")
    table = read_table(path, {"user": whole, "item": whole}, separator=" ")
    left: list[int] = []
    rows: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    seen: set[int] = set()
    for user, group in groupby(range(len(table["user"])), key=table["user"].__getitem__):
        history = list(group)
        if user in seen:
            raise wrong_line(path, history[0] + 1, "each user's items together", f"user {user} again")
        seen.add(user)
        left += reversed(range(len(history)))
        if len(history) < MIN_SPLIT:
            rows["train"] += history
        else:
            rows["train"] += history[:-2]
            rows["valid"].append(history[-2])
            rows["test"].append(history[-1])
    longest = max(left, default=0) + 1
    interactions: dict[str, list[Any]] = {
        "user_id": [str(u) for u in table["user"]],
        "item_id": [str(i) for i in table["item"]],
        "time": [longest - after for after in left],
    }
    return Converted(
        tables={
            "items": {"item_id": [str(i) for i in sorted(set(table["item"]))]},
            "users": {"user_id": [str(u) for u in sorted(seen)]},
            "interactions": interactions,
        },
        splits={"leave-last-out": {part: pick(interactions, chosen) for part, chosen in rows.items()}},
    )


READER = Reader(
    name="sasrec-games",
    about=(
        "Each user's items in order. The file has no times: `time` counts steps towards a user's last, which all have at "
        "the same time, since the split leave-last-out asks for it: it holds that one for test, the one before for validation."
    ),
    files=("Video.txt",),
    origin="github.com/kang205/SASRec, data/Video.txt; Amazon review data, research use",
    published={"items": 23_715, "users": 31_013, "interactions": 287_107},
    read=_read,
)
