"""Tables of a data set -> a snapshot in memory, without a server. Knows no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DataError, EmptyGraphError, InputError
from engine.graph.snapshot import Relations, Snapshot
from engine.graph.snapshot_columns import FieldKind, NodeTable, field_column, node_table
from engine.graph.snapshot_csr import Relation, relation
from engine.types import IndexArray

if TYPE_CHECKING:
    from engine.datasets.folder import DatasetTables

Columns = Mapping[str, Any]
"""One table: column name -> values, all of one length; empty where the data set lacks the table."""


def build(
    tables: DatasetTables,
    *,
    exclude_saves: NDArray[np.bool_] | None = None,
    exclude_items: Sequence[str] | None = None,
) -> Snapshot:
    """Build a snapshot; `Snapshot.from_dataset` describes the arguments."""
    if not len(tables.items.get("item_id", ())):
        raise EmptyGraphError("the data set has no items")
    saves, interactions, follows = tables.saves, tables.interactions, tables.follows
    owns = _owns(tables.contexts)
    kinds: dict[str, FieldKind] = {**tables.item_fields, **dict.fromkeys(tables.vector_fields, "vector")}
    items = _nodes("item", tables.items, kinds)
    contexts = _nodes("context", tables.contexts, tables.context_fields, saves.get("context_id"))
    named = (interactions.get("user_id"), follows.get("user_id"), follows.get("followed_id"), owns.get("user_id"))
    users = _nodes("user", tables.users, tables.user_fields, *named)
    cold = np.zeros(len(items), dtype=bool)
    cold[rows_of("exclude_items", "item", items, exclude_items or [])] = True

    def edges(
        name: str, table: Columns, source: NodeTable, target: NodeTable, value: str, left_out: Any = None
    ) -> Relation:
        if not len(next(iter(table.values()), ())):
            empty = np.empty(0, dtype=np.int32)
            return relation(len(source), len(target), empty, empty)
        of = {"saves": ("context", "item"), "interactions": ("user", "item"), "follows": ("user", "followed")}
        ends = of.get(name, ("user", "context"))
        rows = [
            rows_of(name, what, nodes, table[f"{what}_id"]) for what, nodes in zip(ends, (source, target), strict=True)
        ]
        keep = np.ones(len(rows[0]), dtype=bool) if left_out is None else ~left_out
        if keep.shape != rows[0].shape:
            raise InputError(f"exclude_saves has the shape {keep.shape}; there are {len(rows[0])} saves")
        if ends[1] == "item":
            keep &= ~cold[rows[1]]
        time, weight = table.get("time"), table.get(value)
        return relation(
            len(source),
            len(target),
            rows[0][keep],
            rows[1][keep],
            time=None if time is None else np.asarray(time, dtype=np.int64)[keep],
            value=None if weight is None else np.asarray(weight, dtype=np.float32)[keep],
        )

    relations = Relations(
        saves=edges("saves", saves, contexts, items, "", exclude_saves),
        interactions=edges("interactions", interactions, users, items, "rating"),
        follows=edges("follows", follows, users, users, "weight"),
        owns=edges("owns", owns, users, contexts, ""),
    )
    return Snapshot(None, 0, items, contexts, users, relations)


def _nodes(what: str, table: Columns, kinds: Mapping[str, FieldKind], *named: Any) -> NodeTable:
    """The table's nodes, or those that edges name where there is no table."""
    if not table:
        ids = {name for column in named if column is not None for name in _strings(column).unique().to_pylist()}
        return node_table(sorted(ids), what=what)[0]
    fields = {name: field_column(kind, table[name], name=name) for name, kind in kinds.items()}
    return node_table(table[f"{what}_id"], table.get("corpus"), fields, what=what)[0]


def _owns(contexts: Columns) -> Columns:
    owned = [(o, c) for o, c in zip(contexts.get("owner_id", ()), contexts.get("context_id", ()), strict=False) if o]
    return {"user_id": [owner for owner, _ in owned], "context_id": [context for _, context in owned]}


def rows_of(where: str, what: str, nodes: NodeTable, ids: Any) -> IndexArray:
    """The rows of an id column, each distinct id looked up once.

    Args:
        where: the table or file, for the message.
        what: the word for such a node.

    Raises:
        DataError: an id that is not among the nodes.
    """
    encoded = _strings(ids).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    rows = nodes.index_of(names)
    if (rows < 0).any():
        raise DataError(f"{where}: there is no {what} with the id {names[int(np.flatnonzero(rows < 0)[0])]!r}")
    found: IndexArray = rows[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def _strings(ids: Any) -> Any:
    return pa.array(ids, pa.large_string())
