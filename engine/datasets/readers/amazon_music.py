"""Amazon musical instruments, 5-core (McAuley et al.): dated reviews with text."""

from __future__ import annotations

import json
from typing import Any

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source, read_lines, wrong_line

_KEYS: dict[str, type | tuple[type, ...]] = {
    "reviewerID": str,
    "asin": str,
    "overall": (int, float),
    "summary": str,
    "unixReviewTime": int,
}


def _read(source: Source) -> Converted:
    path = source.file("Musical_Instruments.json")
    interactions: dict[str, list[Any]] = {"user_id": [], "item_id": [], "rating": [], "time": []}
    summaries: dict[str, list[str]] = {}
    for number, line in read_lines(path):
        try:
            review = json.loads(line)
        except ValueError as error:
            raise wrong_line(path, number, "one JSON object", line) from error
        for key, kind in _KEYS.items():
            if not isinstance(review, dict) or not isinstance(review.get(key), kind):
                raise wrong_line(path, number, f"a review with {', '.join(_KEYS)}", line)
        interactions["user_id"].append(review["reviewerID"])
        interactions["item_id"].append(review["asin"])
        interactions["rating"].append(float(review["overall"]))
        interactions["time"].append(review["unixReviewTime"] * 1000)
        summaries.setdefault(review["asin"], []).append(review["summary"].strip())
    return Converted(
        tables={
            "items": {
                "item_id": list(summaries),
                "summaries": [". ".join(filter(None, texts)) for texts in summaries.values()],
            },
            "users": {"user_id": list(dict.fromkeys(interactions["user_id"]))},
            "interactions": interactions,
        },
        fields={"items": {"summaries": "text"}},
    )


READER = Reader(
    name="amazon-music-instruments-5core",
    about=(
        "Reviews become dated ratings; an item's text is the summaries of all its reviews, a held-out review's included, "
        "so leave that field out where reviews are held out."
    ),
    files=("Musical_Instruments.json",),
    origin="jmcauley.ucsd.edu/data/amazon; research use",
    published={"items": 900, "users": 1_429, "interactions": 10_261},
    read=_read,
)
