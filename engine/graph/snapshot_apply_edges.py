"""One kind of edge of a snapshot and what became of it -> its adjacency lists in the next one, in files.

Lists that nothing touched are copied in long runs; of the others what stays is kept in its order, and what is new is
appended, which keeps each list in creation order (`engine.graph.changes`). Knows no server and no fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.graph.changes import EdgeChanges
from engine.graph.changes_columns import Poisoned
from engine.graph.snapshot_apply_nodes import NodeUpdate
from engine.graph.snapshot_columns import offsets
from engine.graph.snapshot_csr import NO_TIME, Relation
from engine.graph.snapshot_files import link_part, relation_file
from engine.types import CSR, ChangedLists, FloatArray, IndexArray, OffsetArray, TimeArray


@dataclass(frozen=True, slots=True)
class EdgeRows:
    """What became of one kind of edge.

    Attributes:
        forward, backward: the lists of sources and of targets that changed, those of new and dead rows too.
        dropped, appended: edges; one whose time or value was written again counts as both.
    """

    forward: ChangedLists
    backward: ChangedLists
    dropped: int
    appended: int


def apply_edges(
    name: str,
    parent: Path,
    folder: Path,
    old: Relation,
    source: NodeUpdate,
    target: NodeUpdate,
    changes: EdgeChanges,
    poison: list[Poisoned],
) -> EdgeRows:
    """Write both directions of one kind of edge after `changes` into `folder`; what is the same is linked from `parent`.

    Raises:
        CorruptFileError: a file of `parent` is missing.
        DiskFullError: no space left.
    """
    edges, removed = changes.edges, changes.removed
    new = _new_edges(name, source, target, changes, poison)
    dropped = _dropped(
        source.old.index_of([*removed.source_id, *edges.source_id]),
        target.old.index_of([*removed.target_id, *edges.target_id]),
        np.concatenate([removed.time, edges.time]),
    )
    forward = _Direction(old.forward, old.backward, source, target, dropped, new)
    backward = _Direction(old.backward, old.forward, target, source, dropped.turned(), new.turned())
    for direction, way in (("forward", forward), ("backward", backward)):
        way.write(parent, folder, relation_file(name, direction))
    return EdgeRows(forward.changed, backward.changed, forward.num_dropped, len(new.row))


@dataclass(frozen=True, slots=True)
class _Ends:
    """Edges by the row they are listed in, the row they lead to, and their time, sorted by all three."""

    row: IndexArray
    other: IndexArray
    time: TimeArray

    def turned(self) -> _Ends:
        return _sorted_ends(self.other, self.row, self.time)


def _sorted_ends(row: IndexArray, other: IndexArray, time: TimeArray) -> _Ends:
    order = np.lexsort((time, other, row))
    return _Ends(row[order], other[order], time[order])


def _dropped(source: IndexArray, target: IndexArray, time: TimeArray) -> _Ends:
    there = (source >= 0) & (target >= 0)
    return _sorted_ends(source[there], target[there], time[there])


@dataclass(frozen=True, slots=True)
class _Edges:
    """New edges, as one direction lists them."""

    row: IndexArray
    other: IndexArray
    rev: NDArray[np.int64]
    time: TimeArray
    value: FloatArray

    def turned(self) -> _Edges:
        return _Edges(self.other, self.row, self.rev, self.time, self.value)


def _new_edges(
    name: str, source: NodeUpdate, target: NodeUpdate, changes: EdgeChanges, poison: list[Poisoned]
) -> _Edges:
    edges = changes.edges
    row, other = source.new.index_of(list(edges.source_id)), target.new.index_of(list(edges.target_id))
    there = (row >= 0) & (other >= 0)
    for at in np.flatnonzero(~there):
        ends = f"{edges.source_id[int(at)]} -> {edges.target_id[int(at)]}"
        poison.append(Poisoned(name, ends, "one of its ends is not there; it is left out"))
    return _Edges(row[there], other[there], edges.rev[there], edges.time[there], edges.value[there])


class _Direction:
    """One direction of a relation before and after.

    Attributes:
        touched: rows that may have lost or won an edge; `was` are those of them that were there.
        kept, added: how many entries of each touched row stay and how many come.
        stays: where those that stay stood.
        changed: the lists of touched rows that are others now.
    """

    def __init__(
        self, old: CSR, reverse: CSR, rows: NodeUpdate, others: NodeUpdate, dropped: _Ends, new: _Edges
    ) -> None:
        self.old = old
        self.num_rows = len(rows.new)
        around = reverse.indices[_positions(reverse.indptr, others.cleared)]
        touched = np.unique(np.concatenate([dropped.row, new.row, rows.cleared, around]))
        self.touched: IndexArray = touched.astype(np.int32)
        self.was = self.touched[self.touched < old.num_rows]
        order = np.lexsort((new.time, others.new.key[new.other], new.rev, new.row))
        self.new = _Edges(*(getattr(new, part)[order] for part in _Edges.__slots__))
        ends = [np.searchsorted(self.new.row, self.touched, side) for side in ("left", "right")]
        self.added = (ends[1] - ends[0]).astype(np.int64)
        stays = _stays(
            old.indptr,
            old.indices,
            np.empty(0, np.int64) if old.time is None else old.time,
            self.was,
            _mask(rows),
            _mask(others),
            np.searchsorted(dropped.row, self.was, "left"),
            np.searchsorted(dropped.row, self.was, "right"),
            dropped.other,
            dropped.time,
        )
        lengths, self.kept = (np.zeros(len(self.touched), dtype=np.int64) for _ in range(2))
        lengths[: len(self.was)] = old.indptr[self.was + 1] - old.indptr[self.was]
        self.kept[:] = np.diff(offsets(stays)[offsets(lengths)])
        self.stays = _positions(old.indptr, self.was)[stays]
        differ = (self.kept < lengths) | (self.added > 0)
        columns = (self.touched, lengths, self.kept + self.added, _at_the_front(stays, lengths))
        self.changed = ChangedLists(*(column[differ].astype(np.int32) for column in columns))
        self.num_dropped = len(stays) - len(self.stays)

    def write(self, parent: Path, folder: Path, base: str) -> None:
        old = self.old
        if not len(self.changed):
            for part in ("indices", "time", "value"):
                if getattr(old, part) is not None:
                    link_part(parent, folder, f"{base}.{part}.npy")
            if self.num_rows == old.num_rows:
                link_part(parent, folder, f"{base}.indptr.npy")
                return
        degrees = np.zeros(self.num_rows, dtype=np.int64)
        degrees[: old.num_rows] = old.degrees()
        degrees[self.touched] = self.kept + self.added
        np.save(folder / f"{base}.indptr.npy", offsets(degrees))
        if not len(self.changed):
            return
        self._splice(folder / f"{base}.indices.npy", old.indices, self.new.other)
        time, value = old.time, old.value
        if time is None and (self.new.time != NO_TIME).any():
            time = np.full(old.num_edges, NO_TIME, dtype=np.int64)
        if value is None and not np.isnan(self.new.value).all():
            value = np.full(old.num_edges, np.nan, dtype=np.float32)
        if time is not None:
            self._splice(folder / f"{base}.time.npy", time, self.new.time)
        if value is not None:
            self._splice(folder / f"{base}.value.npy", value, self.new.value)

    def _splice(self, path: Path, old: NDArray[Any], new: NDArray[Any]) -> None:
        """Write one column: the old one with the lists of the touched rows replaced."""
        kept_before, added_before = offsets(self.kept), offsets(self.added)
        fresh = np.empty(kept_before[-1] + added_before[-1], dtype=old.dtype)
        fresh[np.arange(len(self.stays)) + np.repeat(added_before[:-1], self.kept)] = old[self.stays]
        fresh[np.arange(len(new)) + np.repeat(kept_before[1:], self.added)] = new
        # Rows that were not there stand, empty, at the end.
        starts, stops = (np.full(len(self.touched), len(old), dtype=np.int64) for _ in range(2))
        starts[: len(self.was)] = self.old.indptr[self.was]
        stops[: len(self.was)] = self.old.indptr[self.was + 1]
        fresh_stops = offsets(self.kept + self.added)[1:]
        cuts = zip(starts.tolist(), stops.tolist(), fresh_stops.tolist(), strict=True)
        _write_runs(path, old.dtype, len(old) - int((stops - starts).sum()) + len(fresh), _runs(old, fresh, cuts))


def _at_the_front(stays: NDArray[np.bool_], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many entries of each list come before the first that does not stay."""
    before, left = offsets(lengths), np.flatnonzero(~stays)
    rows = np.searchsorted(before, left, "right") - 1
    front = lengths.copy()
    np.minimum.at(front, rows, left - before[rows])
    return front


