"""Compiled passes over neighbourhoods `idx`, `weight` of the shape `[N, T]`: who has whom. Knows arrays only.

An entry without weight is no neighbour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.types import FloatArray, IndexArray

Mask = NDArray[np.bool_]


@compiled
def mark_rows_with(idx: IndexArray, weight: FloatArray, marked: Mask, out: Mask) -> None:
    """Mark in `out`, bool `[N]`, the nodes that have a marked neighbour: the reverse neighbourhoods, in one pass."""
    for row in range(len(idx)):
        for at in range(idx.shape[1]):
            if weight[row, at] > 0 and marked[idx[row, at]]:
                out[row] = True
                break


@compiled
def mark_neighbours(idx: IndexArray, weight: FloatArray, rows: IndexArray, out: Mask) -> None:
    """Mark in `out`, bool `[N]`, the neighbours of some nodes."""
    for row in rows:
        for at in range(idx.shape[1]):
            if weight[row, at] > 0:
                out[idx[row, at]] = True


@compiled
def moved_sums(idx: IndexArray, weight: FloatArray, place: IndexArray, moves: FloatArray, out: FloatArray) -> None:
    """Add up by weight how far the messages of each node's neighbours moved.

    Args:
        idx, weight: `[B, T]`, the neighbourhoods.
        place: int32 `[N]`, where a node is in `moves`; -1 for those that did not move.
        moves: float32 `[M, hidden]`.
        out: float32 `[B, hidden]`, zeros; filled.
    """
    for row in range(len(idx)):
        for at in range(idx.shape[1]):
            share = weight[row, at]
            if share > 0 and place[idx[row, at]] >= 0:
                move = moves[place[idx[row, at]]]
                for column in range(len(move)):
                    out[row, column] += share * move[column]
