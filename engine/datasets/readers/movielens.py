"""MovieLens 100K and the small latest set (Harper and Konstan, 2015): ratings of films, with times."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import (
    Parse,
    Source,
    read_csv,
    read_lines,
    read_table,
    seconds_to_ms,
    tokens,
    whole,
    wrong_line,
)
from engine.errors import DataError

FOLDS = tuple(f"u{fold}" for fold in range(1, 6))
_YEAR = re.compile(r"\((\d{4})\)\s*$")


def _year(title: str) -> int | None:
    found = _YEAR.search(title)
    return int(found[1]) if found else None


def _ratings(path: Path) -> dict[str, list[Any]]:
    columns: dict[str, Parse] = {"user_id": str, "item_id": str, "rating": float, "time": seconds_to_ms}
    return read_table(path, columns, separator="\t")


def _released(cell: str) -> int | None:
    """ "01-Jan-1995" as epoch ms."""
    return int(datetime.strptime(cell, "%d-%b-%Y").replace(tzinfo=UTC).timestamp() * 1000) if cell else None


def _read_100k(source: Source) -> Converted:
    info_path = source.file("u.info")
    listed = {}
    for number, line in read_lines(info_path):
        count, _, word = line.partition(" ")
        if not count.isdigit():
            raise wrong_line(info_path, number, "a count and a word", line)
        listed[word] = int(count)

    genres_path = source.file("u.genre")
    genres = [line.rpartition("|")[0] for _, line in read_lines(genres_path) if line]
    flags = {f"genre {name}": whole for name in genres}
    films_path = source.file("u.item")
    films = read_table(
        films_path,
        {"item_id": str, "title": str, "released": _released, "video": str, "url": str, **flags},
        separator="|",
        encoding="latin-1",
    )
    people = read_table(
        source.file("u.user"),
        {"user_id": str, "age": whole, "gender": str, "occupation": str, "zip": str},
        separator="|",
        encoding="latin-1",
    )
    ratings_path = source.file("u.data")
    ratings = _ratings(ratings_path)
    found = {"users": len(people["user_id"]), "items": len(films["item_id"]), "ratings": len(ratings["rating"])}
    for word, expected in listed.items():
        if found.get(word) != expected:
            raise DataError(
                f"{info_path} says {expected:,} {word}, the files hold {found.get(word, 0):,}",
                hint="A file is truncated; download the set again.",
            )

    rows = sorted(zip(*ratings.values(), strict=True))
    splits = {}
    for fold in FOLDS:
        base_path, test_path = source.file(f"{fold}.base"), source.file(f"{fold}.test")
        base, test = _ratings(base_path), _ratings(test_path)
        together = [column + other for column, other in zip(base.values(), test.values(), strict=True)]
        if sorted(zip(*together, strict=True)) != rows:
            raise DataError(
                f"{base_path} and {test_path} together are not the ratings of {ratings_path}",
                hint="Scaled, truncated or foreign fold files; download the set again.",
            )
        splits[fold] = {"train": base, "test": test}
    chosen = [tokens([g for g in genres if films[f"genre {g}"][row]]) for row in range(len(films["item_id"]))]
    return Converted(
        tables={
            "items": {
                "item_id": films["item_id"],
                "title": films["title"],
                "genres": chosen,
                "year": [_year(title) for title in films["title"]],
                "released": films["released"],
            },
            "users": people,
            "interactions": ratings,
        },
        fields={
            "items": {"title": "text", "genres": "categorical", "year": "numeric", "released": "numeric"},
            "users": {"age": "numeric", "gender": "categorical", "occupation": "categorical", "zip": "categorical"},
        },
        splits=splits,
    )


def _read_latest(source: Source) -> Converted:
    films = read_csv(source.file("movies.csv"), {"movieId": str, "title": str, "genres": str})
    ratings_path = source.file("ratings.csv")
    ratings = read_csv(ratings_path, {"userId": str, "movieId": str, "rating": float, "timestamp": seconds_to_ms})
    tagged_path = source.file("tags.csv")
    tagged = read_csv(tagged_path, {"userId": str, "movieId": str, "tag": str, "timestamp": seconds_to_ms})
    tags: dict[str, list[str]] = {film: [] for film in films["movieId"]}
    for path, table in ((ratings_path, ratings), (tagged_path, tagged)):
        for film in table["movieId"]:
            if film not in tags:
                raise DataError(f"{path}: film {film} is not in movies.csv", hint="movies.csv is truncated.")
    for film, tag in zip(tagged["movieId"], tagged["tag"], strict=True):
        tags[film].append(tag.strip().lower())
    return Converted(
        tables={
            "items": {
                "item_id": films["movieId"],
                "title": films["title"],
                "genres": ["" if cell == "(no genres listed)" else cell for cell in films["genres"]],
                "tags": [tokens(tags[film]) for film in films["movieId"]],
                "year": [_year(title) for title in films["title"]],
            },
            "users": {"user_id": list(dict.fromkeys([*ratings["userId"], *tagged["userId"]]))},
            "interactions": {
                "user_id": ratings["userId"],
                "item_id": ratings["movieId"],
                "rating": ratings["rating"],
                "time": ratings["timestamp"],
            },
        },
        fields={"items": {"title": "text", "genres": "categorical", "tags": "categorical", "year": "numeric"}},
    )


ML_100K = Reader(
    name="ml-100k",
    about="Films with title, genres, year; users with age, gender, occupation; dated ratings; the official folds u1 to u5.",
    files=(
        "u.info",
        "u.genre",
        "u.item",
        "u.user",
        "u.data",
        *(f"{f}.{part}" for f in FOLDS for part in ("base", "test")),
    ),
    origin="grouplens.org/datasets/movielens/100k; research use, no redistribution",
    published={"items": 1_682, "users": 943, "interactions": 100_000},
    read=_read_100k,
)

ML_LATEST_SMALL = Reader(
    name="ml-latest-small",
    about="Films with title, genres, year and the tags that people gave; dated ratings.",
    files=("movies.csv", "ratings.csv", "tags.csv"),
    origin="grouplens.org/datasets/movielens/latest; non-commercial use (it changes over the years; counts of the 2016 edition)",
    published={"items": 9_125, "users": 671, "interactions": 100_004},
    read=_read_latest,
)
