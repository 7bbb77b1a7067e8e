"""FilmTrust (Guo et al., IJCAI'13): ratings of films in half steps, and whom people trust."""

from __future__ import annotations

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source, read_table


def _read(source: Source) -> Converted:
    ratings = read_table(source.file("ratings.txt"), {"user_id": str, "item_id": str, "rating": float}, separator=None)
    trust = read_table(source.file("trust.txt"), {"user_id": str, "followed_id": str, "weight": float}, separator=None)
    return Converted(
        tables={
            "items": {"item_id": list(dict.fromkeys(ratings["item_id"]))},
            "users": {"user_id": list(dict.fromkeys([*ratings["user_id"], *trust["user_id"], *trust["followed_id"]]))},
            "interactions": ratings,
            "follows": trust,
        }
    )


READER = Reader(
    name="filmtrust",
    about="Ratings 0.5 to 4, trust as follows; 134 of the 1,642 users appear in the trust network alone.",
    files=("ratings.txt", "trust.txt"),
    origin="guoguibing.github.io/librec/datasets.html; cite Guo et al. 2013",
    published={"items": 2_071, "users": 1_642, "interactions": 35_497, "follows": 1_853},
    read=_read,
)
