"""The compiled passes of consistent walks. Knows arrays only.

Every walk draws from a hash of (seed, start key, walk, step, redraw), never from a shared stream: a start's stream
begins at `begin = mix(key ^ mix(seed))`, and draw number c of it is `mix(begin + c * GOLDEN)`, which is SplitMix64
(Steele, Lea and Flood, 2014) with random access. c packs walk, step, hop and redraw. A pick among n neighbours masks a
draw to the next power of two and draws again past the end, so that it is exactly uniform and one more neighbour changes
about 1/(n + 1) of the picks.

The kernel keeps a block of seeds x walks in step and does each hop in plain passes (hash and offsets; pick; gather), so
that cache misses overlap. The live sampler calls the same `first_draws` and `picks`: that is why both agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.types import FloatArray, IndexArray, KeyArray, OffsetArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MUL1, _MUL2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_1, _30, _27, _31 = np.uint64(1), np.uint64(30), np.uint64(27), np.uint64(31)
_WALK, _STEP, _HOP = np.uint64(20), np.uint64(9), np.uint64(8)
RESTART_SHIFT = np.uint64(40)
RESTART_SCALE = 1 << 24
"""A step's first draw serves twice: bits 40 to 63 against `restart * RESTART_SCALE` decide on the restart, the low bits
pick the context. A pick uses 31 bits at most, so that the two are independent."""
NOT_IN_GRAPH = -1
"""The row of a start node that the graph does not hold."""
BLOCK = 64
"""Seeds in step."""


@compiled
def _mix(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> _30)) * _MUL1
    z = (z ^ (z >> _27)) * _MUL2
    return z ^ (z >> _31)


@compiled
def streams(seed: np.uint64, keys: KeyArray) -> KeyArray:
    """Where each start's stream begins, uint64 `[B]`."""
    begin = np.empty(len(keys), dtype=np.uint64)
    salt = _mix(seed + GOLDEN)
    for at in range(len(keys)):
        begin[at] = _mix(keys[at] ^ salt)
    return begin


@compiled
def first_draws(begin: KeyArray, walks: int, step: int, hop: int, out: KeyArray) -> None:
    """The first draw of a hop for `[B * walks]` walkers, seed by seed."""
    base = (np.uint64(step) << _STEP) | (np.uint64(hop) << _HOP)
    at = 0
    for seed in range(len(begin)):
        for walk in range(walks):
            out[at] = _mix(begin[seed] + ((np.uint64(walk) << _WALK) | base) * GOLDEN)
            at += 1


@compiled
def picks(
    begin: KeyArray, walks: int, step: int, hop: int, draws: KeyArray, degree: IndexArray, out: IndexArray
) -> None:
    """The position in its list that each walker picks, -1 where the list is empty."""
    base = (np.uint64(step) << _STEP) | (np.uint64(hop) << _HOP)
    at = 0
    for seed in range(len(begin)):
        for walk in range(walks):
            size = degree[at]
            if size <= 0:
                out[at] = -1
            else:
                mask = np.uint64(size - 1)
                mask |= mask >> np.uint64(1)
                mask |= mask >> np.uint64(2)
                mask |= mask >> np.uint64(4)
                mask |= mask >> np.uint64(8)
                mask |= mask >> np.uint64(16)
                position = np.int64(draws[at] & mask)
                counter = (np.uint64(walk) << _WALK) | base
                while position >= size:
                    counter += np.uint64(1)
                    position = np.int64(_mix(begin[seed] + counter * GOLDEN) & mask)
                out[at] = position
            at += 1


@compiled
def walk(
    item_ptr: OffsetArray,
    item_idx: IndexArray,
    context_ptr: OffsetArray,
    context_idx: IndexArray,
    start_ptr: OffsetArray,
    start_idx: IndexArray,
    start_row: IndexArray,
    begin: KeyArray,
    walks: int,
    length: int,
    restart: int,
    visits: IndexArray,
) -> None:
    """Walk from a block of starts.

    Args:
        start_ptr, start_idx: each start's contexts: `[B]` slots into `start_idx`, as pairs (begin, end).
        start_row: int32 `[B]`, the start's item row, or -1 for a start that is not in the graph.
        visits: int32 `[B, walks * length]`, filled with the items stood on, -1 where that was the start itself or the
            walk had nowhere to go.
    """
    total = len(begin) * walks
    at_item = np.empty(total, dtype=np.int32)
    draws = np.empty(total, dtype=np.uint64)
    first = np.empty(total, dtype=np.uint64)
    degree = np.empty(total, dtype=np.int32)
    position = np.empty(total, dtype=np.int32)
    in_graph = (start_row >= 0).all()
    for seed in range(len(begin)):
        at_item[seed * walks : (seed + 1) * walks] = start_row[seed]
    for step in range(length):
        first_draws(begin, walks, step, 0, draws)
        for seed in range(len(begin)):
            start = start_row[seed]
            for at in range(seed * walks, (seed + 1) * walks):
                back = np.int64(draws[at] >> RESTART_SHIFT) < restart
                at_item[at] = start if back else at_item[at]
        if in_graph:
            for at in range(total):
                item = np.uint64(at_item[at])
                first[at] = item_ptr[item]
                degree[at] = item_ptr[item + _1] - item_ptr[item]
        else:
            _offsets_of_new(item_ptr, start_ptr, at_item, walks, first, degree)
        picks(begin, walks, step, 0, draws, degree, position)
        for at in range(total):
            if position[at] < 0:
                degree[at] = 0
                continue
            place = first[at] + np.uint64(position[at])
            context = np.uint64(item_idx[place] if in_graph or at_item[at] >= 0 else start_idx[place])
            first[at] = context_ptr[context]
            degree[at] = context_ptr[context + _1] - context_ptr[context]
        first_draws(begin, walks, step, 1, draws)
        picks(begin, walks, step, 1, draws, degree, position)
        for seed in range(len(begin)):
            start = start_row[seed]
            for number in range(walks):
                at = seed * walks + number
                item = start if position[at] < 0 else context_idx[first[at] + np.uint64(position[at])]
                at_item[at] = item
                visits[seed, number * length + step] = -1 if item == start else item