def _mask(nodes: NodeUpdate) -> NDArray[np.bool_]:
    """bool `[old rows]`: those that lost their edges."""
    mask = np.zeros(len(nodes.old), dtype=bool)
    mask[nodes.cleared] = True
    return mask


def _positions(indptr: OffsetArray, rows: IndexArray) -> OffsetArray:
    """Where the entries of some rows stand, list after list."""
    lengths = indptr[rows + 1] - indptr[rows]
    before = offsets(lengths)
    found: OffsetArray = np.arange(before[-1]) + np.repeat(indptr[rows] - before[:-1], lengths)
    return found


def _runs(old: NDArray[Any], fresh: NDArray[Any], cuts: Iterable[tuple[int, int, int]]) -> Iterator[NDArray[Any]]:
    """The pieces of the new column in their order.

    Args:
        cuts: for each touched row from where to where it stood in `old`, and where its new list ends in `fresh`.
    """
    at = fresh_at = 0
    for start, stop, fresh_stop in cuts:
        if start > at:
            yield old[at:start]
        if fresh_stop > fresh_at:
            yield fresh[fresh_at:fresh_stop]
        at, fresh_at = stop, fresh_stop
    if at < len(old):
        yield old[at:]


def _write_runs(path: Path, dtype: np.dtype[Any], total: int, runs: Iterable[NDArray[Any]]) -> None:
    """Write a `.npy` file piece by piece, straight from where the pieces lie."""
    with path.open("wb") as stream:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (total,)}
        np.lib.format.write_array_header_1_0(stream, header)
        for run in runs:
            stream.write(run.data)


