"""Douban in the split of Monti et al. (2017), as used by GC-MC: 3,000 users, 3,000 items, a user graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source
from engine.errors import DataError

MATRICES = ("M", "Otraining", "Otest", "W_users")


def _matrices(path: Path) -> dict[str, NDArray[np.float64]]:
    import h5py  # type: ignore[import-untyped]

    try:
        with h5py.File(path, "r") as stream:
            missing = [name for name in MATRICES if name not in stream]
            if missing:
                raise DataError(f"{path}: no matrix {missing[0]}; expected {', '.join(MATRICES)}")
            # MATLAB stores by column, so what HDF5 reads is the transpose.
            return {name: np.asarray(stream[name], dtype=np.float64).T for name in MATRICES}
    except (OSError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not a complete MATLAB 7.3 file ({error})",
            hint="The file is truncated or foreign; download it again.",
        ) from error


def _read(source: Source) -> Converted:
    path = source.file("training_test_dataset.mat")
    matrices = _matrices(path)
    ratings, train, test, friends = (matrices[name] for name in MATRICES)
    if train.shape != ratings.shape or test.shape != ratings.shape or friends.shape != (len(ratings), len(ratings)):
        raise DataError(
            f"{path}: the matrices {', '.join(MATRICES)} do not belong together: {[m.shape for m in matrices.values()]}"
        )
    if ((train > 0) & (test > 0)).any() or (((train > 0) | (test > 0)) != (ratings > 0)).any():
        raise DataError(f"{path}: Otraining and Otest do not divide the ratings of M between them")

    def triples(mask: NDArray[np.float64]) -> dict[str, list[Any]]:
        users, items = np.nonzero(mask)
        return {
            "user_id": [str(u) for u in users],
            "item_id": [str(i) for i in items],
            "rating": ratings[users, items].tolist(),
        }

    followers, followed = np.nonzero(friends)
    return Converted(
        tables={
            "items": {"item_id": [str(i) for i in range(ratings.shape[1])]},
            "users": {"user_id": [str(u) for u in range(ratings.shape[0])]},
            "interactions": triples(ratings),
            "follows": {
                "user_id": [str(u) for u in followers],
                "followed_id": [str(u) for u in followed],
                "weight": friends[followers, followed].tolist(),
            },
        },
        splits={"official": {"train": triples(train), "test": triples(test)}},
    )


READER = Reader(
    name="gcmc-douban",
    about="Ratings 1 to 5 with the fixed split, and the symmetric user graph as follows both ways; ids are matrix rows.",
    files=("training_test_dataset.mat",),
    origin="github.com/riannevdberg/gc-mc, gcmc/data/douban; no licence stated",
    published={"items": 3_000, "users": 3_000, "interactions": 136_891, "follows": 2_690},
    read=_read,
)
