"""Reconciliation: what other programs changed in the graph without a stamp is found by comparison, and stamped.

The whole graph is read once, packed, and compared with a snapshot node by node and source by source (`reconcile_nodes`,
`reconcile_edges`). What differs and is not in the change feed past the snapshot's watermark gets a rev, or a tombstone, so
that whoever reads the feed sees it like any other change. A second run finds nothing: all of it bears a later rev then.
Memory: 12 bytes a node beside the snapshot, and a block of edges at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.graph.connection import Graph, Run
from engine.graph.mapping import EDGES, ENDS, NODES
from engine.graph.migrate import migrate
from engine.graph.queries import load_queries
from engine.graph.reconcile_edges import EdgeComparer, EdgeFindings, edge_block
from engine.graph.reconcile_nodes import NodeComparer
from engine.graph.snapshot import NO_TIME, Relation, Snapshot
from engine.graph.snapshot_columns import NodeTable
from engine.graph.state import next_rev, read_state
from engine.hashing import salted_digest
from engine.progress import progress
from engine.settings import GraphMapping

log = logging.getLogger(__name__)

NODES_A_PART = 20_000
EDGES_A_PART = 32_768
STAMPS = 20_000
"""Stamps of a kind in one transaction: writers wait for it."""


@dataclass(frozen=True, slots=True)
class Found:
    """How much of one kind differed."""

    new: int = 0
    changed: int = 0
    gone: int = 0

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found and stamped.

    Attributes:
        since: the watermark of the snapshot that the graph was compared with.
        rev: the last rev that was taken for the stamps; None where nothing differed.
        nodes, edges: that were compared.
        found: by kind of node and edge, those with a difference.
    """

    since: int
    rev: int | None
    nodes: int
    edges: int
    found: dict[str, Found] = field(default_factory=dict)


def reconcile(graph: Graph, mapping: GraphMapping, snapshot: Snapshot) -> Reconciled:
    """Compare the graph with a snapshot of it and stamp what differs.

    Killed in between, it has stamped a part, and the next run stamps the rest.

    Raises:
        GraphError: the graph cannot be read.
    """
    migrate(graph, mapping)
    work = _Work(graph, mapping, snapshot)
    nodes, edges = work.compare()
    stamps = work.stamps()
    rev = stamps.write(graph, mapping)
    return Reconciled(snapshot.watermark, rev, nodes, edges, stamps.found())


@dataclass(slots=True)
class _Stamps:
    """What is to be written, by kind."""

    stamp: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    gone_nodes: dict[str, list[str]] = field(default_factory=dict)
    gone_edges: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def found(self) -> dict[str, Found]:
        found = {}
        for kind in (*NODES, *EDGES):
            new, changed = self.stamp[kind]
            gone = self.gone_nodes[kind] if kind in NODES else self.gone_edges[kind]
            if counted := Found(len(new), len(changed), len(gone)):
                found[kind] = counted
        return found

    def write(self, graph: Graph, mapping: GraphMapping) -> int | None:
        rev: int | None = None
        for query, name, part, params in self._parts():
            text = load_queries()[query].render(mapping)

            def work(run: Run, text: str = text, name: str = name, part: Any = part, params: Any = params) -> int:
                taken = next_rev(run)
                run(text, {name: part, "rev": taken, **params})
                return taken

            rev = graph.write_transaction(work)
        return rev

    def _parts(self) -> Iterator[tuple[str, str, list[Any], dict[str, Any]]]:
        for kind in NODES:
            for part in _chunks([*self.stamp[kind][0], *self.stamp[kind][1]]):
                yield f"reconcile/stamp_nodes/{kind}", "handles", part, {}
            for part in _chunks(self.gone_nodes[kind]):
                yield "reconcile/gone_nodes", "ids", part, {"kind": kind}
        for kind in EDGES:
            for part in _chunks([*self.stamp[kind][0], *self.stamp[kind][1]]):
                yield f"reconcile/stamp_edges/{kind}", "handles", part, {}
            for part in _chunks(self.gone_edges[kind]):
                yield f"reconcile/gone_edges/{kind}", "rows", part, {"kind": kind}


