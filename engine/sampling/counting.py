"""The compiled count of visits: which items a start's walks came by most. Knows arrays only.

Visits of one start are counted in a small hash table; the counts are bucketed, and only what can be among the most
visited is sorted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.types import FloatArray, IndexArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.int32(-2)
_MOST = np.int64(1) << np.int64(30)
_RANK = np.int64(31)
"""An entry to sort is `(_MOST - count) << _RANK | rank`: the most visited first, ties by rank."""
_FEW = 128


@compiled
def top(visits: IndexArray, rank: IndexArray, by_rank: IndexArray, idx: IndexArray, weight: FloatArray) -> None:
    """Count each row of visits and keep the most visited, ties by rank.

    Args:
        visits: int32 `[B, V]`, -1 is no visit.
        rank, by_rank: the items' order by key and its inverse; both empty where rows are in that order already.
        idx, weight: int32 and float32 `[B, T]`, filled; -1 and 0 past the end.
    """
    wanted, length = idx.shape[1], visits.shape[1]
    bits = 4
    while (1 << bits) < 2 * length:
        bits += 1
    item = np.full(1 << bits, _EMPTY, dtype=np.int32)
    count = np.zeros(1 << bits, dtype=np.int32)
    used = np.empty(length, dtype=np.int32)
    place = np.empty(length, dtype=np.int64)
    times = np.empty(length, dtype=np.int32)
    having = np.zeros(length + 1, dtype=np.int32)
    entries = np.empty(length, dtype=np.int64)
    for seed in range(len(visits)):
        distinct = _count(visits[seed], item, count, used)
        distinct = _take(item, count, used[:distinct], rank, place, times)
        found = _leading(place[:distinct], times[:distinct], wanted, having, entries)
        kept = _smallest(entries, found, wanted)
        total = 0
        for at in range(kept):
            total += _MOST - (entries[at] >> _RANK)
        for at in range(kept):
            row = entries[at] & ((1 << _RANK) - 1)
            idx[seed, at] = row if len(by_rank) == 0 else by_rank[row]
            weight[seed, at] = (_MOST - (entries[at] >> _RANK)) / total
        for at in range(kept, wanted):
            idx[seed, at] = -1
            weight[seed, at] = 0.0


@compiled
def _count(visits: IndexArray, item: IndexArray, count: IndexArray, used: IndexArray) -> int:
    """Count into an empty hash table.

    Returns:
        How many slots are used now; `used` names them.
    """
    last = np.uint64(len(item) - 1)
    shift, size = np.uint64(64), len(item)
    while size > 1:
        shift -= np.uint64(1)
        size >>= 1
    distinct = 0
    for at in range(len(visits)):
        visited = visits[at]
        slot = (np.uint64(visited) * _GOLDEN) >> shift
        held = item[slot]
        while held != visited and held != _EMPTY:
            slot = (slot + np.uint64(1)) & last
            held = item[slot]
        item[slot] = visited
        count[slot] += 1
        used[distinct] = slot
        distinct += held == _EMPTY
    return distinct


@compiled
def _take(
    item: IndexArray,
    count: IndexArray,
    used: IndexArray,
    rank: IndexArray,
    place: NDArray[np.int64],
    times: IndexArray,
) -> int:
    """Take the counts out of the table, which is empty afterwards, without that of no visit.

    Returns:
        How many items there are; `place` holds their ranks, `times` their counts.
    """
    distinct = 0
    for at in range(len(used)):
        slot = np.uint64(used[at])
        visited = item[slot]
        times[distinct] = count[slot]
        item[slot] = _EMPTY
        count[slot] = 0
        if visited >= 0:
            place[distinct] = visited if len(rank) == 0 else rank[np.uint64(visited)]
            distinct += 1
    return distinct


@compiled
def _leading(
    place: NDArray[np.int64], times: IndexArray, wanted: int, having: IndexArray, entries: NDArray[np.int64]
) -> int:
    """Make entries of the items that can be among the `wanted` most visited.

    Those are the items visited more often than the last one wanted, and of those visited as often the low ranks. Ranks
    are spread evenly, since keys are hashes, so that a limit a little above the share that is needed lets enough pass;
    where it does not, all of them pass.

    Args:
        having: zeros, `[V + 1]`; zeros again afterwards.

    Returns:
        How many entries were made: at least `wanted`, or all.
    """
    distinct, most, highest = len(place), 0, np.int64(0)
    for at in range(distinct):
        having[times[at]] += 1
        most = max(most, times[at])
        highest = max(highest, place[at])
    level, above = most, 0
    while level > 1 and above + having[level] < wanted:
        above += having[level]
        level -= 1
    needed, equal = wanted - above, having[level]
    having[: most + 1] = 0
    limit = highest
    if needed < equal:
        limit = np.int64(highest * ((needed + 3.0 * np.sqrt(needed) + 4.0) / equal))
    found = _entries(place, times, level, limit, entries)
    if found < min(wanted, distinct):
        found = _entries(place, times, level, highest, entries)
    return found


@compiled
def _entries(
    place: NDArray[np.int64], times: IndexArray, level: int, limit: np.int64, entries: NDArray[np.int64]
) -> int:
    found = 0
    for at in range(len(place)):
        entries[found] = (_MOST - times[at]) << _RANK | place[at]
        found += (times[at] > level) | ((times[at] == level) & (place[at] <= limit))
    return found


@compiled
def _smallest(values: NDArray[np.int64], size: int, wanted: int) -> int:
    """Bring the `wanted` smallest of `values[:size]`, all different, to the front, sorted.

    Returns:
        How many those are.
    """
    lo, hi = 0, size - 1
    while lo < hi and wanted < size and size > _FEW:
        pivot = values[(lo + hi) >> 1]
        i, j = lo, hi
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted - 1 <= j:
            hi = j
        elif wanted - 1 >= i:
            lo = i
        else:
            break
    kept = min(wanted, size)
    if size > _FEW:
        values[:kept] = np.sort(values[:kept])
        return kept
    # Each value's place is the number of smaller ones: for a few, the processor compares eight at once without a branch.
    given = values[:size].copy()
    for at in range(size):
        value, smaller = given[at], 0
        for other in range(size):
            smaller += given[other] < value
        values[smaller] = value
    return kept
