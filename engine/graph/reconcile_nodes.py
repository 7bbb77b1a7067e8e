"""Nodes of the graph against those of a snapshot, a block at a time: which are new, which say something else. Knows no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.graph.changes_columns import Poisoned, node_columns
from engine.graph.snapshot import FieldColumn, NodeTable
from engine.graph.snapshot_columns import FieldKind
from engine.types import IndexArray


@dataclass(slots=True)
class NodeFindings:
    """What differs; internal ids of nodes to stamp."""

    new: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)


class NodeComparer:
    """Compares blocks of one kind of node with a snapshot.

    Args:
        since: the snapshot's watermark; nodes with a later rev are in the change feed already, as they are now.
        widths: vector field -> floats in it.

    Attributes:
        here: bool, the rows of the snapshot that the graph has.
        rows: internal id -> row of the snapshot, -1 for a node that it has not. Of what was compared so far.
    """

    def __init__(
        self, kind: str, table: NodeTable, fields: Mapping[str, FieldKind], widths: Mapping[str, int], since: int
    ) -> None:
        self.kind = kind
        self.table = table
        self.fields = fields
        self.widths = widths
        self.since = since
        self.here = np.zeros(len(table), dtype=bool)
        self.found = NodeFindings()
        self._handles: list[NDArray[np.int64]] = []
        self._rows: list[IndexArray] = []

    def compare(self, row: Mapping[str, Sequence[Any]]) -> None:
        """Take in a row of `reconcile/nodes`."""
        poison: list[Poisoned] = []
        packed = {**row, "corpora": row["corpora"] if self.kind == "items" else None}
        block = node_columns(self.kind, [packed], self.fields, self.widths, poison)
        place = {node_id: at for at, node_id in enumerate(row["ids"]) if isinstance(node_id, str)}
        places = np.array([place[node_id] for node_id in block.ids], dtype=np.int64)
        handles = np.array(row["handles"], dtype=np.int64)[places]
        revs = np.array(row["revs"], dtype=np.int64)[places]
        rows = self.table.index_of(list(block.ids))
        self.here[rows[rows >= 0]] = True
        self._handles.append(handles)
        self._rows.append(rows)
        unstamped = revs <= self.since
        self.found.new += handles[unstamped & (rows < 0)].tolist()
        at = np.flatnonzero(unstamped & (rows >= 0))
        self.found.changed += handles[at[self._differs(block, at, rows[at])]].tolist()

    def rows_of(self, handles: NDArray[np.int64]) -> IndexArray:
        """The rows of nodes by their internal ids: -1 for one that the snapshot has not, -2 for one of another kind."""
        order = self._order()
        if not len(order[0]):
            return np.full(len(handles), -2, dtype=np.int32)
        at = np.minimum(np.searchsorted(order[0], handles), len(order[0]) - 1)
        return np.where(order[0][at] == handles, order[1][at], -2).astype(np.int32)

    def gone(self) -> IndexArray:
        """The rows of the snapshot's nodes that the graph has no more."""
        return np.flatnonzero(self.table.alive & ~self.here).astype(np.int32)

    def _order(self) -> tuple[NDArray[np.int64], IndexArray]:
        if len(self._handles) != 1:
            handles = np.concatenate([np.empty(0, np.int64), *self._handles])
            rows = np.concatenate([np.empty(0, np.int32), *self._rows])
            order = np.argsort(handles)
            self._handles, self._rows = [handles[order]], [rows[order]]
        elif (self._handles[0][1:] < self._handles[0][:-1]).any():
            order = np.argsort(self._handles[0])
            self._handles, self._rows = [self._handles[0][order]], [self._rows[0][order]]
        return self._handles[0], self._rows[0]

    def _differs(self, block: NodeTable, at: NDArray[np.int64], rows: IndexArray) -> NDArray[np.bool_]:
        """bool, whether the nodes at some places of a block say something else than these rows of the snapshot."""
        differs = np.zeros(len(at), dtype=bool)
        if self.kind == "items":
            now = np.array(block.corpora, dtype=object)[block.corpus[at]]
            differs |= np.asarray(now != np.array(self.table.corpora, dtype=object)[self.table.corpus[rows]])
        for name, column in block.fields.items():
            before = self.table.fields.get(name)
            differs |= _cells(column.take(at)) != (
                _objects([None] * len(at)) if before is None else _cells(before.take(rows))
            )
        return differs


def _cells(column: FieldColumn) -> NDArray[Any]:
    """One comparable value a row: a number's or a vector's bytes, a text, a tuple of words; None where it is missing."""
    if column.kind == "numeric":
        values = np.asarray(column.values, dtype=np.float64)
        return _objects([None if np.isnan(value) else value for value in values.tolist()])
    if column.kind == "vector":
        vectors = np.ascontiguousarray(column.values, dtype=np.float32)
        blank = np.asarray(np.isnan(vectors).all(axis=1))
        return _objects([None if blank[at] else row.tobytes() for at, row in enumerate(vectors)])
    return _objects([(tuple(cell) or None) if isinstance(cell, list) else cell for cell in column.to_list()])


def _objects(cells: list[Any]) -> NDArray[Any]:
    return np.fromiter(cells, dtype=object, count=len(cells))
