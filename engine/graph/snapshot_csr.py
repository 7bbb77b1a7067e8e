"""Edges in any order -> adjacency lists of both directions in creation order. Knows only numbers.

Node rows are sorted by key, so a neighbour's row number stands for its key. Edges come nearly in creation order: spread
over their rows in the order of their revs, each list is sorted but for the edges of one rev, which are short runs. Where
revs tell nothing apart, the edges are spread by neighbour first.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.compiled import compiled
from engine.errors import InputError
from engine.types import CSR, FloatArray, IndexArray, OffsetArray, TimeArray

NO_TIME = -1
"""The time of an edge that has none, in a relation where others have one."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of edge in both directions.

    Attributes:
        forward: CSR from source to target rows (saves: context -> item).
        backward: CSR from target to source rows (saves: item -> context).
    """

    forward: CSR
    backward: CSR

    @property
    def num_edges(self) -> int:
        return self.forward.num_edges

    def without(self, dropped: NDArray[np.bool_]) -> Relation:
        """The relation without some edges; all others stay in their order.

        Args:
            dropped: bool `[E]`, aligned with `forward`.

        Raises:
            InputError: a mask of another length.
        """
        if dropped.shape != (self.num_edges,):
            raise InputError(f"a mask over {self.num_edges} edges has the shape {dropped.shape}")
        backward = np.empty(self.num_edges, dtype=bool)
        backward[self._in_backward()] = dropped
        return Relation(cut(self.forward, ~dropped), cut(self.backward, ~backward))

    def _in_backward(self) -> NDArray[np.int64]:
        """For each forward edge the position of the same edge in `backward`; equal edges are interchangeable."""
        fore, back = self.forward, self.backward
        extra = [name for name in ("value", "time") if getattr(fore, name) is not None]
        fore_order = np.lexsort([*(getattr(fore, name) for name in extra), fore.indices, edge_rows(fore)])
        back_order = np.lexsort([*(getattr(back, name) for name in extra), edge_rows(back), back.indices])
        positions = np.empty(self.num_edges, dtype=np.int64)
        positions[fore_order] = back_order
        return positions


def edge_rows(csr: CSR) -> IndexArray:
    """int32 `[E]`: the row that each entry of `indices` belongs to."""
    return np.repeat(np.arange(csr.num_rows, dtype=np.int32), csr.degrees())


def as_matrix(csr: CSR, width: int) -> csr_array:
    """float32 `[rows, width]`: 1 for each entry; what the lists hold is shared, not copied."""
    return csr_array((np.ones(csr.num_edges, np.float32), csr.indices, csr.indptr), shape=(csr.num_rows, width))


def cut(csr: CSR, keep: NDArray[np.bool_]) -> CSR:
    """The lists with some of their entries, bool `[E]`, alone."""
    before = np.zeros(len(keep) + 1, dtype=np.int64)
    np.cumsum(keep, out=before[1:])
    time, value = csr.time, csr.value
    return CSR(
        before[csr.indptr],
        csr.indices[keep],
        None if time is None else time[keep],
        None if value is None else value[keep],
    )


def relation(
    num_sources: int,
    num_targets: int,
    source: NDArray[Any],
    target: NDArray[Any],
    *,
    rev: NDArray[Any] | None = None,
    time: TimeArray | None = None,
    value: FloatArray | None = None,
) -> Relation:
    """Build both directions.

    Args:
        source, target: row numbers `[E]`.
        rev: int64 `[E]`, when each edge was created; None where that is unknown.
        time: int64 `[E]` epoch ms, `NO_TIME` where an edge has none; None, or all `NO_TIME`, leaves the column out.
        value: float32 `[E]`, NaN where an edge has none; None, or all NaN, leaves the column out.

    Returns:
        A relation whose lists are ordered by rev, then by the neighbour's key; parallel edges that agree in both are
        ordered by time.
    """
    edges = _Edges(
        np.ascontiguousarray(source, dtype=np.int32),
        np.ascontiguousarray(target, dtype=np.int32),
        np.empty(0, np.int64) if rev is None or _all_equal(rev) else np.ascontiguousarray(rev, dtype=np.int64),
        np.empty(0, np.int64) if time is None or (time == NO_TIME).all() else np.ascontiguousarray(time, np.int64),
        np.empty(0, np.float32) if value is None or np.isnan(value).all() else np.ascontiguousarray(value, np.float32),
    )
    if (edges.rev[1:] < edges.rev[:-1]).any():
        edges = edges.take(np.argsort(edges.rev, kind="stable"))
    with ThreadPoolExecutor(2) as pool:
        outward = pool.submit(_lists, num_sources, num_targets, edges)
        return Relation(backward=_lists(num_targets, num_sources, edges.turned()), forward=outward.result())


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges in creation order. `rev`, `time` and `value` are empty where they tell nothing apart."""

    row: IndexArray
    neighbour: IndexArray
    rev: TimeArray
    time: TimeArray
    value: FloatArray

    def take(self, order: NDArray[Any]) -> _Edges:
        rev, time, value = self.rev, self.time, self.value
        return _Edges(
            self.row[order],
            self.neighbour[order],
            rev[order] if len(rev) else rev,
            time[order] if len(time) else time,
            value[order] if len(value) else value,
        )

    def turned(self) -> _Edges:
        return replace(self, row=self.neighbour, neighbour=self.row)


