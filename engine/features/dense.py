"""Numbers and vectors -> standardised columns with a missing indicator. Knows fields, not graphs and not models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError, InputError
from engine.graph.snapshot_columns import NodeTable
from engine.types import FloatArray

DENSE_KINDS = ("numeric", "vector")
FLAT = 1e-6
"""A column that varies less than this is taken as constant and only centred."""


@dataclass(frozen=True, slots=True)
class DenseField:
    """How one field is standardised.

    Attributes:
        name: of the field.
        kind: "numeric" or "vector".
        mean: float32 `[W]`, over the items that have it.
        scale: float32 `[W]`. A number is divided by its standard deviation; a vector by the root mean square of its
            centred components times the root of W, so that a vector counts as much as a number.
    """

    name: str
    kind: str
    mean: FloatArray
    scale: FloatArray

    @property
    def width(self) -> int:
        """Columns made of the field, its missing indicator included."""
        return len(self.mean) + 1


def fit_dense(items: NodeTable) -> tuple[DenseField, ...]:
    """Learn mean and scale of every numeric and vector field, in alphabetical order.

    Raises:
        DataError: an infinite value, or a vector with some components missing, naming the item and the field.
    """
    fitted = []
    for name, column in sorted(items.fields.items()):
        if column.kind not in DENSE_KINDS:
            continue
        cells = _cells(items, name)
        have = cells[~np.isnan(cells).any(axis=1)]
        mean = have.mean(axis=0) if len(have) else np.zeros(cells.shape[1])
        spread = have.std(axis=0) if len(have) else np.ones(cells.shape[1])
        if column.kind == "vector":
            spread = np.full_like(spread, np.sqrt(np.mean(spread**2) * len(spread)))
        spread = np.where(spread < FLAT, 1.0, spread)
        fitted.append(DenseField(name, column.kind, mean.astype(np.float32), spread.astype(np.float32)))
    return tuple(fitted)


def dense_matrix(items: NodeTable, fields: tuple[DenseField, ...]) -> FloatArray:
    """Standardise; a missing value is 0 and its indicator 1. A field that `items` lacks is missing everywhere.

    Returns:
        float32 `[N, sum of widths]`.

    Raises:
        DataError: as for `fit_dense`.
        InputError: a vector of another width than the fitted one, naming the field.
    """
    out = np.zeros((len(items), sum(field.width for field in fields)), dtype=np.float32)
    at = 0
    for field in fields:
        stop = at + field.width - 1
        if field.name not in items.fields:
            out[:, stop] = 1
        else:
            cells = _cells(items, field.name)
            if cells.shape[1] != len(field.mean):
                raise InputError(
                    f"field {field.name!r}: the vectors are {cells.shape[1]} wide, the model was trained on {len(field.mean)}"
                )
            missing = np.asarray(np.isnan(cells).any(axis=1))
            out[:, at:stop] = np.where(missing[:, None], 0, (cells - field.mean) / field.scale)
            out[:, stop] = missing
        at = stop + 1
    return out


def _cells(items: NodeTable, name: str) -> NDArray[np.float64]:
    """One field as `[N, W]`; a missing cell is a row of NaN."""
    column = items.fields[name]
    cells = np.asarray(column.values, dtype=np.float64)
    cells = cells[:, None] if cells.ndim == 1 else cells
    nan: NDArray[np.bool_] = np.isnan(cells)
    bad = np.asarray(np.isinf(cells).any(axis=1) | (nan.any(axis=1) & ~nan.all(axis=1)))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"item {items.ids[row]!r}, field {name!r}: the value is not finite",
            hint="Correct the value, or leave the whole cell empty when it is unknown.",
        )
    return cells
