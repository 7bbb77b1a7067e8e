"""Which starts' walks change where lists of neighbours did, without walking them all. Exact; knows no file.

A walk that changes parts from its old course at a node whose list changed, where its draw picks another entry than before.
Which entry a draw picks depends on the length of the list alone, so that it can be told of every draw without walking:

1. the footprints name the changed nodes that a start's walks may have picked from;
2. of the start's draws those are kept that would pick another entry at one of these nodes: about 1/(n + 1) of them for a
   list of n that grew by one, half of them where n crosses a power of two;
3. the walks of these draws are walked on the graph as it is now. Up to its first other pick a walk goes as it did, so that
   it has changed if, and only if, one of these draws falls where the walk stands on the node.

An entry that no longer stands where it did counts as another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.sampling import kernels
from engine.sampling.config import WalkConfig
from engine.sampling.footprints import changed_nodes, holding
from engine.sampling.walks import VISITS_A_BLOCK, in_threads
from engine.types import ChangedLists, IndexArray, ItemContextGraph, KeyArray

STARTS = 512
"""Starts looked at together, at most."""
_DRAWS = 5
"""Draws made at once for each pick; the few picks that need more make them one by one."""
_ALL = np.uint32(0xFFFFFFFF)
_NO_SPANS, _NO_CONTEXTS = np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int32)


def changed_starts(
    graph: ItemContextGraph,
    starts: IndexArray,
    filters: KeyArray,
    items: ChangedLists,
    contexts: ChangedLists,
    config: WalkConfig,
    *,
    threads: int | None = None,
) -> IndexArray:
    """The starts of which a walk changes.

    Args:
        graph: as it is now.
        starts: int32 `[B]`, item rows.
        filters: uint64 `[B, W]`, the footprints of their walks on the graph as it was.
        items, contexts: what became of the lists of neighbours.

    Returns:
        int32, some of `starts`, in their order.
    """
    lists = _Lists.of(items, contexts)
    size = max(1, min(STARTS, VISITS_A_BLOCK // (config.num_walks * config.walk_length)))
    parts = [slice(at, min(at + size, len(starts))) for at in range(0, len(starts), size)]
    changes = np.zeros(len(starts), dtype=bool)

    def work(own: Sequence[slice]) -> None:
        for part in own:
            held, node = holding(filters[part], lists.keys)
            if len(held):
                named, number = np.unique(held, return_inverse=True)
                block = _Block(graph, starts[part][named], number.astype(np.int32), node, lists, config)
                changes[part.start + named[block.changed()]] = True

    if len(lists.keys):
        in_threads(work, parts, threads)
    found: IndexArray = starts[changes]
    return found


@dataclass(frozen=True, slots=True)
class _Lists:
    """The changed lists, those of items first.

    Attributes:
        keys: uint64 `[M]`, what footprints know the nodes by.
        hop: int8 `[M]`, in which hop of a step it is picked from.
        row, before, now, same: int32 `[M]`.
        mask, most, tried: uint32, int32, int32 `[M]`: where the first draw below `most`, masked, is below `tried`, the pick is
            the same. `tried` is 0 where old and new picks are masked in different ways, so that none is taken for the same.
    """

    keys: KeyArray
    hop: NDArray[np.int8]
    row: IndexArray
    before: IndexArray
    now: IndexArray
    same: IndexArray
    mask: NDArray[np.uint32]
    most: IndexArray
    tried: IndexArray

    @staticmethod
    def of(items: ChangedLists, contexts: ChangedLists) -> _Lists:
        row, before, now, same = (
            np.concatenate([getattr(items, name), getattr(contexts, name)]).astype(np.int32)
            for name in ("rows", "before", "now", "same")
        )
        mask = _mask(now)
        alike = (_mask(before) == mask) & (before > 0) & (now > 0)
        return _Lists(
            keys=changed_nodes(items.rows, contexts.rows),
            hop=np.repeat(np.array([0, 1], dtype=np.int8), [len(items), len(contexts)]),
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
class _Picks:
    """Draws that pick another entry at a node than before.

    Attributes:
        walk: int64 `[P]`, walks of the block.
        step, hop, row: `[P]`: the walk has changed if it stands on this node then.
    """

    walk: NDArray[np.int64]
    step: NDArray[np.int64]
    hop: NDArray[np.int8]
    row: IndexArray


@dataclass(frozen=True, slots=True)
class _Block:
    """Some starts, and the changed lists that their walks may have picked from.

    Attributes:
        rows: int32 `[S]`, the starts.
        start, number: int32 `[P]`: pairs of a place in `rows` and one in `lists`, by start.
    """

    graph: ItemContextGraph
    rows: IndexArray
    start: IndexArray
    number: IndexArray
    lists: _Lists
    config: WalkConfig

    def changed(self) -> NDArray[np.bool_]:
        """bool `[S]`: whether a walk of the start changes."""
        walks = self.config.num_walks
        origin = kernels.origins(kernels.streams(np.uint64(self.config.seed), self.graph.item_key[self.rows]), walks)
        picks = self._picks(origin)
        out = np.zeros(len(self.rows), dtype=bool)
        out[picks.walk[self._stand(origin, picks)] // walks] = True
        return out

    def _picks(self, origin: KeyArray) -> _Picks:
        """What the draws of all walks would pick otherwise, were they on the nodes."""
        found = []
        for hop in (0, 1):
            own = self.lists.hop[self.number] == hop
            starts, start = np.unique(self.start[own], return_inverse=True)
            for step in range(self.config.walk_length if len(starts) else 0):
                walk, listed = self._others(origin, step, hop, starts, start.astype(np.int32), self.number[own])
                found.append((walk, np.full(len(walk), step), np.full(len(walk), hop, np.int8), self.lists.row[listed]))
        return _Picks(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def _others(
        self, origin: KeyArray, step: int, hop: int, starts: IndexArray, start: IndexArray, number: IndexArray
    ) -> tuple[NDArray[np.int64], IndexArray]:
        """Walks and the lists that they would pick other entries of.

        Args:
            starts: int32 `[S]`, some of the block's.
            start, number: int32 `[P]`: pairs of a place in `starts` and one in `lists`, by start.
        """
        lists, walks = self.lists, self.config.num_walks
        some = origin.reshape(-1, walks)[starts].ravel()
        draws = np.empty((_DRAWS, len(some)), dtype=np.uint32)
        kernels.first_draws(some, step, hop, draws)
        walk, listed = _suspects(draws, walks, start, number, lists.mask, lists.most, lists.tried)
        own = some[walk]
        first, was, now = np.empty(len(own), np.uint64), np.empty(len(own), np.int32), np.empty(len(own), np.int32)
        kernels.draw(own, step, hop, first)
        kernels.pick(own, step, hop, first, lists.before[listed], was)
        kernels.pick(own, step, hop, first, lists.now[listed], now)
        at = starts[walk // walks].astype(np.int64)
        other = (was != now) | (now >= lists.same[listed])
        if hop == 0:
            other &= ~self._at_start(step, first) | (self.rows[at] == lists.row[listed])
        return (at * walks + walk % walks)[other], listed[other]

    def _at_start(self, step: int, first: KeyArray) -> NDArray[np.bool_]:
        """Whether walks are at their starts before a step, for all that their draws tell."""
        if not step:
            return np.ones(len(first), dtype=bool)
        restarts: NDArray[np.bool_] = (first >> kernels.RESTART_SHIFT) < np.uint64(self._restart)
        return restarts

    @property
    def _restart(self) -> int:
        return round(self.config.restart * kernels.RESTART_SCALE)

    def _stand(self, origin: KeyArray, picks: _Picks) -> NDArray[np.bool_]:
        """Whether the walks of some picks stand on their nodes."""
        steps = np.zeros(len(origin), dtype=np.int64)
        np.maximum.at(steps, picks.walk, picks.step + 1)
        place = np.empty(len(origin), dtype=np.int64)
        stood = np.empty((2, self.config.walk_length, int(np.count_nonzero(steps))), dtype=np.int32)
        done = 0
        for length in range(1, self.config.walk_length + 1):
            walks = np.flatnonzero(steps == length)
            place[walks] = np.arange(done, done + len(walks))
            for at in range(0, len(walks), kernels.BLOCK * self.config.num_walks):
                part = walks[at : at + kernels.BLOCK * self.config.num_walks]
                stood[:, :length, done : done + len(part)] = self._walked(part, origin[part], length)
                done += len(part)
        on: NDArray[np.bool_] = stood[picks.hop, picks.step, place[picks.walk]] == picks.row
        return on

    def _walked(self, walks: NDArray[np.int64], origin: KeyArray, length: int) -> IndexArray:
        """The items and the contexts that the first steps of some walks pick from, int32 `[2, length, walks]`."""
        graph, out = self.graph, np.empty((3, length, len(walks)), dtype=np.int32)
        kernels.walk(
            graph.item_to_context.indptr,
            graph.item_to_context.indices,
            graph.context_to_item.indptr,
            graph.context_to_item.indices,
            _NO_SPANS,
            _NO_CONTEXTS,
            self.rows[walks // self.config.num_walks],
            origin,
            1,
            self._restart,
            out[0],
            out[1],
            out[2].reshape(len(walks), length),
        )
        return out[:2]


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
        start, number: `[P]`, see `_Block`.
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
