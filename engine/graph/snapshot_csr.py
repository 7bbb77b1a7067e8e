"""Edges in any order -> adjacency lists of both directions in creation order. Knows only numbers.

Node rows are sorted by key, so a neighbour's row number stands for its key. Spreading the edges over one side and then,
in that order, over the other leaves each list sorted by neighbour; a stable sort of each list by rev does the rest.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        return Relation(_cut(self.forward, ~dropped), _cut(self.backward, ~backward))

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


def _cut(csr: CSR, keep: NDArray[np.bool_]) -> CSR:
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
    source = np.ascontiguousarray(source, dtype=np.int32)
    target = np.ascontiguousarray(target, dtype=np.int32)
    if time is not None and not (time != NO_TIME).any():
        time = None
    if value is not None and np.isnan(value).all():
        value = None
    everything = np.arange(len(source), dtype=np.int32)
    _, by_source = _spread(num_sources, source, everything)
    backward_ptr, backward = _spread(num_targets, target, by_source)
    forward_ptr, forward = _spread(num_sources, source, backward)
    stamps = None if rev is None else np.ascontiguousarray(rev, dtype=np.int64)
    several = stamps is not None and len(stamps) > 0 and stamps.min() != stamps.max()

    def finished(indptr: OffsetArray, edge: IndexArray, neighbour: IndexArray) -> CSR:
        if stamps is not None and several:
            _sort_rows(indptr, edge, stamps)
        if time is not None:
            _sort_parallel(indptr, edge, neighbour, np.zeros_like(time) if stamps is None else stamps, time)
        return CSR(
            indptr, neighbour[edge], None if time is None else time[edge], None if value is None else value[edge]
        )

    with ThreadPoolExecutor(2) as pool:
        outward = pool.submit(finished, forward_ptr, forward, target)
        return Relation(backward=finished(backward_ptr, backward, source), forward=outward.result())


@compiled
def _spread(num_rows: int, row: IndexArray, edges: IndexArray) -> tuple[OffsetArray, IndexArray]:
    """Distribute `edges` (edge numbers, in this order) over the rows they belong to."""
    indptr = np.zeros(num_rows + 1, dtype=np.int64)
    for edge in edges:
        indptr[row[edge] + 1] += 1
    for at in range(num_rows):
        indptr[at + 1] += indptr[at]
    fill = indptr[:-1].copy()
    spread = np.empty(len(edges), dtype=np.int32)
    for edge in edges:
        at = row[edge]
        spread[fill[at]] = edge
        fill[at] += 1
    return indptr, spread


@compiled
def _sort_rows(indptr: OffsetArray, edges: IndexArray, rev: TimeArray) -> None:
    """Sort each row's edge numbers by rev in place, keeping the order of equals."""
    for at in range(len(indptr) - 1):
        lo, hi = indptr[at], indptr[at + 1]
        if hi - lo > 64:
            part = edges[lo:hi].copy()
            stamps = rev[part]
            if (stamps[1:] < stamps[:-1]).any():
                edges[lo:hi] = part[np.argsort(stamps, kind="mergesort")]
            continue
        for i in range(lo + 1, hi):
            edge = edges[i]
            stamp = rev[edge]
            j = i - 1
            while j >= lo and rev[edges[j]] > stamp:
                edges[j + 1] = edges[j]
                j -= 1
            edges[j + 1] = edge


@compiled
def _sort_parallel(
    indptr: OffsetArray, edges: IndexArray, neighbour: IndexArray, rev: TimeArray, time: TimeArray
) -> None:
    """Sort, in place and by time, the edges of a row that agree in neighbour and rev."""
    for at in range(len(indptr) - 1):
        for i in range(indptr[at] + 1, indptr[at + 1]):
            edge = edges[i]
            j = i - 1
            while j >= indptr[at]:
                before = edges[j]
                if neighbour[before] != neighbour[edge] or rev[before] != rev[edge] or time[before] <= time[edge]:
                    break
                edges[j + 1] = before
                j -= 1
            edges[j + 1] = edge
