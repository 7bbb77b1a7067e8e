"""Edges of the graph against those of a snapshot: one fingerprint a source, and a closer look where two differ.

The fingerprint of a source is its degree and the sum of a 64-bit mix of every neighbour's key, the edge's time and its value,
so that the order of the edges does not matter. Cypher has no hash function without APOC, and its integers overflow with an
error, so that the columns are streamed packed and mixed here, in numpy. Knows no server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.graph.snapshot import NO_TIME, NodeTable
from engine.hashing import mix64
from engine.types import CSR, IndexArray, KeyArray

Key = tuple[int, int]
"""Target row, time."""


@dataclass(frozen=True, slots=True)
class EdgeBlock:
    """Edges of some sources as the graph has them, those of one source together.

    Attributes:
        source, target: int32, rows of the snapshot; -1 for a node that it has not.
        handle: int64, the edges' own internal ids.
        rev: int64, 0 where an edge has none.
        time: int64, `NO_TIME` where an edge has none.
        value: float32, NaN where an edge has none.
    """

    source: IndexArray
    target: IndexArray
    handle: NDArray[np.int64]
    rev: NDArray[np.int64]
    time: NDArray[np.int64]
    value: NDArray[np.float32]


@dataclass(slots=True)
class EdgeFindings:
    """What differs.

    Attributes:
        new, changed: internal ids of edges to stamp.
        gone: source row, target row and time of edges that are not there any more.
    """

    new: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    gone: list[tuple[int, int, int]] = field(default_factory=list)


class EdgeComparer:
    """Compares blocks of one kind of edge with a snapshot.

    Args:
        lists: the snapshot's edges by source.
        targets: the nodes they lead to.
        since: the snapshot's watermark; edges with a later rev are in the change feed already.
    """

    def __init__(self, lists: CSR, targets: NodeTable, since: int) -> None:
        self.lists = lists
        self.keys: KeyArray = targets.key
        self.since = since
        self.seen = np.zeros(lists.num_rows, dtype=bool)
        self.found = EdgeFindings()

    def compare(self, block: EdgeBlock) -> None:
        """Take in a block; no source may come in two blocks."""
        if not len(block.source):
            return
        old = block.rev <= self.since
        # What leads to or from a node that the snapshot has not, and bears no later rev, is new.
        fresh = old & ((block.source < 0) | (block.target < 0))
        self.found.new += block.handle[fresh].tolist()
        starts = np.flatnonzero(np.diff(block.source, prepend=-2))
        ends = np.append(starts[1:], len(block.source))
        known = block.source[starts] >= 0
        rows = block.source[starts][known]
        self.seen[rows] = True
        counted = (old & ~fresh).astype(np.uint64)
        mixed = self._mixed(block.target, block.time, block.value) * counted
        degrees, prints = (np.add.reduceat(column, starts)[known] for column in (counted, mixed))
        listed_degrees, listed_prints = self._listed_prints(rows)
        differ = (degrees != listed_degrees) | (prints != listed_prints)
        for row, start, end in zip(rows[differ], starts[known][differ], ends[known][differ], strict=True):
            self._look(block, slice(int(start), int(end)), int(row))

    def finish(self, here: NDArray[np.bool_]) -> EdgeFindings:
        """What differs in all, when every block was compared.

        Args:
            here: bool, the source rows that the graph still has; those without any edge came in no block.
        """
        silent = np.flatnonzero(here & ~self.seen & (self.lists.degrees() > 0))
        for row in silent.tolist():
            self.found.gone += [(row, target, time) for (target, time), _ in self._listed(row)]
        return self.found

    def _listed_prints(self, rows: IndexArray) -> tuple[KeyArray, KeyArray]:
        """The degrees and the summed mixes of some sources in the snapshot."""
        first, count = self.lists.indptr[rows], self.lists.degrees()[rows]
        before = np.concatenate([[0], np.cumsum(count)])
        at = np.repeat(first - before[:-1], count) + np.arange(before[-1])
        time, value = self.lists.time, self.lists.value
        mixed = self._mixed(
            self.lists.indices[at],
            np.full(len(at), NO_TIME, np.int64) if time is None else time[at],
            np.full(len(at), np.nan, np.float32) if value is None else value[at],
        )
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        return count.astype(np.uint64), sums[before[1:]] - sums[before[:-1]]

    def _mixed(self, target: IndexArray, time: NDArray[np.int64], value: NDArray[np.float32]) -> KeyArray:
        bits = np.where(np.isnan(value), np.float32(np.nan), value).astype(np.float32).view(np.uint32)
        return mix64(self.keys[target] ^ mix64(time.astype(np.uint64)) ^ mix64(bits.astype(np.uint64) + np.uint64(1)))

    def _look(self, block: EdgeBlock, part: slice, row: int) -> None:
        """Edge by edge: by its ends and its time, as the change feed tells edges apart."""
        listed: dict[Key, list[float]] = {}
        for key, value in self._listed(row):
            listed.setdefault(key, []).append(value)
        there: dict[Key, list[int]] = {}
        for at in range(part.start, part.stop):
            if block.target[at] >= 0:
                there.setdefault((int(block.target[at]), int(block.time[at])), []).append(at)
        for key, places in there.items():
            if (block.rev[places] > self.since).any():
                continue
            if key not in listed:
                self.found.new += block.handle[places].tolist()
            elif _values(block.value[places]) != _values(listed[key]):
                # Edges that agree in ends and time are one to the feed: all of them come anew.
                self.found.changed += block.handle[places].tolist()
        self.found.gone += [(row, *key) for key in listed if key not in there]

    def _listed(self, row: int) -> Iterator[tuple[Key, float]]:
        lo, hi = int(self.lists.indptr[row]), int(self.lists.indptr[row + 1])
        time, value = self.lists.time, self.lists.value
        times = [NO_TIME] * (hi - lo) if time is None else time[lo:hi].tolist()
        values = [np.nan] * (hi - lo) if value is None else value[lo:hi].tolist()
        for target, when, worth in zip(self.lists.indices[lo:hi].tolist(), times, values, strict=True):
            yield (target, when), worth


def edge_block(row: Mapping[str, Sequence[Any]], sources: IndexArray, targets: IndexArray) -> EdgeBlock:
    """Pack a row of `reconcile/edges`; what is no edge to the engine, or has a malformed time, is left out.

    Args:
        sources, targets: int32, the snapshot's row of each end; -2 for a node of another kind.
    """
    times = [cell if isinstance(cell, int) else None for cell in row["times"]]
    keep = np.array([cell is not None for cell in times], dtype=bool) & (sources > -2) & (targets > -2)
    values = [float(cell) if isinstance(cell, int | float) else np.nan for cell in row["values"]]
    return EdgeBlock(
        sources[keep],
        targets[keep],
        np.array(row["edges"], dtype=np.int64)[keep],
        np.array(row["revs"], dtype=np.int64)[keep],
        np.array([NO_TIME if cell is None else cell for cell in times], dtype=np.int64)[keep],
        np.array(values, dtype=np.float32)[keep],
    )


def _values(values: Sequence[float] | NDArray[np.float32]) -> list[str]:
    return sorted(str(np.float32(value)) for value in values)
