"""A snapshot: the graph's topology and features as columns, true at one watermark. Knows no server.

A snapshot comes from a folder that `snapshot_export` wrote (memory-mapped), or straight from a data set (in memory),
which evaluation uses. Both are walked and read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import EmptyGraphError, UnknownNameError
from engine.files import Checked
from engine.graph.snapshot_columns import FieldColumn, IdColumn, NodeTable
from engine.graph.snapshot_csr import NO_TIME, Relation
from engine.types import ItemContextGraph

if TYPE_CHECKING:
    from engine.datasets.folder import DatasetFolder, DatasetTables

__all__ = ["NO_TIME", "FieldColumn", "IdColumn", "NodeTable", "Relation", "Relations", "Snapshot"]


@dataclass(frozen=True, slots=True)
class Relations:
    """Every kind of edge; a kind that the graph has none of is there with no edges.

    Attributes:
        saves: context -> item.
        interactions: user -> item.
        follows: user -> user.
        owns: user -> context.
    """

    saves: Relation
    interactions: Relation
    follows: Relation
    owns: Relation


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The graph at one watermark.

    Attributes:
        path: its folder, or None when it lives in memory.
        watermark: the rev up to which it is true; 0 for a graph without revs and for a data set.
        items, contexts, users: the nodes.
        relations: the edges.
    """

    path: Path | None
    watermark: int
    items: NodeTable
    contexts: NodeTable
    users: NodeTable
    relations: Relations

    @staticmethod
    def open(path: Path, *, verify: bool = True, checked: Checked | None = None) -> Snapshot:
        """Memory-map a snapshot folder.

        Args:
            verify: compare checksums, not only sizes.
            checked: knows the checksums that were computed already.

        Raises:
            CorruptFileError: a file is missing, short, altered or does not fit the others.
        """
        from engine.graph.snapshot_files import read_snapshot

        return read_snapshot(path, verify=verify, checked=checked)

    @staticmethod
    def from_dataset(
        data: DatasetFolder | DatasetTables,
        *,
        exclude_saves: NDArray[np.bool_] | None = None,
        exclude_items: Sequence[str] | None = None,
    ) -> Snapshot:
        """Build a snapshot in memory, without a server. Equal to ingest and export but for the creation order.

        Args:
            data: the data set; a folder is loaded whole.
            exclude_saves: bool `[saves]`, rows of the saves table to leave out.
            exclude_items: ids of items whose edges are all left out; they keep their row, so that they can be ranked.

        Raises:
            DataError: a bad file, or an edge that names a node its table does not list.
            GraphError: two nodes with one id.
        """
        from engine.datasets.folder import DatasetTables
        from engine.graph.snapshot_tables import build

        tables = data if isinstance(data, DatasetTables) else data.load()
        return build(tables, exclude_saves=exclude_saves, exclude_items=exclude_items)

    def walk_graph(self, relation: Literal["auto", "saves", "interactions"] = "auto") -> ItemContextGraph:
        """The bipartite graph that walks run on.

        Args:
            relation: "interactions" makes users the contexts; "auto" takes saves where there are any.

        Raises:
            EmptyGraphError: there are no items or no such edges.
        """
        name = relation
        if name == "auto":
            name = "saves" if self.relations.saves.num_edges else "interactions"
        if name not in ("saves", "interactions"):
            raise UnknownNameError(f"no relation {relation!r} to walk on", hint="Known: auto, saves, interactions.")
        edges: Relation = getattr(self.relations, name)
        if not self.items.num_alive or not edges.num_edges:
            raise EmptyGraphError(
                "the graph has no items"
                if not self.items.num_alive
                else f"the graph has no {relation} edges to walk on",
                hint="Load a data set with `engine ingest DIR`.",
            )
        contexts = self.contexts if name == "saves" else self.users
        return ItemContextGraph(edges.backward, edges.forward, self.items.key, contexts.key, self.items.by_key)
