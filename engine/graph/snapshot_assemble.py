"""Parts of an export -> node tables and relations. Knows no server and no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import GraphError
from engine.graph.snapshot_columns import FieldColumn, FieldKind, NodeTable, node_table, vector_rows
from engine.graph.snapshot_csr import Relation, relation
from engine.graph.snapshot_parts import EdgePart, Handles, NodePart
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class Handled:
    """A node table, and the way from the internal ids of one export to its rows."""

    table: NodeTable
    handles: Handles
    rows: IndexArray

    def rows_of(self, handles: Handles) -> IndexArray:
        """int32 `[len(handles)]`, -1 for a node of another kind."""
        if not len(self.handles):
            return np.full(len(handles), -1, dtype=np.int32)
        low, high = int(self.handles[0]), int(self.handles[-1])
        if high - low < 8 * len(self.handles) + 1_000_000:
            # Internal ids lie close together in all but strange stores; a look-up beats a search there.
            direct = np.full(high - low + 3, -1, dtype=np.int32)
            direct[self.handles - low + 1] = self.rows
            found: IndexArray = direct[np.clip(handles - low + 1, 0, high - low + 2)]
            return found
        at = np.minimum(np.searchsorted(self.handles, handles), len(self.handles) - 1)
        return np.where(self.handles[at] == handles, self.rows[at], -1).astype(np.int32)


def assemble_nodes(kind: str, parts: Sequence[NodePart], fields: Mapping[str, FieldKind]) -> Handled:
    """Join the parts of one kind of node.

    Raises:
        GraphError: two nodes with one id, or vectors of several widths.
    """
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        return Handled(node_table([], what=kind[:-1])[0], empty, empty.astype(np.int32))
    joined = pa.concat_tables([part.table for part in parts]).combine_chunks()

    def column(name: str) -> Any:
        chunked = joined[name]
        return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()

    columns = {}
    for number, (name, field_kind) in enumerate(fields.items()):
        values = column(f"f{number}")
        if field_kind == "numeric":
            values = values.to_numpy(zero_copy_only=False)
        elif field_kind == "vector":
            values = _vectors(kind, name, values.to_pylist())
        columns[name] = FieldColumn(field_kind, values)
    corpus = None if kind != "items" else column("corpus")
    table, rank = node_table(column("id"), corpus, columns, what=kind[:-1])
    handles = column("handle").to_numpy()
    order = np.argsort(handles, kind="stable")
    return Handled(table, handles[order], rank[order])


def _vectors(kind: str, name: str, cells: list[bytes | None]) -> FloatArray:
    widths = {len(cell) // 4 for cell in cells if cell is not None}
    if len(widths) > 1:
        raise GraphError(f"{kind}: the vectors of the property {name!r} have several widths: {sorted(widths)}")
    return vector_rows(cells, max(widths, default=0))


def assemble_relation(source: Handled, target: Handled, parts: Sequence[EdgePart]) -> Relation:
    """Join the parts of one kind of edge; edges to nodes that are none of the mapping's are left out."""

    def joined(name: str, dtype: Any) -> NDArray[Any]:
        return np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])

    sources, targets = source.rows_of(joined("source", np.int64)), target.rows_of(joined("target", np.int64))
    rev, time = joined("rev", np.int64), joined("time", np.int64)
    value = None if any(part.value is None for part in parts) else joined("value", np.float32)
    keep = (sources >= 0) & (targets >= 0)
    if not keep.all():
        sources, targets, rev, time = sources[keep], targets[keep], rev[keep], time[keep]
        value = None if value is None else value[keep]
    return relation(len(source.table), len(target.table), sources, targets, rev=rev, time=time, value=value)