def _all_equal(rev: NDArray[Any]) -> bool:
    return not len(rev) or bool(rev.min() == rev.max())


def _lists(num_rows: int, num_neighbours: int, edges: _Edges) -> CSR:
    if not len(edges.rev):
        edges = edges.take(_order(num_neighbours, edges.neighbour))
    indptr, neighbour, rev, time, value = _spread(
        num_rows, edges.row, edges.neighbour, edges.rev, edges.time, edges.value
    )
    _sort_runs(indptr, neighbour, rev, time, value)
    return CSR(indptr, neighbour, time if len(time) else None, value if len(value) else None)


@compiled
def _begins(num_rows: int, row: IndexArray) -> OffsetArray:
    indptr = np.zeros(num_rows + 1, dtype=np.int64)
    for at in row:
        indptr[at + 1] += 1
    for at in range(num_rows):
        indptr[at + 1] += indptr[at]
    return indptr


@compiled
def _order(num_rows: int, row: IndexArray) -> IndexArray:
    """The edges by row, those of a row as they come."""
    fill = _begins(num_rows, row)
    order = np.empty(len(row), dtype=np.int32)
    for edge in range(len(row)):
        order[fill[row[edge]]] = edge
        fill[row[edge]] += 1
    return order


@compiled
def _spread(
    num_rows: int, row: IndexArray, neighbour: IndexArray, rev: TimeArray, time: TimeArray, value: FloatArray
) -> tuple[OffsetArray, IndexArray, TimeArray, TimeArray, FloatArray]:
    """Distribute the edges over their rows, those of a row as they come."""
    indptr = _begins(num_rows, row)
    fill = indptr.copy()
    neighbours, revs, times, values = (
        np.empty_like(neighbour),
        np.empty_like(rev),
        np.empty_like(time),
        np.empty_like(value),
    )
    with_rev, with_time, with_value = len(rev) > 0, len(time) > 0, len(value) > 0
    for edge in range(len(row)):
        at = fill[row[edge]]
        fill[row[edge]] = at + 1
        neighbours[at] = neighbour[edge]
        if with_rev:
            revs[at] = rev[edge]
        if with_time:
            times[at] = time[edge]
        if with_value:
            values[at] = value[edge]
    return indptr, neighbours, revs, times, values


@compiled
def _sort_runs(indptr: OffsetArray, neighbour: IndexArray, rev: TimeArray, time: TimeArray, value: FloatArray) -> None:
    """Sort, in place, the edges of a row that agree in rev by neighbour and then by time."""
    with_rev, with_time = len(rev) > 0, len(time) > 0
    for at in range(len(indptr) - 1):
        low, end = indptr[at], indptr[at + 1]
        while low < end:
            high, is_sorted = low + 1, True
            while high < end and (not with_rev or rev[high] == rev[low]):
                step = neighbour[high] - neighbour[high - 1]
                if step < 0 or (step == 0 and with_time and time[high] < time[high - 1]):
                    is_sorted = False
                high += 1
            if not is_sorted:
                _sort_run(low, high, neighbour, time, value)
            low = high


@compiled
def _sort_run(low: int, high: int, neighbour: IndexArray, time: TimeArray, value: FloatArray) -> None:
    with_time, with_value = len(time) > 0, len(value) > 0
    order = np.argsort(time[low:high], kind="mergesort") if with_time else np.arange(high - low)
    order = order[np.argsort(neighbour[low:high][order], kind="mergesort")]
    neighbour[low:high] = neighbour[low:high][order]
    if with_time:
        time[low:high] = time[low:high][order]
    if with_value:
        value[low:high] = value[low:high][order]
