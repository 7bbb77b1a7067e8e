"""What a load asks before it writes: whether the mapping has room for the data, and which ids the graph has already."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from engine.datasets.folder import DatasetFolder
from engine.datasets.folder_spec import TableName
from engine.errors import DataError
from engine.files import sha256_file
from engine.graph.connection import Graph
from engine.graph.ingest_rows import VALUE_COLUMN
from engine.graph.mapping import mapping_digest
from engine.graph.write_batches import NodeKind, known_ids
from engine.hashing import digest
from engine.settings import GraphMapping

KNOWN_BATCH = 10_000


def check_names(data: DatasetFolder, mapping: GraphMapping) -> None:
    """Refuse fields that the mapping uses for something else, and values that it has no property for."""
    taken = {
        "items": {mapping.items.id, mapping.items.corpus},
        "contexts": {mapping.contexts.id},
        "users": {mapping.users.id},
    }
    for name, spec in data.spec.tables.items():
        for column in (*spec.fields, *spec.vectors):
            if column in taken.get(name, set()):
                raise DataError(f"{data.spec.path}: field {column!r} of {name} is an id or corpus in graph.mapping")
    for table, column in VALUE_COLUMN.items():
        edge = mapping.interactions if table == "interactions" else mapping.follows
        declared = data.spec.tables.get(table)
        if declared and edge.value is None and column not in declared.ignore:
            raise DataError(
                f"{data.spec.path}: {table} may have a {column}, and graph.mapping.{table}.value names no property for it",
                hint=f"Name one, or put {column} into {table}.ignore.",
            )


def load_digest(data: DatasetFolder, mapping: GraphMapping, max_rejects: int) -> str:
    """Equal for loads of the same content by the same mapping."""
    files: dict[str, Any] = {}
    for name, spec in data.spec.tables.items():
        paths = [*spec.files, *(path for parts in spec.vectors.values() for path in parts)]
        files[name] = [[path.suffix, sha256_file(path)] for path in paths]
        files[f"{name}.fields"] = [spec.fields, list(spec.vectors), sorted(spec.ignore)]
    return digest([files, mapping_digest(mapping), max_rejects])


class KnownIds:
    """Asks the graph which ids it has, and keeps so many of the answers, for edges name the same nodes again and again."""

    KEPT = 200_000

    def __init__(self, graph: Graph, mapping: GraphMapping) -> None:
        self.graph = graph
        self.mapping = mapping
        self._kept: dict[TableName, set[str]] = {}

    def __call__(self, table: TableName, ids: Collection[str]) -> set[str]:
        kept = self._kept.setdefault(table, set())
        found = kept.intersection(ids)
        wanted = [node_id for node_id in ids if node_id not in found]
        for at in range(0, len(wanted), KNOWN_BATCH):
            found |= known_ids(self.graph.read, self.mapping, cast(NodeKind, table), wanted[at : at + KNOWN_BATCH])
        if len(kept) > self.KEPT:
            kept.clear()
        kept |= found
        return found
