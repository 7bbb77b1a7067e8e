"""Which draws pick another entry than before from lists of neighbours that changed. Knows no graph and walks nowhere.

Which entry a draw picks depends on the length of the list alone. So, of a list of n that grew by one, about one draw in n + 1
picks another entry; half of them do where n crosses a power of two; and those past the first entry that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.sampling import kernels
from engine.sampling.footprints import changed_nodes
from engine.types import ChangedLists, IndexArray, KeyArray

_DRAWS = 5
"""Draws made at once for each pick; the few picks that need more make them one by one."""
_ALL = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Lists:
    """The changed lists of items, which the first hop of a step picks from, and then those of contexts.

    Attributes:
        keys: uint64 `[M]`, what footprints know the nodes by.
        items: how many of them are items.
        row, before, now, same: int32 `[M]`, see `ChangedLists`.
        mask, most, tried: uint32, int32, int32 `[M]`: where the first draw below `most`, masked, is below `tried`, the pick is
            the same. `tried` is 0 where old and new picks are masked in different ways, so that none is taken for the same.
    """

    keys: KeyArray
    items: int
    row: IndexArray
    before: IndexArray
    now: IndexArray
    same: IndexArray
    mask: NDArray[np.uint32]
    most: IndexArray
    tried: IndexArray

    @staticmethod
    def of(items: ChangedLists, contexts: ChangedLists) -> Lists:
        """The changed lists of both kinds of node."""
        row, before, now, same = (
            np.concatenate([getattr(items, name), getattr(contexts, name)]).astype(np.int32)
            for name in ("rows", "before", "now", "same")
        )
        mask = _mask(now)
        alike = (_mask(before) == mask) & (before > 0) & (now > 0)
        return Lists(
            keys=changed_nodes(items.rows, contexts.rows),
            items=len(items),
            row=row,
            before=before,
            now=now,
            same=same,
            mask=np.where(alike, mask, _ALL),
            most=np.maximum(before, now),
            tried=np.where(alike, same, 0).astype(np.int32),
        )


def _mask(size: IndexArray) -> NDArray[np.uint32]:
    """What `kernels.pick` masks draws with."""
    bits = np.ceil(np.log2(np.maximum(size, 1))).astype(np.uint64)
    return ((np.uint64(1) << bits) - np.uint64(1)).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Others:
    """Draws that pick another entry of a list than before.

    Attributes:
        walk: int64 `[P]`, whose draw it is.
        listed: int32 `[P]`, of which list.
        first: uint64 `[P]`, the draw.
    """

    walk: NDArray[np.int64]
    listed: IndexArray
    first: KeyArray


class Hop:
    """The draws that some starts make for one hop of each step.

    Args:
        origin: uint64 `[S * walks]`, where each walk's part of its start's stream begins.
        hop: 0 or 1.
        start, number: int32 `[P]`: pairs of a start and a list that its walks may pick from, by start.
    """

    def __init__(
        self, lists: Lists, origin: KeyArray, walks: int, hop: int, start: IndexArray, number: IndexArray
    ) -> None:
        self.lists, self.walks, self.hop, self.number = lists, walks, hop, number
        self.starts, at = np.unique(start, return_inverse=True)
        self.at = at.astype(np.int32)
        self.origin = origin.reshape(-1, walks)[self.starts].ravel()
        self.draws = np.empty((_DRAWS, len(self.origin)), dtype=np.uint32)

    def others(self, step: int) -> Others:
        """The draws of one step that pick otherwise."""
        lists, hop = self.lists, self.hop
        kernels.first_draws(self.origin, step, hop, self.draws)
        walk, listed = _suspects(self.draws, self.walks, self.at, self.number, lists.mask, lists.most, lists.tried)
        origin = self.origin[walk]
        first = np.empty(len(walk), dtype=np.uint64)
        was, now = np.empty((2, len(walk)), dtype=np.int32)
        kernels.draw(origin, step, hop, first)
        kernels.pick(origin, step, hop, first, lists.before[listed], was)
        kernels.pick(origin, step, hop, first, lists.now[listed], now)
        other = (was != now) | (now >= lists.same[listed])
        walk, listed = walk[other], listed[other]
        return Others(self.starts[walk // self.walks] * np.int64(self.walks) + walk % self.walks, listed, first[other])


@compiled
def _suspects(
    draws: NDArray[np.uint32],
    walks: int,
    start: IndexArray,
    number: IndexArray,
    mask: NDArray[np.uint32],
    most: IndexArray,
    tried: IndexArray,
) -> tuple[NDArray[np.int64], IndexArray]:
    """The walks whose picks may be others, and of which lists. The rest, nearly all, keep their picks.

    Args:
        draws: uint32 `[R, S * walks]`, the first ones of one pick of each walk.
        start, number: int32 `[P]`, see `Hop`.
    """
    walk, listed, found = np.empty(1024, dtype=np.int64), np.empty(1024, dtype=np.int32), 0
    picked, other = np.empty(walks, dtype=np.uint32), np.zeros(walks + 8, dtype=np.uint8)
    eights = other[: (walks + 7) // 8 * 8].view(np.uint64)
    for pair in range(len(start)):
        begin, list_ = start[pair] * walks, number[pair]
        _settle(draws, begin, mask[list_], np.uint32(most[list_]), picked)
        _compare(picked, np.uint32(tried[list_]), other[:walks])
        while found + walks >= len(walk):
            walk, listed = np.concatenate((walk, walk)), np.concatenate((listed, listed))
        for eight in range(len(eights)):
            if eights[eight]:
                for at in range(eight * 8, eight * 8 + 8):
                    walk[found], listed[found] = begin + at, list_
                    found += int(other[at])
    return walk[:found], listed[:found]


@compiled
def _settle(draws: NDArray[np.uint32], begin: int, mask: np.uint32, end: np.uint32, picked: NDArray[np.uint32]) -> None:
    """The first of some walks' masked draws that is below `end`; the last one where none is."""
    first = draws[0][begin : begin + len(picked)]
    for at in range(len(picked)):
        picked[at] = first[at] & mask
    for again in range(1, len(draws)):
        drawn = draws[again][begin : begin + len(picked)]
        for at in range(len(picked)):
            here = picked[at]
            picked[at] = np.uint32(drawn[at] & mask) if here >= end else here


@compiled
def _compare(picked: NDArray[np.uint32], kept: np.uint32, other: NDArray[np.uint8]) -> None:
    for at in range(len(picked)):
        other[at] = np.uint8(picked[at] >= kept)
