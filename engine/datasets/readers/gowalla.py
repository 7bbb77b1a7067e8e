"""Gowalla check-ins as used by LightGCN (He et al., SIGIR'20): users, places and a fixed split, without times."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source, read_id_lists, read_table, whole, wrong_line
from engine.errors import DataError

Pairs = dict[str, list[Any]]


def _count(path: Path) -> int:
    """The number of ids in a list file, which numbers them from 0."""
    remapped = read_table(path, {"org_id": str, "remap_id": whole}, separator=" ", header="org_id remap_id")["remap_id"]
    for row, number in enumerate(remapped):
        if number != row:
            raise wrong_line(path, row + 2, f"remap_id {row}", str(number))
    return len(remapped)


def _from_lists(path: Path, users: int, items: int) -> Pairs:
    pairs: Pairs = {"user_id": [], "item_id": []}
    for row, (user, *places) in enumerate(read_id_lists(path, counted=False)):
        if user >= users or max(places, default=0) >= items:
            raise wrong_line(
                path, row + 1, f"a user below {users:,} and items below {items:,}", f"{user} {max(places, default=0)}"
            )
        pairs["user_id"] += [str(user)] * len(places)
        pairs["item_id"] += map(str, places)
    return pairs


def _from_adjacency(path: Path, users: int, items: int) -> Pairs:
    """The user-item quarter of the adjacency matrix that the authors' code caches."""
    from scipy.sparse import csr_matrix, load_npz

    try:
        with path.open("rb") as stream:
            matrix = csr_matrix(load_npz(stream))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not a complete sparse matrix ({error})",
            hint="The file is truncated or foreign; download it again.",
        ) from error
    if matrix.shape != (users + items, users + items):
        raise DataError(
            f"{path}: the matrix is {matrix.shape}, expected {users + items:,} rows and columns (users and items)"
        )
    rows, columns = matrix[:users, users:].nonzero()
    return {"user_id": [str(u) for u in rows], "item_id": [str(i) for i in np.asarray(columns)]}


def _read(source: Source) -> Converted:
    users, items = _count(source.file("user_list.txt")), _count(source.file("item_list.txt"))
    test = _from_lists(source.file("test.txt"), users, items)
    if source.has("train.txt"):
        train = _from_lists(source.file("train.txt"), users, items)
    else:
        train = _from_adjacency(source.file("s_adj_mat.npz"), users, items)
    return Converted(
        tables={
            "items": {"item_id": [str(i) for i in range(items)]},
            "users": {"user_id": [str(u) for u in range(users)]},
            "interactions": {name: train[name] + test[name] for name in ("user_id", "item_id")},
        },
        splits={"official": {"train": train, "test": test}},
    )


READER = Reader(
    name="gowalla",
    about="Check-ins with the authors' split; ids are their remapped ones. Without train.txt, s_adj_mat.npz gives the same pairs.",
    files=("user_list.txt", "item_list.txt", "train.txt or s_adj_mat.npz", "test.txt"),
    origin="github.com/gusye1234/LightGCN-PyTorch, data/gowalla; from SNAP loc-Gowalla",
    published={"items": 40_981, "users": 29_858, "interactions": 1_027_370},
    read=_read,
)
