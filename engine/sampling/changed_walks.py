"""Which starts' walks change where lists of neighbours did, without walking them all. Exact; knows no file.

A walk that changes parts from its old course at a node whose list changed, where its draw picks another entry than before:

1. the footprints name the changed nodes that a start's walks may have picked from;
2. of the start's draws those are kept that would pick another entry at one of these nodes, which can be told of each draw
   without walking (`picks`);
3. the walks of these draws are walked on the graph as it is now. Up to its first other pick a walk goes as it did, so that
   it has changed if, and only if, one of these draws falls where the walk stands on the node.

An entry that no longer stands where it did counts as another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.sampling import kernels
from engine.sampling.config import WalkConfig
from engine.sampling.footprints import holding
from engine.sampling.picks import Hop, Lists, Others
from engine.sampling.walks import VISITS_A_BLOCK, in_threads
from engine.types import ChangedLists, IndexArray, ItemContextGraph, KeyArray

STARTS = 512
"""Starts looked at together, at most."""
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
    lists = Lists.of(items, contexts)
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
    lists: Lists
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
        found, of_item = [], self.number < self.lists.items
        for number, own in enumerate((of_item, ~of_item)):
            if own.any():
                hop = Hop(self.lists, origin, self.config.num_walks, number, self.start[own], self.number[own])
                found += [self._possible(hop.others(step), step, number) for step in range(self.config.walk_length)]
        return _Picks(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def _possible(self, others: Others, step: int, hop: int) -> tuple[NDArray[Any], ...]:
        """Columns of `_Picks`, without the picks from lists of items that the walks are not on, being at their starts."""
        walk, row = others.walk, self.lists.row[others.listed]
        if hop == 0:
            there = ~self._at_start(step, others.first) | (self.rows[walk // self.config.num_walks] == row)
            walk, row = walk[there], row[there]
        return walk, np.full(len(walk), step), np.full(len(walk), hop, np.int8), row

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
