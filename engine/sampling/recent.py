"""The most recent neighbours before a time, out of a snapshot's lists. Knows no model and no server.

What is at or after the time is out of reach, and so is an edge without a time: nobody can tell that it came before. Edges of
one time are ordered by the neighbour's key. `engine.sampling.live_times` answers the same from Neo4j.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.compiled import compiled
from engine.errors import InputError
from engine.graph.snapshot_csr import edge_rows
from engine.types import CSR, IndexArray, KeyOrder, OffsetArray, TimeArray


def by_time(lists: CSR, order: KeyOrder) -> CSR:
    """The lists, oldest edge first, equal times by the neighbour's key; edges without a time are left out.

    Args:
        order: of the neighbours' keys.
    """
    if lists.time is None:
        none = np.empty(0, np.int64)
        return CSR(np.zeros(lists.num_rows + 1, np.int64), np.empty(0, np.int32), none)
    row = edge_rows(lists)
    sort = np.lexsort((order.ranks(lists.indices), lists.time, row))
    sort = sort[lists.time[sort] >= 0]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[sort], minlength=lists.num_rows))]).astype(np.int64)
    value = None if lists.value is None else lists.value[sort]
    return CSR(indptr, lists.indices[sort], lists.time[sort], value)


def recent(lists: CSR, rows: IndexArray, before: TimeArray, most: int) -> CSR:
    """The last edges of some rows before a time each, at most `most`, oldest first.

    Args:
        lists: what `by_time` made.
        rows: int32 `[B]`; a row may come again.
        before: int64 `[B]` epoch ms.

    Returns:
        A CSR with one row for each of `rows`.

    Raises:
        InputError: `most` is less than 1, or not one time for each row.
    """
    if most < 1 or len(rows) != len(before):
        raise InputError(
            f"most must be at least 1, and each row needs a time; got {most}, {len(rows)} and {len(before)}"
        )
    assert lists.time is not None
    indptr, position = _recent(lists.indptr, lists.time, np.asarray(rows, np.int32), np.asarray(before, np.int64), most)
    value = None if lists.value is None else lists.value[position]
    return replace(lists, indptr=indptr, indices=lists.indices[position], time=lists.time[position], value=value)


@compiled
def _recent(
    indptr: OffsetArray, time: TimeArray, rows: IndexArray, before: TimeArray, most: int
) -> tuple[OffsetArray, OffsetArray]:
    ends = np.empty(len(rows), np.int64)
    found = np.zeros(len(rows) + 1, np.int64)
    for at in range(len(rows)):
        first, end = indptr[rows[at]], indptr[rows[at] + 1]
        low, high = first, end
        while low < high:
            middle = (low + high) // 2
            if time[middle] < before[at]:
                low = middle + 1
            else:
                high = middle
        ends[at] = low
        found[at + 1] = found[at] + min(low - first, most)
    position = np.empty(found[-1], np.int64)
    for at in range(len(rows)):
        size = found[at + 1] - found[at]
        for place in range(size):
            position[found[at] + place] = ends[at] - size + place
    return found, position
