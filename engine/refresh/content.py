"""The content of some items of a snapshot, encoded as all of them would be, and which items' content changes alter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.features.contexts import PREFIX, context_items
from engine.features.encoder import Content, FeatureEncoder
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_apply import Applied
from engine.graph.snapshot_columns import IdColumn, NodeTable
from engine.types import CSR, IndexArray, ItemContextGraph


def contexts_of(snapshot: Snapshot) -> NodeTable | None:
    """What groups the items, where it has fields that say something about them."""
    contexts = snapshot.contexts if snapshot.relations.saves.num_edges else snapshot.users
    return contexts if contexts.fields else None


def content_of(
    encoder: FeatureEncoder, snapshot: Snapshot, graph: ItemContextGraph, rows: IndexArray | None
) -> Content:
    """The content of some items, or of all when `rows` is None; its rows are those of `rows`.

    Raises:
        DataError: a value that is not finite, naming the item and the field.
    """
    contexts = contexts_of(snapshot)
    if rows is None:
        return encoder.content(snapshot.items, graph, contexts)
    items = _some(snapshot.items, rows)
    if contexts is None:
        return encoder.content(items)
    held = [graph.item_to_context.row(int(row)) for row in rows]
    near = np.unique(np.concatenate([np.empty(0, np.int32), *held]))
    among = [np.searchsorted(near, part).astype(np.int32) for part in held]
    few = context_items(among, len(near), items.key, graph.context_key[near])
    return encoder.content(items, few, _some(contexts, near))


def altered_items(encoder: FeatureEncoder, applied: Applied, relation: str, graph: ItemContextGraph) -> IndexArray:
    """The items whose content may have changed: new ones, those with other fields, and, where the words of contexts count,
    those in other contexts or in contexts with other fields. Int32, increasing, none that is gone.
    """
    items = applied.nodes["items"]
    parts = [items.new, items.changed]
    if any(token.startswith(PREFIX) for token in encoder.tokens):
        contexts = applied.nodes["contexts" if relation == "saves" else "users"]
        parts += [applied.edges[relation].backward.rows, *_lists(graph.context_to_item, contexts.changed)]
    rows = np.unique(np.concatenate(parts)).astype(np.int32)
    return rows[applied.snapshot.items.alive[rows]]


def _lists(edges: CSR, rows: IndexArray) -> list[IndexArray]:
    return [edges.row(int(row)) for row in rows]


def _some(table: NodeTable, rows: NDArray[np.integer]) -> NodeTable:
    return NodeTable(
        IdColumn(table.ids.take(rows)),
        table.key[rows],
        table.corpus[rows],
        table.corpora,
        {name: column.take(rows) for name, column in table.fields.items()},
    )