@compiled
def _offsets_of_new(
    item_ptr: OffsetArray,
    start_ptr: OffsetArray,
    at_item: IndexArray,
    walks: int,
    first: KeyArray,
    degree: IndexArray,
) -> None:
    """Offsets where a start may be outside the graph, with contexts of its own."""
    for seed in range(len(start_ptr)):
        for at in range(seed * walks, (seed + 1) * walks):
            item = at_item[at]
            if item < 0:
                first[at] = start_ptr[seed, 0]
                degree[at] = start_ptr[seed, 1] - start_ptr[seed, 0]
            else:
                first[at] = item_ptr[item]
                degree[at] = item_ptr[item + 1] - item_ptr[item]


@compiled
def _smallest(values: NDArray[np.int64], size: int, wanted: int) -> None:
    """Bring the `wanted` smallest of `values[:size]` to the front, sorted."""
    lo, hi = 0, size - 1
    while lo < hi and wanted < size:
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
    wanted = min(wanted, size)
    if wanted > 128:
        values[:wanted] = np.sort(values[:wanted])
        return
    for i in range(1, wanted):
        value = values[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value


@compiled
def top(visits: IndexArray, rank: IndexArray, by_rank: IndexArray, idx: IndexArray, weight: FloatArray) -> None:
    """Count each row of visits and keep the most visited, ties by rank.

    Args:
        visits: int32 `[B, V]`, -1 is no visit.
        rank, by_rank: the items' order by key and its inverse; both empty where rows are in that order already.
        idx, weight: int32 and float32 `[B, T]`, filled; -1 and 0 past the end.
    """
    wanted = idx.shape[1]
    bits = 4
    while (1 << bits) < 2 * visits.shape[1]:
        bits += 1
    slots, shift = 1 << bits, np.uint64(64 - bits)
    item = np.full(slots, -1, dtype=np.int32)
    count = np.zeros(slots, dtype=np.int32)
    used = np.empty(visits.shape[1], dtype=np.int32)
    order = np.empty(visits.shape[1], dtype=np.int64)
    for seed in range(len(visits)):
        distinct = 0
        for visited in visits[seed]:
            if visited < 0:
                continue
            slot = np.int64((np.uint64(visited) * GOLDEN) >> shift)
            while item[slot] >= 0 and item[slot] != visited:
                slot = (slot + 1) & (slots - 1)
            if item[slot] < 0:
                item[slot] = visited
                used[distinct] = slot
                distinct += 1
            count[slot] += 1
        for at in range(distinct):
            slot = used[at]
            place = item[slot] if len(rank) == 0 else rank[item[slot]]
            order[at] = ((np.int64(1) << 30) - count[slot]) << 31 | np.int64(place)
            item[slot] = -1
            count[slot] = 0
        _smallest(order, distinct, wanted)
        kept = min(wanted, distinct)
        total = 0
        for at in range(kept):
            total += (1 << 30) - (order[at] >> 31)
        for at in range(wanted):
            if at < kept:
                place = order[at] & ((1 << 31) - 1)
                idx[seed, at] = place if len(by_rank) == 0 else by_rank[place]
                weight[seed, at] = ((1 << 30) - (order[at] >> 31)) / total
            else:
                idx[seed, at] = -1
                weight[seed, at] = 0.0


@compiled
def draw_from_range(ranked: IndexArray, begin: KeyArray, low: int, high: int, out: IndexArray) -> None:
    """Shuffle the ranks `[low, high)` of each row of `ranked` (-1 past its end) and fill `out` from the front.

    A row with fewer than `high` entries is cut in proportion; a range shorter than a row of `out` is gone through again.
    """
    for row in range(len(ranked)):
        size = 0
        while size < ranked.shape[1] and ranked[row, size] >= 0:
            size += 1
        first = low if size >= high else size * low // high
        held = min(size, high) - first
        pool = ranked[row, first : first + held].copy()
        for at in range(out.shape[1]):
            if held == 0:
                out[row, at] = -1
                continue
            done = at % held
            # The remainder's bias is held / 2^64: nothing can tell.
            other = done + np.int64(_mix(begin[row] + np.uint64(at) * GOLDEN) % np.uint64(held - done))
            pool[done], pool[other] = pool[other], pool[done]
            out[row, at] = pool[done]
