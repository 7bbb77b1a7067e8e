"""Rows of a data set -> the nodes and edges that a transaction writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from engine.datasets.folder_batch import Batch
from engine.datasets.folder_spec import REQUIRED, TableName
from engine.datasets.folder_vectors import VectorFile
from engine.graph.write_batches import EdgeKind, EdgeRows, NodeKind, NodeRows, vector_bytes

VALUE_COLUMN: dict[TableName, str] = {"interactions": "rating", "follows": "weight"}


def node_rows(table: TableName, batch: Batch, vectors: dict[str, VectorFile]) -> NodeRows:
    """The nodes of a batch with their fields and vectors."""
    (id_column,) = REQUIRED[table]
    columns = {n: v for n, v in batch.columns.items() if n not in (id_column, "corpus", "owner_id")}
    rows = np.array(batch.rows, dtype=np.int64)
    for name, vector in vectors.items():
        columns[name] = [vector_bytes(values) for values in vector.take(rows)]
    names = list(columns)
    sets: Iterator[dict[str, Any]]
    sets = (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return NodeRows(
        cast(NodeKind, table),
        batch.columns[id_column],
        list(sets) if names else [{} for _ in batch.rows],
        batch.columns.get("corpus"),
    )


def owned_contexts(batch: Batch) -> EdgeRows:
    """The edges from owners to those contexts of a batch that have one."""
    contexts = batch.columns["context_id"]
    owners = batch.columns.get("owner_id") or [None] * len(contexts)
    owned = [(owner, context) for owner, context in zip(owners, contexts, strict=True) if owner is not None]
    return EdgeRows("owns", [owner for owner, _ in owned], [context for _, context in owned])


def edge_rows(table: TableName, batch: Batch) -> EdgeRows:
    """The edges of a batch of saves, interactions or follows."""
    source, target = REQUIRED[table]
    value = VALUE_COLUMN.get(table)
    return EdgeRows(
        cast(EdgeKind, table),
        batch.columns[source],
        batch.columns[target],
        batch.columns.get("time"),
        batch.columns.get(value) if value else None,
    )


def by_source(table: TableName, batch: Batch) -> list[int]:
    """The places of a batch's edges, those of one source side by side, sources in the order in which they come up."""
    places: dict[str, list[int]] = {}
    for at, source in enumerate(batch.columns[next(iter(REQUIRED[table]))]):
        places.setdefault(source, []).append(at)
    return [at for mine in places.values() for at in mine]