@compiled
def _stays(
    indptr: OffsetArray,
    indices: IndexArray,
    time: TimeArray,
    rows: IndexArray,
    cleared: NDArray[np.bool_],
    others_cleared: NDArray[np.bool_],
    first: OffsetArray,
    last: OffsetArray,
    dropped: IndexArray,
    dropped_time: TimeArray,
) -> NDArray[np.bool_]:
    """For each entry of some rows whether it stays.

    Args:
        time: empty where no edge has one.
        first, last: from where to where in `dropped`, which is sorted within a row, what each row loses stands.
    """
    total = 0
    for row in rows:
        total += indptr[row + 1] - indptr[row]
    stays = np.empty(total, dtype=np.bool_)
    out = 0
    for number in range(len(rows)):
        row = rows[number]
        for at in range(indptr[row], indptr[row + 1]):
            other = indices[at]
            stamp = time[at] if len(time) else NO_TIME
            low, high = first[number], last[number]
            while low < high:
                middle = (low + high) // 2
                if dropped[middle] < other or (dropped[middle] == other and dropped_time[middle] < stamp):
                    low = middle + 1
                else:
                    high = middle
            named = low < last[number] and dropped[low] == other and dropped_time[low] == stamp
            stays[out] = not (cleared[row] or others_cleared[other] or named)
            out += 1
    return stays
