"""What every vector index promises, whatever it is made of. Knows no library and no file format.

A *label* is an int64 that the caller chose (the engine uses item row numbers); ids are the caller's own affair. A *score* is
the inner product of two vectors, which is the cosine where they have length 1: higher is better.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.types import FloatArray

LabelArray = NDArray[np.int64]

NO_LABEL = -1
"""Stands where there are fewer vectors than were asked for; its score is -inf."""


class Hits(NamedTuple):
    """The best matches of each query, best first.

    Attributes:
        labels: int64 `[B, k]`, `NO_LABEL` past the end.
        scores: float32 `[B, k]`, higher is better, -inf past the end.
    """

    labels: LabelArray
    scores: FloatArray


@runtime_checkable
class SearchIndex(Protocol):
    """An index that may be queried from any number of threads."""

    @property
    def dim(self) -> int:
        """The width of a vector."""
        ...

    def __len__(self) -> int:
        """How many vectors can be found."""
        ...

    def query(self, vectors: FloatArray, k: int, ef: int | None = None) -> Hits:
        """The `k` best labels of each row of `vectors`, float32 `[B, dim]`; k of them wherever there are as many.

        Args:
            ef: search breadth where the index is approximate; None takes the index's own.

        Raises:
            InputError: a vector of the wrong width or with NaN, or k below 1. Fewer than k vectors are no error.
        """
        ...


@runtime_checkable
class VectorIndex(SearchIndex, Protocol):
    """An index that changes: any number of threads may query it while another adds and removes."""

    def add(self, vectors: FloatArray, labels: LabelArray) -> None:
        """Insert float32 `[n, dim]`, or replace where a label is already there.

        Raises:
            InputError: wrong width, a non-finite value, or a label twice or below 0.
        """
        ...

    def remove(self, labels: LabelArray) -> None:
        """Take labels out of all answers from now on.

        Raises:
            InputError: a label that is not there; nothing is removed then.
        """
        ...

    def save(self, path: Path) -> None:
        """Write the index into the folder `path`, whole or not at all.

        Raises:
            DiskFullError: no space left; what was at `path` is as it was.
        """
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Open what `save` wrote.

        Raises:
            CorruptFileError: a file is missing, short, altered, or of an unknown format.
        """
        ...


def check_vectors(vectors: FloatArray, dim: int | None = None) -> FloatArray:
    """`vectors` as contiguous float32 `[n, dim]`.

    Raises:
        InputError: not two-dimensional, of another width, or with a value that is not finite (naming the row).
    """
    checked = np.ascontiguousarray(vectors, dtype=np.float32)
    if checked.ndim != 2 or checked.shape[1] == 0 or (dim is not None and checked.shape[1] != dim):
        wanted = "[n, dim]" if dim is None else f"[n, {dim}]"
        raise InputError(f"vectors have the shape {list(checked.shape)}, not {wanted}")
    # One product is quicker than a look at each value; it may overflow where no value is infinite.
    if not math.isfinite(np.vdot(checked, checked)) and not np.isfinite(checked).all():
        row = int(np.flatnonzero(~np.isfinite(checked).all(axis=1))[0])
        raise InputError(f"the vector in row {row} holds a value that is not finite")
    return checked


def check_labels(labels: LabelArray, count: int) -> LabelArray:
    """`labels` as int64 `[count]`.

    Raises:
        InputError: another length, a label below 0, or the same label twice.
    """
    checked = np.ascontiguousarray(labels, dtype=np.int64)
    if checked.shape != (count,):
        raise InputError(f"{count} vectors came with labels of the shape {list(checked.shape)}")
    if count and int(checked.min()) < 0:
        raise InputError(f"label {int(checked.min())} is below 0")
    if len(np.unique(checked)) != count:
        values, counts = np.unique(checked, return_counts=True)
        raise InputError(f"label {int(values[counts > 1][0])} is given twice")
    return checked


def check_k(k: int) -> int:
    """`k` itself.

    Raises:
        InputError: it is below 1 or no whole number.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InputError(f"k must be a whole number of at least 1, not {k!r}")
    return int(k)


def empty_hits(rows: int, k: int) -> Hits:
    """Hits in which nothing was found yet."""
    return Hits(np.full((rows, k), NO_LABEL, np.int64), np.full((rows, k), -np.inf, np.float32))
