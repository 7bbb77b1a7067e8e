"""The items' vectors of a data set: .npy files seen as one array, memory-mapped. Knows nothing of items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class VectorFile:
    """One vector field over all its files.

    Attributes:
        parts: memory-mapped float arrays, `[rows of the part, width]`.
        starts: int64 `[parts + 1]`, the first row of each part, and the number of all rows.
    """

    name: str
    paths: tuple[Path, ...]
    parts: tuple[NDArray[Any], ...]
    starts: NDArray[np.int64]

    @property
    def width(self) -> int:
        return int(self.parts[0].shape[1])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, rows: NDArray[np.int64]) -> FloatArray:
        """Some rows, ascending, as float32 `[len(rows), width]`."""
        pieces = []
        for k, part in enumerate(self.parts):
            mine = rows[(rows >= self.starts[k]) & (rows < self.starts[k + 1])]
            with np.errstate(over="ignore"):
                pieces.append(part[mine - self.starts[k]].astype(np.float32))
        return np.concatenate(pieces)


def open_vectors(name: str, paths: tuple[Path, ...]) -> VectorFile:
    """Map a field's files.

    Raises:
        DataError: a file is not an array, not of floats, not `[rows, width]`, or two files differ in width.
    """
    parts: list[NDArray[Any]] = []
    for path in paths:
        try:
            part = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: not a readable .npy file ({error})") from error
        if not isinstance(part, np.ndarray) or part.ndim != 2 or part.dtype.kind != "f" or part.shape[1] == 0:
            shape = getattr(part, "shape", None)
            raise DataError(f"{path}: vectors must be floats of shape [rows, width], not {part.dtype} {shape}")
        if parts and part.shape[1] != parts[0].shape[1]:
            raise DataError(f"{path}: vectors are {part.shape[1]} wide, those of {paths[0].name} {parts[0].shape[1]}")
        parts.append(part)
    starts = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    return VectorFile(name, paths, tuple(parts), starts)
