"""The change feed as a refresh reads it: everything past a rev, true at one watermark, as columns.

Nodes and edges carry the rev of their last change, removals leave tombstones, and all are found through indexes: the cost
is that of the changes and of the edges around their sources, not of the graph. Knows the queries of `cypher/changes`.

To apply a change set to what was true at `since`, in this order:

1. drop the nodes that are gone (`NodeChanges.gone`), and with them every edge at them;
2. drop every edge that `removed` names, and every edge that has come anew (same ends, same time);
3. put in the nodes of `table`, new or in place of what they were;
4. append the edges. All are newer than any that was there, so each list stays in creation order when the new edges are
   sorted by rev, then by the neighbour's key, then by time.

A removed node that came back is in both `removed` and `table`; an edge likewise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.errors import ChangesGoneError
from engine.graph.changes_columns import EdgeColumns, EdgeKeys, Poisoned, edge_columns, edge_keys, node_columns
from engine.graph.connection import Graph, Run
from engine.graph.mapping import EDGES, ENDS, NODES
from engine.graph.queries import load_queries
from engine.graph.snapshot_columns import NodeTable
from engine.graph.state import GraphState, read_state, state_in
from engine.hashing import salted_digest
from engine.settings import GraphMapping
from engine.types import IndexArray

TRIES = 3
NODES_A_PART = 20_000
SOURCES_A_PART = 2_000


@dataclass(frozen=True, slots=True)
class NodeChanges:
    """What became of one kind of node.

    Attributes:
        table: the nodes as they are now: new, changed, or with changed edges. Which of them are new, a reader's own table
            tells. A vector field that no node of the table has is `[N, 0]` where the graph does not know its width.
        removed: ids of nodes that went, in this time or twice; one that came back is in `table` too.
        forgotten: salted digests of ids that were forgotten and are written nowhere any more.
    """

    table: NodeTable
    removed: tuple[str, ...] = ()
    forgotten: frozenset[str] = frozenset()
    salt: str | None = None

    def __len__(self) -> int:
        return len(self.table) + len(self.removed) + len(self.forgotten)

    def gone(self, table: NodeTable) -> IndexArray:
        """The rows of an older table whose nodes went, those that came back among them.

        Returns:
            int32, increasing. Forgotten ids cost a pass over all ids of the table.
        """
        rows = table.index_of(self.removed)
        if self.forgotten and self.salt is not None:
            salt = self.salt
            found = [row for row, node_id in enumerate(table.ids) if salted_digest(salt, node_id) in self.forgotten]
            rows = np.concatenate([rows, np.array(found, dtype=np.int32)])
        return np.unique(rows[rows >= 0]).astype(np.int32)


@dataclass(frozen=True, slots=True)
class EdgeChanges:
    """What became of one kind of edge.

    Attributes:
        edges: those that are there now and are new or changed.
        removed: those that went. Edges of removed nodes are not listed.
    """

    edges: EdgeColumns
    removed: EdgeKeys

    def __len__(self) -> int:
        return len(self.edges) + len(self.removed)


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that happened past one rev.

    Attributes:
        since, until: exclusive and inclusive; the reader's next `since` is this `until`.
        committed_at_ms: when the oldest of it was committed, by the server's clock; None where nothing happened or the
            graph keeps no time of it.
        poison: what could not be read. Once it is mended by a write of the engine, or found mended by a reconciliation,
            it is a change like any other.
    """

    since: int
    until: int
    committed_at_ms: int | None
    items: NodeChanges
    contexts: NodeChanges
    users: NodeChanges
    saves: EdgeChanges
    interactions: EdgeChanges
    follows: EdgeChanges
    owns: EdgeChanges
    poison: tuple[Poisoned, ...] = field(default=())

    def __len__(self) -> int:
        return sum(len(getattr(self, kind)) for kind in (*NODES, *EDGES))


def collect_changes(graph: Graph, mapping: GraphMapping, since: int) -> Changes:
    """Read everything past `since`.

    A commit while it reads starts it again, and the last try holds the counter's lock, so that writers wait for it.

    Raises:
        ChangesGoneError: the feed no longer reaches back to `since`, or the graph never was there.
    """
    for _ in range(1, TRIES):
        state = read_state(graph)
        changes = _collect(graph.read, mapping, since, state)
        if read_state(graph) == state:
            return changes
    return graph.write_transaction(lambda run: _collect_alone(run, mapping, since))


