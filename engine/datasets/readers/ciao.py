"""Ciao (Tang et al., WSDM'12) as used by GraphRec: product ratings and a trust network, without times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source
from engine.errors import DataError


def _matrix(path: Path, name: str, width: int) -> NDArray[np.int64]:
    """One integer matrix of a MATLAB file, int64 `[rows, width]`."""
    import zlib

    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values = loadmat(path).get(name)
    except (
        MatReadError,
        OSError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        RuntimeError,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path}: not a complete MATLAB file ({error})", hint="The file is truncated or foreign; download it again."
        ) from error
    if values is None or values.ndim != 2 or values.shape[1] != width or not len(values):
        shape = "none" if values is None else str(values.shape)
        raise DataError(f"{path}: expected a matrix {name} with {width} columns, found {shape}")
    return np.asarray(values, dtype=np.int64)


def _read(source: Source) -> Converted:
    ratings = _matrix(source.file("rating.mat"), "rating", 5)
    trust = _matrix(source.file("trustnetwork.mat"), "trustnetwork", 2)
    users = np.unique(trust)
    ratings = ratings[np.isin(ratings[:, 0], users)]
    items, first = np.unique(ratings[:, 1], return_index=True)
    categories: dict[int, dict[str, None]] = {int(item): {} for item in items[np.argsort(first)]}
    for item, category in np.unique(ratings[:, 1:3], axis=0).tolist():
        categories[item][str(category)] = None
    return Converted(
        tables={
            "items": {
                "item_id": [str(item) for item in categories],
                "category": ["|".join(found) for found in categories.values()],
            },
            "users": {"user_id": [str(user) for user in users.tolist()]},
            "interactions": {
                "user_id": [str(user) for user in ratings[:, 0].tolist()],
                "item_id": [str(item) for item in ratings[:, 1].tolist()],
                "rating": ratings[:, 3].astype(float).tolist(),
            },
            "follows": {
                "user_id": [str(user) for user in trust[:, 0].tolist()],
                "followed_id": [str(user) for user in trust[:, 1].tolist()],
            },
        },
        fields={"items": {"category": "categorical"}},
    )


READER = Reader(
    name="ciao",
    about=(
        "Ratings of the users in the trust network (as GraphRec restricts them), repeated ones included; trust becomes "
        "follows; an item's categories are its field."
    ),
    files=("rating.mat", "trustnetwork.mat"),
    origin="cse.msu.edu/~tangjili/datasetcode/truststudy.htm; research use",
    published={"items": 104_975, "users": 7_317, "interactions": 283_320, "follows": 111_781},
    read=_read,
)