class _Work:
    """One comparison."""

    def __init__(self, graph: Graph, mapping: GraphMapping, snapshot: Snapshot) -> None:
        self.graph = graph
        self.mapping = mapping
        self.snapshot = snapshot
        state = read_state(graph)
        self.salt = state.salt
        self.fields = state.field_kinds(mapping)
        since = snapshot.watermark
        self.tables: dict[str, NodeTable] = {kind: getattr(snapshot, kind) for kind in NODES}
        self.nodes = {
            kind: NodeComparer(kind, self.tables[kind], self.fields[kind], state.widths, since) for kind in NODES
        }
        self.relations: dict[str, Relation] = {kind: getattr(snapshot.relations, kind) for kind in EDGES}
        self.edges: dict[str, EdgeFindings] = {}

    def compare(self) -> tuple[int, int]:
        """Read the graph once; how many nodes and edges there were."""
        handles = {kind: self._handles(kind) for kind in NODES}
        nodes = sum(len(found["handles"]) for found in handles.values())
        edges = sum(int(handles[ENDS[kind][0]][kind].sum()) for kind in EDGES)
        with progress("Comparing the graph", nodes + edges) as advance:
            for kind in NODES:
                found = handles[kind]["handles"]
                parts = [part.tolist() for part in np.split(found, range(NODES_A_PART, len(found), NODES_A_PART))]
                asked = {"parts": parts, "fields": list(self.fields[kind])}
                for row in self._stream(f"reconcile/nodes/{kind}", asked):
                    self.nodes[kind].compare(row)
                    advance(len(row["ids"]))
            for kind in EDGES:
                source, target = ENDS[kind]
                comparer = EdgeComparer(self.relations[kind].forward, self.tables[target], self.snapshot.watermark)
                weights = handles[source][kind]
                cut = [part.tolist() for part in _balanced(handles[source]["handles"], weights, EDGES_A_PART)]
                for row in self._stream(f"reconcile/edges/{kind}", {"parts": cut}):
                    ends = (
                        self.nodes[end].rows_of(np.array(row[name], dtype=np.int64))
                        for end, name in ((source, "sources"), (target, "targets"))
                    )
                    comparer.compare(edge_block(row, *ends))
                    advance(len(row["sources"]))
                self.edges[kind] = comparer.finish(self.nodes[source].here)
        return nodes, edges

    def stamps(self) -> _Stamps:
        """What of the differences the change feed does not tell yet. Tombstones that came meanwhile are read last."""
        stones = {
            row["kind"]: row
            for row in self.graph.read(
                load_queries()["changes/removed"].render(self.mapping), {"since": self.snapshot.watermark}
            )
        }
        told = {kind: self._told_nodes(kind, stones.get(kind)) for kind in NODES}
        stamps = _Stamps()
        gone: dict[str, set[int]] = {}
        for kind in NODES:
            rows = [int(row) for row in self.nodes[kind].gone()]
            stamps.gone_nodes[kind] = [self.tables[kind].ids[row] for row in rows if row not in told[kind]]
            gone[kind] = told[kind] | set(rows)
            stamps.stamp[kind] = (self.nodes[kind].found.new, self.nodes[kind].found.changed)
        for kind in EDGES:
            found, (source, target) = self.edges[kind], ENDS[kind]
            stamps.stamp[kind] = (found.new, found.changed)
            stone = stones.get(kind)
            known = (
                set() if stone is None else set(zip(stone["sources"], stone["targets"], stone["times"], strict=True))
            )
            stamps.gone_edges[kind] = []
            for a, b, time in found.gone:
                ends = (self.tables[source].ids[a], self.tables[target].ids[b])
                if a not in gone[source] and b not in gone[target] and (*ends, time) not in known:
                    when = None if time == NO_TIME else time
                    stamps.gone_edges[kind].append({"source": ends[0], "target": ends[1], "time": when})
        return stamps

    def _told_nodes(self, kind: str, stone: dict[str, Any] | None) -> set[int]:
        """The snapshot's rows that tombstones are about."""
        if stone is None:
            return set()
        table = self.tables[kind]
        rows = set(table.index_of([node_id for node_id in stone["ids"] if node_id]).tolist()) - {-1}
        digests = set(stone["digests"]) - {""}
        if digests and self.salt is not None:
            salt = self.salt
            rows |= {row for row, node_id in enumerate(table.ids) if salted_digest(salt, node_id) in digests}
        return rows

    def _handles(self, kind: str) -> dict[str, NDArray[np.int64]]:
        query = load_queries()[f"reconcile/{kind[:-1]}_handles"]
        blocks = list(self.graph.stream(query.render(self.mapping), query.arguments({})))
        names = query.columns[1:]
        return {
            name: np.concatenate([np.empty(0, np.int64), *(np.array(block[name], np.int64) for block in blocks)])
            for name in names
        }

    def _stream(self, name: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if params["parts"]:
            yield from self.graph.stream(load_queries()[name].render(self.mapping), params)


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    return (values[at : at + STAMPS] for at in range(0, len(values), STAMPS))


def _balanced(handles: NDArray[np.int64], weights: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Cut handles into runs of about `size` in total weight; handles that weigh nothing are left out."""
    handles, weights = handles[weights > 0], weights[weights > 0]
    if not len(handles):
        return
    number = (np.cumsum(weights) - weights) // size
    yield from np.split(handles, np.flatnonzero(np.diff(number)) + 1)