def _collect_alone(run: Run, mapping: GraphMapping, since: int) -> Changes:
    run(load_queries()["snapshot/hold_writers"].render(mapping))
    return _collect(run, mapping, since, state_in(run))


def collect_edges(graph: Graph, mapping: GraphMapping, kind: str, since: int) -> tuple[EdgeColumns, list[Poisoned]]:
    """The edges of one kind that are newer than `since`, and what of them cannot be read."""
    reader = _Reader(graph.read, mapping, since, read_state(graph))
    return reader.edges(kind, reader.touched(ENDS[kind][0]))[0], reader.poison


def check_reach(state: GraphState, since: int) -> None:
    """Refuse a rev that the feed does not reach.

    Raises:
        ChangesGoneError: tombstones past it are compacted already, or it lies ahead of the graph.
    """
    if since < state.compacted:
        raise ChangesGoneError(
            f"the changes past rev {since} are no longer all there: tombstones up to rev {state.compacted} are compacted",
            hint="Read the whole graph once: engine build.",
        )
    if since > state.rev:
        raise ChangesGoneError(
            f"the graph is at rev {state.rev} and never was at rev {since}: it was reset, restored, or is another one",
            hint="Read the whole graph once: engine build.",
        )


def _collect(run: Run, mapping: GraphMapping, since: int, state: GraphState) -> Changes:
    check_reach(state, since)
    reader = _Reader(run, mapping, since, state)
    handles = {kind: reader.touched(kind) for kind in NODES}
    removed = {row["kind"]: row for row in reader.ask("removed", since=since)}
    edges: dict[str, Any] = {}
    for kind in EDGES:
        source, target = ENDS[kind]
        columns, unstamped = reader.edges(kind, handles[source])
        handles[target] |= unstamped
        edges[kind] = EdgeChanges(columns, edge_keys(kind, removed.get(kind), reader.poison))
    commits = reader.ask("commits", since=since, limit=1)[0]
    nodes: dict[str, Any] = {}
    for kind in NODES:
        stones = removed.get(kind, {"ids": [], "digests": []})
        nodes[kind] = NodeChanges(
            reader.nodes(kind, handles[kind]),
            tuple(dict.fromkeys(filter(None, stones["ids"]))),
            frozenset(filter(None, stones["digests"])),
            state.salt,
        )
    return Changes(
        since, state.rev, commits["ats"][0] if commits["ats"] else None, **nodes, **edges, poison=tuple(reader.poison)
    )


class _Reader:
    """One reading of the feed."""

    def __init__(self, run: Run, mapping: GraphMapping, since: int, state: GraphState) -> None:
        self.run = run
        self.mapping = mapping
        self.since = since
        self.widths = state.widths
        self.fields = state.field_kinds(mapping)
        self.poison: list[Poisoned] = []

    def ask(self, name: str, **params: Any) -> list[dict[str, Any]]:
        return self.run(load_queries()[f"changes/{name}"].render(self.mapping), params)

    def touched(self, kind: str) -> set[int]:
        return set(self.ask(f"touched/{kind}", since=self.since)[0]["handles"])

    def edges(self, kind: str, sources: Iterable[int]) -> tuple[EdgeColumns, set[int]]:
        parts = _parts(sources, SOURCES_A_PART)
        rows = self.ask(f"edges/{kind}", parts=parts, since=self.since) if parts else []
        return edge_columns(kind, rows, self.poison), {handle for row in rows for handle in row["unstamped"]}

    def nodes(self, kind: str, handles: Iterable[int]) -> NodeTable:
        fields = self.fields[kind]
        parts = _parts(handles, NODES_A_PART)
        query = load_queries()[f"snapshot/{kind}"].render(self.mapping)
        rows = self.run(query, {"parts": parts, "fields": list(fields)}) if parts else []
        return node_columns(kind, rows, fields, self.widths, self.poison)


def _parts(handles: Iterable[int], size: int) -> list[list[int]]:
    listed = sorted(handles)
    return [listed[at : at + size] for at in range(0, len(listed), size)]
