"""The compiled passes of consistent walks. Knows arrays only.

Every walk draws from a hash of (seed, start key, walk, step, redraw), never from a shared stream: a start's stream
begins at `begin = mix(key ^ mix(seed))`, and draw number c of it is `mix(begin + c * GOLDEN)`, which is SplitMix64
(Steele, Lea and Flood, 2014) with random access. c packs walk, step, hop and redraw. A pick among n neighbours masks a
draw to the next power of two and draws again past the end, so that it is exactly uniform and one more neighbour changes
about 1/(n + 1) of the picks.

The kernel keeps a block of seeds x walks in step and does each hop in plain passes (draw; find the lists; pick; go), so
that cache misses overlap and no pass has a branch that cannot be foreseen. The live sampler calls the same `draw` and
`pick`: that is why both agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.types import IndexArray, KeyArray, OffsetArray

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
NOWHERE = -1
"""The context of a walker on an item without any."""
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
def origins(begin: KeyArray, walks: int) -> KeyArray:
    """Where each walker's part of its start's stream begins, uint64 `[B * walks]`, seed by seed."""
    origin = np.empty(len(begin) * walks, dtype=np.uint64)
    for seed in range(len(begin)):
        for walk in range(walks):
            origin[seed * walks + walk] = begin[seed] + (np.uint64(walk) << _WALK) * GOLDEN
    return origin


@compiled
def draw(origin: KeyArray, step: int, hop: int, out: KeyArray) -> None:
    """The first draw of a hop for each walker."""
    salt = ((np.uint64(step) << _STEP) | (np.uint64(hop) << _HOP)) * GOLDEN
    for at in range(len(origin)):
        out[at] = _mix(origin[at] + salt)


@compiled
def first_draws(origin: KeyArray, step: int, hop: int, out: NDArray[np.uint32]) -> None:
    """The first R draws of a hop for each walker, as far as picks use them.

    Args:
        out: uint32 `[R, walkers]`, filled.
    """
    counter = (np.uint64(step) << _STEP) | (np.uint64(hop) << _HOP)
    for again in range(len(out)):
        salt = (counter + np.uint64(again)) * GOLDEN
        for at in range(len(origin)):
            out[again, at] = np.uint32(_mix(origin[at] + salt))


@compiled
def _aimed(drawn: np.uint64, size: np.int32) -> np.uint32:
    """A draw masked to the next power of two; to all bits where there is nothing to pick from."""
    mask = np.uint32(size) - np.uint32(1)
    mask |= mask >> np.uint32(1)
    mask |= mask >> np.uint32(2)
    mask |= mask >> np.uint32(4)
    mask |= mask >> np.uint32(8)
    mask |= mask >> np.uint32(16)
    return np.uint32(drawn) & mask


@compiled
def pick(origin: KeyArray, step: int, hop: int, draws: KeyArray, size: IndexArray, out: IndexArray) -> None:
    """The position that each walker picks in its list, -1 where the list is empty.

    Args:
        draws: uint64 `[walkers]`, of `draw`.
        size: int32 `[walkers]`, the lengths of the lists.
        out: int32 `[walkers]`, filled.
    """
    again = np.empty(len(origin), dtype=np.int32)
    left = 0
    for at in range(len(origin)):
        out[at] = _aimed(draws[at], size[at])
    for at in range(len(origin)):
        again[left] = at
        left += int(np.uint32(out[at]) >= np.uint32(size[at]))
    counter = (np.uint64(step) << _STEP) | (np.uint64(hop) << _HOP)
    while left:
        counter += _1
        salt, missed = counter * GOLDEN, 0
        for number in range(left):
            at = again[number]
            if size[at] == 0:
                out[at] = -1
                continue
            position = _aimed(_mix(origin[at] + salt), size[at])
            out[at] = position
            again[missed] = at
            missed += int(position >= np.uint32(size[at]))
        left = missed


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
    restart: int,
    items: IndexArray,
    contexts: IndexArray,
    visits: IndexArray,
) -> None:
    """Walk from a block of starts.

    Args:
        start_ptr, start_idx: each start's contexts: `[B]` slots into `start_idx`, as pairs (begin, end).
        start_row: int32 `[B]`, the start's item row, or `NOT_IN_GRAPH` for a start that the graph does not hold.
        restart: the chance of a restart, times `RESTART_SCALE`.
        items: int32 `[length, B * walks]`, filled with the items each step leaves from, after the restart was decided.
        contexts: int32 `[length, B * walks]`, filled with the contexts it goes to, `NOWHERE` from an item without any.
        visits: int32 `[B, length * walks]`, filled with the items each step ends on, -1 where that was the start itself
            or the walk had nowhere to go.
    """
    origin = origins(begin, walks)
    draws = np.empty(len(origin), dtype=np.uint64)
    first = np.empty(len(origin), dtype=np.int64)
    size = np.empty(len(origin), dtype=np.int32)
    position = np.empty(len(origin), dtype=np.int32)
    now = np.empty(len(origin), dtype=np.int32)
    in_graph = (start_row >= 0).all()
    for seed in range(len(begin)):
        now[seed * walks : (seed + 1) * walks] = start_row[seed]
    for step in range(len(items)):
        draw(origin, step, 0, draws)
        _restart(draws, restart, start_row, walks, now, items[step])
        if in_graph:
            _lists(item_ptr, items[step], first, size)
        else:
            _lists_of_new(item_ptr, start_ptr, items[step], walks, first, size)
        pick(origin, step, 0, draws, size, position)
        if in_graph:
            _go(item_idx, first, position, contexts[step])
        else:
            _go_from_new(item_idx, start_idx, items[step], first, position, contexts[step])
        _lists(context_ptr, contexts[step], first, size)
        draw(origin, step, 1, draws)
        pick(origin, step, 1, draws, size, position)
        _go(context_idx, first, position, now)
        _settle(start_row, walks, position, now, visits[:, step * walks : (step + 1) * walks])


@compiled
def _restart(
    draws: KeyArray, restart: int, start_row: IndexArray, walks: int, now: IndexArray, out: IndexArray
) -> None:
    """Send walkers back to their start, or leave them where they are."""
    for seed in range(len(start_row)):
        start = start_row[seed]
        for at in range(seed * walks, (seed + 1) * walks):
            stay = now[at]
            out[at] = start if np.int64(draws[at] >> RESTART_SHIFT) < restart else stay


@compiled
def _lists(ptr: OffsetArray, rows: IndexArray, first: OffsetArray, size: IndexArray) -> None:
    """Where the list of each row begins and how long it is; row -1 has none."""
    for at in range(len(rows)):
        row = rows[at]
        if row < 0:
            size[at] = 0
            continue
        first[at] = ptr[np.uint64(row)]
        size[at] = ptr[np.uint64(row) + _1] - ptr[np.uint64(row)]


@compiled
def _lists_of_new(
    item_ptr: OffsetArray, start_ptr: OffsetArray, rows: IndexArray, walks: int, first: OffsetArray, size: IndexArray
) -> None:
    """`_lists` where a row -1 is a start outside the graph, with contexts of its own."""
    _lists(item_ptr, rows, first, size)
    for seed in range(len(start_ptr)):
        for at in range(seed * walks, (seed + 1) * walks):
            if rows[at] < 0:
                first[at] = start_ptr[seed, 0]
                size[at] = start_ptr[seed, 1] - start_ptr[seed, 0]


@compiled
def _go(idx: IndexArray, first: OffsetArray, position: IndexArray, out: IndexArray) -> None:
    """The node each walker picked, -1 where it had none to pick from."""
    for at in range(len(first)):
        out[at] = idx[np.uint64(first[at] + position[at])] if position[at] >= 0 else -1


@compiled
def _go_from_new(
    item_idx: IndexArray,
    start_idx: IndexArray,
    rows: IndexArray,
    first: OffsetArray,
    position: IndexArray,
    out: IndexArray,
) -> None:
    """`_go` where a row -1 is a start outside the graph."""
    for at in range(len(first)):
        if position[at] < 0:
            out[at] = -1
        elif rows[at] < 0:
            out[at] = start_idx[first[at] + position[at]]
        else:
            out[at] = item_idx[first[at] + position[at]]


@compiled
def _settle(start_row: IndexArray, walks: int, position: IndexArray, now: IndexArray, visits: IndexArray) -> None:
    """Take walkers that had nowhere to go back to their start, and note where the others are."""
    for seed in range(len(start_row)):
        start = start_row[seed]
        for walk in range(walks):
            at = seed * walks + walk
            there = now[at]
            item = start if position[at] < 0 else there
            now[at] = item
            visits[seed, walk] = -1 if item == start else item


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
