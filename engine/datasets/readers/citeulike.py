"""CiteULike-t (Wang, Chen and Li, IJCAI'13): libraries of scientific articles, and the tags that people gave them."""

from __future__ import annotations

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source, read_id_lists, read_lines, tokens, wrong_line
from engine.errors import DataError


def _read(source: Source) -> Converted:
    libraries_path, tags_path, tagged_path = (source.file(name) for name in ("users.dat", "tags.dat", "tag-item.dat"))
    libraries = read_id_lists(libraries_path, counted=True)
    tagged = read_id_lists(tagged_path, counted=True)
    names = [line for _, line in read_lines(tags_path)]
    if len(names) != len(tagged):
        raise DataError(
            f"{tags_path} has {len(names):,} lines and {tagged_path} has {len(tagged):,}: expected one line a tag in both",
            hint="One of the files is truncated; download it again.",
        )
    articles = 1 + max(max(ids, default=-1) for ids in tagged)
    tags: list[list[str]] = [[] for _ in range(articles)]
    for name, ids in zip(names, tagged, strict=True):
        for article in ids:
            tags[article].append(name)
    users = [str(row) for row in range(len(libraries))]
    saves: dict[str, list[str]] = {"context_id": [], "item_id": []}
    for row, ids in enumerate(libraries):
        for article in ids:
            if article >= articles:
                raise wrong_line(libraries_path, row + 1, f"articles 0 to {articles - 1:,}", str(article))
        saves["context_id"] += [users[row]] * len(ids)
        saves["item_id"] += map(str, ids)
    return Converted(
        tables={
            "items": {"item_id": [str(i) for i in range(articles)], "tags": [tokens(values) for values in tags]},
            "contexts": {"context_id": users, "owner_id": users},
            "users": {"user_id": users},
            "saves": saves,
        },
        fields={"items": {"tags": "categorical"}},
    )


READER = Reader(
    name="citeulike-t",
    about="Libraries become contexts owned by their user, articles items; an article's tags are its one field.",
    files=("users.dat", "tags.dat", "tag-item.dat"),
    origin="H. Wang's page of citeulike-t, or github.com/changun/CollMetric; research use",
    published={"items": 25_975, "contexts": 7_947, "users": 7_947, "saves": 134_860},
    read=_read,
)
