"""HetRec 2011 Last.fm (Cantador, Brusilovsky and Kuflik): who tagged which artist with what, when, and who is a friend.

What one user tagged with one tag is much like a board: a hand-picked set with a theme, an owner and dates.
"""

from __future__ import annotations

from datetime import UTC, datetime

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source, read_table, whole, wrong_line

FIRST_YEAR = 2002
"""Last.fm opened in 2002. A handful of assignments are dated 1956 to 1979: they are kept, without a time."""


def _read(source: Source) -> Converted:
    artists = read_table(
        source.file("artists.dat"),
        {"id": str, "name": str, "url": str, "pictureURL": str},
        separator="\t",
        header="id\tname\turl\tpictureURL",
    )
    tags = read_table(
        source.file("tags.dat"),
        {"tagID": str, "tagValue": str},
        separator="\t",
        header="tagID\ttagValue",
        encoding="latin-1",
    )
    listened = read_table(
        source.file("user_artists.dat"),
        {"userID": str, "artistID": str, "weight": float},
        separator="\t",
        header="userID\tartistID\tweight",
    )
    friends = read_table(
        source.file("user_friends.dat"), {"userID": str, "friendID": str}, separator="\t", header="userID\tfriendID"
    )
    assigned_path = source.file("user_taggedartists.dat")
    assigned = read_table(
        assigned_path,
        {"userID": str, "artistID": str, "tagID": str, "day": whole, "month": whole, "year": whole},
        separator="\t",
        header="userID\tartistID\ttagID\tday\tmonth\tyear",
    )

    words = dict(zip(tags["tagID"], tags["tagValue"], strict=True))
    boards: dict[str, tuple[str, str]] = {}
    saves: dict[str, list[object]] = {"context_id": [], "item_id": [], "time": []}
    for row, (user, artist, tag) in enumerate(
        zip(assigned["userID"], assigned["artistID"], assigned["tagID"], strict=True)
    ):
        if tag not in words:
            raise wrong_line(assigned_path, row + 2, "a tagID that tags.dat lists", tag)
        try:
            when = datetime(assigned["year"][row], assigned["month"][row], assigned["day"][row], tzinfo=UTC)
        except ValueError as error:
            raise wrong_line(
                assigned_path, row + 2, "a date", str([assigned[k][row] for k in ("day", "month", "year")])
            ) from error
        board = f"{user}/{tag}-{words[tag]}"
        boards.setdefault(board, (user, words[tag]))
        saves["context_id"].append(board)
        saves["item_id"].append(artist)
        saves["time"].append(int(when.timestamp() * 1000) if when.year >= FIRST_YEAR else None)

    names = dict(zip(artists["id"], artists["name"], strict=True))
    items = list(dict.fromkeys([*artists["id"], *listened["artistID"], *assigned["artistID"]]))
    users = list(dict.fromkeys([*listened["userID"], *assigned["userID"], *friends["userID"], *friends["friendID"]]))
    return Converted(
        tables={
            "items": {"item_id": items, "title": [names.get(item) for item in items]},
            "contexts": {
                "context_id": list(boards),
                "owner_id": [user for user, _ in boards.values()],
                "tag": [word for _, word in boards.values()],
            },
            "users": {"user_id": users},
            "saves": saves,
            "interactions": {
                "user_id": listened["userID"],
                "item_id": listened["artistID"],
                "rating": listened["weight"],
            },
            "follows": {"user_id": friends["userID"], "followed_id": friends["friendID"]},
        },
        fields={"items": {"title": "text"}, "contexts": {"tag": "text"}},
    )


READER = Reader(
    name="hetrec2011-lastfm-2k",
    about=(
        "What a user tagged with one tag becomes a board (USER/TAGID-TAG), dated; artists become items titled by name, "
        "listening counts interactions, friends follows. 390 tagged artists that artists.dat does not list stay, untitled."
    ),
    files=("artists.dat", "tags.dat", "user_artists.dat", "user_friends.dat", "user_taggedartists.dat"),
    origin="grouplens.org/datasets/hetrec-2011; non-commercial research, credit Last.fm",
    published={
        "items": 18_022,
        "contexts": 35_816,
        "users": 1_892,
        "saves": 186_479,
        "interactions": 92_834,
        "follows": 25_434,
    },
    read=_read,
)
