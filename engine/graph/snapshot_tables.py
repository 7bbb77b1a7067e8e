"""Tables of a data set -> a snapshot in memory, without a server. Knows no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DataError, EmptyGraphError, InputError
from engine.graph.snapshot import Relations, Snapshot
from engine.graph.snapshot_columns import FieldKind, NodeTable, field_column, node_table
from engine.graph.snapshot_csr import NO_TIME, Relation, relation
from engine.types import FloatArray, IndexArray, TimeArray

Columns = Mapping[str, Any]
"""One table: column name -> values, all of one length."""


class TableSet(Protocol):
    """The tables of a small data set in memory.

    A missing contexts or users table is made of the ids that the edges name. `item_fields` says what kind each field of
    the items is; its columns stand in `items` beside `item_id` and `corpus`.
    """

    @property
    def items(self) -> Columns: ...
    @property
    def contexts(self) -> Columns | None: ...
    @property
    def users(self) -> Columns | None: ...
    @property
    def saves(self) -> Columns | None: ...
    @property
    def interactions(self) -> Columns | None: ...
    @property
    def follows(self) -> Columns | None: ...
    @property
    def item_fields(self) -> Mapping[str, FieldKind]: ...


def build(
    tables: TableSet,
    *,
    exclude_saves: NDArray[np.bool_] | None = None,
    exclude_items: Sequence[str] | None = None,
) -> Snapshot:
    """Build a snapshot; `Snapshot.from_dataset` describes the arguments."""
    if not len(tables.items["item_id"]):
        raise EmptyGraphError("the data set has no items")
    fields = {
        name: field_column(kind, tables.items[name], name=name)
        for name, kind in tables.item_fields.items()
        if name in tables.items
    }
    items, _ = node_table(tables.items["item_id"], tables.items.get("corpus"), fields, what="item")
    saves, interactions, follows = tables.saves or {}, tables.interactions or {}, tables.follows or {}
    contexts = _nodes(tables.contexts, "context_id", [saves.get("context_id")], "context")
    owners = (tables.contexts or {}).get("owner_id")
    user_ids = [interactions.get("user_id"), follows.get("user_id"), follows.get("followed_id"), owners]
    users = _nodes(tables.users, "user_id", user_ids, "user")
    gone = np.zeros(len(items), dtype=bool)
    gone[_rows(items, exclude_items or [], "item", "exclude_items")] = True

    def dropped(edges: Columns, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if not edges or (mask is None and not exclude_items):
            return mask
        of_gone = gone[_rows(items, edges["item_id"], "item", "edges")]
        if mask is not None and mask.shape != of_gone.shape:
            raise InputError(f"exclude_saves has the shape {mask.shape}; there are {len(of_gone)} saves")
        return of_gone if mask is None else of_gone | mask

    return Snapshot(
        path=None,
        watermark=0,
        items=items,
        contexts=contexts,
        users=users,
        relations=Relations(
            saves=_edges("saves", saves, (contexts, "context"), (items, "item"), drop=dropped(saves, exclude_saves)),
            interactions=_edges(
                "interactions", interactions, (users, "user"), (items, "item"), "rating", dropped(interactions, None)
            ),
            follows=_edges("follows", follows, (users, "user"), (users, "followed"), "weight"),
            owns=_owns(tables.contexts or {}, users, contexts),
        ),
    )


def _nodes(table: Columns | None, id_column: str, mentioned: list[Any], what: str) -> NodeTable:
    if table is not None:
        return node_table(table[id_column], what=what)[0]
    seen = {str(i) for column in mentioned if column is not None for i in _strings(column).unique().to_pylist() if i}
    return node_table(sorted(seen), what=what)[0]


def _edges(
    name: str,
    table: Columns,
    source: tuple[NodeTable, str],
    target: tuple[NodeTable, str],
    value: str | None = None,
    drop: NDArray[np.bool_] | None = None,
) -> Relation:
    if not table:
        return relation(len(source[0]), len(target[0]), np.empty(0, np.int32), np.empty(0, np.int32))
    columns: list[NDArray[Any] | None] = [
        _rows(nodes, table[f"{what}_id"], what, name) for nodes, what in (source, target)
    ]
    columns += [_times(table.get("time")), None if value is None else _values(table.get(value))]
    if drop is not None:
        columns = [None if column is None else column[~drop] for column in columns]
    sources, targets, time, weight = columns
    assert sources is not None
    assert targets is not None
    return relation(len(source[0]), len(target[0]), sources, targets, time=time, value=weight)


def _owns(contexts: Columns, users: NodeTable, context_table: NodeTable) -> Relation:
    if "owner_id" not in contexts:
        empty = np.empty(0, np.int32)
        return relation(len(users), len(context_table), empty, empty)
    owned = [(o, c) for o, c in zip(contexts["owner_id"], contexts["context_id"], strict=True) if o]
    owners = _rows(users, [owner for owner, _ in owned], "user", "contexts")
    return relation(len(users), len(context_table), owners, context_table.index_of([c for _, c in owned]))


def _rows(nodes: NodeTable, ids: Any, what: str, where: str) -> IndexArray:
    """The rows of an id column, each distinct id looked up once."""
    encoded = _strings(ids).dictionary_encode()
    rows = nodes.index_of(encoded.dictionary.to_pylist())
    if (rows < 0).any():
        unknown = encoded.dictionary[int(np.flatnonzero(rows < 0)[0])].as_py()
        raise DataError(f"{where}: there is no {what} with the id {unknown!r}")
    found: IndexArray = rows[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def _strings(ids: Any) -> Any:
    return pa.array(ids, pa.large_string())


def _times(column: Any) -> TimeArray | None:
    if column is None:
        return None
    cells = np.asarray(column)
    if cells.dtype.kind in "iu":
        return cells.astype(np.int64)
    return np.array([NO_TIME if c is None or c == "" or c != c else int(c) for c in column], dtype=np.int64)


def _values(column: Any) -> FloatArray | None:
    if column is None:
        return None
    return np.array([np.nan if c is None or c == "" else c for c in column], dtype=np.float32)
