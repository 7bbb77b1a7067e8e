"""A snapshot and a change set -> the next snapshot, without reading the graph again. Knows no server.

The result is the snapshot that an export at `changes.until` would give, but for the order of the rows: rows never move
(`snapshot_apply_nodes`), so that what others keep by row number stays true. Its folder is whole by itself; the files that
did not change are shared with the older one by hard links.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.files import atomic_folder, read_manifest
from engine.graph.changes import Changes
from engine.graph.changes_columns import Poisoned
from engine.graph.mapping import EDGES, ENDS, NODES
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_apply_edges import EdgeRows, apply_edges
from engine.graph.snapshot_apply_nodes import NodeRows, apply_nodes
from engine.graph.snapshot_files import FORMAT


@dataclass(frozen=True, slots=True)
class Applied:
    """The next snapshot and what is new in it.

    Attributes:
        snapshot: opened.
        nodes: by `items`, `contexts`, `users`.
        edges: by `saves`, `interactions`, `follows`, `owns`. A walk over saves can only change where it stands on an item
            of `edges["saves"].backward.rows` or a context of `edges["saves"].forward.rows`.
        poison: what could not be applied, and what of it was left out: that of the change set and more.
    """

    snapshot: Snapshot
    nodes: Mapping[str, NodeRows]
    edges: Mapping[str, EdgeRows]
    poison: tuple[Poisoned, ...]


def apply_changes(snapshot: Snapshot, changes: Changes, target: Path) -> Applied:
    """Write the snapshot after `changes` into a new sealed folder and open it.

    A corpus keeps its number, also when it has no items any more. A field that the graph learned of late is missing for
    all nodes that are not in the change set.

    Args:
        snapshot: opened from a folder.
        changes: everything past `snapshot.watermark`, read with the mapping that the snapshot was exported with.
        target: must not exist yet.

    Raises:
        InputError: the snapshot lives in memory, or the changes do not begin at its watermark.
        GraphError: a field is of another kind than before, or two ids have the same key.
        CorruptFileError: a file of the older snapshot is missing or does not fit. Checksums are compared when it is opened.
        DiskFullError: no space left; nothing half-written stays.
    """
    parent = snapshot.path
    if parent is None:
        raise InputError("changes are applied to a snapshot on disk, and this one lives in memory")
    if changes.since != snapshot.watermark:
        raise InputError(f"snapshot {parent} is true at rev {snapshot.watermark}; the changes begin at {changes.since}")
    facts: dict[str, Any] = {
        "format": FORMAT,
        "watermark": changes.until,
        "mapping": read_manifest(parent, what="snapshot").get("mapping"),
        "applied_at_ms": time.time_ns() // 1_000_000,
    }
    poison = list(changes.poison)
    edges = {}
    with atomic_folder(target, facts, parents=[parent]) as folder:
        nodes = {
            kind: apply_nodes(kind, parent, folder, getattr(snapshot, kind), getattr(changes, kind), poison)
            for kind in NODES
        }
        for name in EDGES:
            source, target_kind = ENDS[name]
            old, changed = getattr(snapshot.relations, name), getattr(changes, name)
            edges[name] = apply_edges(name, parent, folder, old, nodes[source], nodes[target_kind], changed, poison)
    rows = {kind: update.rows for kind, update in nodes.items()}
    return Applied(Snapshot.open(target, verify=False), rows, edges, tuple(poison))
