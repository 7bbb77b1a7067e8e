"""Nodes and edges of one transaction: packed into parameters, written by the queries of `cypher/write`.

Knows what a row becomes in the graph. Validates nothing and opens no transaction: ingest and the client's writes do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.errors import GraphError, InputError
from engine.graph.connection import Run
from engine.graph.mapping import item_label
from engine.graph.queries import load_queries
from engine.settings import GraphMapping

NodeKind = Literal["items", "contexts", "users"]
EdgeKind = Literal["saves", "interactions", "follows", "owns"]


@dataclass(frozen=True, slots=True)
class NodeRows:
    """Nodes of one kind.

    Attributes:
        sets: for each id the properties to set; None removes one.
        corpora: the items' corpora; None for other kinds.
    """

    kind: NodeKind
    ids: Sequence[str]
    sets: Sequence[dict[str, Any]]
    corpora: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class EdgeRows:
    """Edges of one kind, in the engine's direction. `times` and `values` hold None where an edge has none."""

    kind: EdgeKind
    sources: Sequence[str]
    targets: Sequence[str]
    times: Sequence[int | None] | None = None
    values: Sequence[float | None] | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def groups(self) -> list[dict[str, Any]]:
        """One map a source, its edges as lists: fewer look-ups and less to send than one map an edge."""
        places: dict[str, list[int]] = {}
        for at, source in enumerate(self.sources):
            places.setdefault(source, []).append(at)
        return [
            {
                "source": source,
                "targets": [self.targets[at] for at in mine],
                "times": [self.times[at] for at in mine] if self.times is not None else [],
                "values": [self.values[at] for at in mine] if self.values is not None else [],
            }
            for source, mine in places.items()
        ]


def vector_bytes(values: Any) -> bytes:
    """A vector as the graph keeps it: float32, little-endian."""
    return np.asarray(values).astype("<f4").tobytes()


def write_nodes(run: Run, mapping: GraphMapping, nodes: NodeRows, rev: int) -> int:
    """Create or change nodes.

    Returns:
        How many were written; those that already are as they should be are not.

    Raises:
        InputError: an item is there already under the label of another corpus.
    """
    query = load_queries()[f"write/nodes/{nodes.kind}"]
    if nodes.kind != "items" or nodes.corpora is None:
        rows = [{"id": i, "set": s} for i, s in zip(nodes.ids, nodes.sets, strict=True)]
        return _changed(run(query.render(mapping), {"rows": rows, "rev": rev}))
    by_label: dict[str, list[dict[str, Any]]] = {}
    corpus_of: dict[str, str] = {}
    own_label = bool(mapping.items.corpus_labels)
    for node_id, values, corpus in zip(nodes.ids, nodes.sets, nodes.corpora, strict=True):
        properties = values if own_label else {**values, mapping.items.corpus: corpus}
        label = item_label(mapping, corpus)
        corpus_of[label] = corpus
        by_label.setdefault(label, []).append({"id": node_id, "set": properties})
    if own_label:
        _refuse_moves(run, mapping, by_label)
    return sum(
        _changed(run(query.render(mapping, corpus=corpus_of[label]), {"rows": rows, "rev": rev}))
        for label, rows in by_label.items()
    )


def _refuse_moves(run: Run, mapping: GraphMapping, by_label: Mapping[str, list[dict[str, Any]]]) -> None:
    known = load_queries()["write/known/items"].render(mapping)
    for label, rows in by_label.items():
        for found in run(known, {"ids": [row["id"] for row in rows]}):
            if label not in found["labels"]:
                raise InputError(
                    f"item {found['ids'][0]!r} is already there as {found['labels'][0]}, and {label} is given",
                    hint="Remove it first: an item is in one corpus.",
                )


def write_edges(run: Run, mapping: GraphMapping, edges: EdgeRows, rev: int, *, create: bool = False) -> int:
    """Create edges, or change their values.

    Args:
        edges: no two with the same ends and time.
        create: none of them is there yet, which is not looked up again.

    Returns:
        How many were written.

    Raises:
        GraphError: an end is not in the graph (it was when the edges were checked).
    """
    if not len(edges):
        return 0
    query = load_queries()[f"write/{'create' if create else 'merge'}/{edges.kind}"]
    row = run(query.render(mapping), {"groups": edges.groups(), "rev": rev})[0]
    if row["found"] != len(edges):
        raise GraphError(
            f"{len(edges) - row['found']:,} {edges.kind} name a node that is not in the graph",
            hint="It was removed while they were loading. Nothing of this batch was written; run it again.",
        )
    return int(row["changed"])


def known_ids(run: Run, mapping: GraphMapping, kind: NodeKind, ids: Iterable[str]) -> set[str]:
    """Which of some ids the graph has."""
    rows = run(load_queries()[f"write/known/{kind}"].render(mapping), {"ids": list(ids)})
    return {node_id for row in rows for node_id in row["ids"]}


def _changed(rows: list[dict[str, Any]]) -> int:
    return sum(row["changed"] for row in rows)
