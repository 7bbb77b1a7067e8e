"""The change feed as a person or a program reads it: one change after another, oldest first, to go on from later.

A node or an edge comes once, under the rev of its last change; a removal comes under its own. A node comes also where
only edges of it changed. What changes while the stream is read comes the next time.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.graph.changes import check_reach, collect_edges
from engine.graph.connection import Graph
from engine.graph.mapping import EDGES, NODES
from engine.graph.queries import load_queries
from engine.graph.snapshot_csr import NO_TIME
from engine.graph.state import read_state
from engine.settings import GraphMapping

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        rev: of the commit that made it.
        op: `set` for what is there now, `remove` for what went, `forget` for what went and must not be named.
        kind: of node or edge.
        id: a node's id; the salted digest of a forgotten one.
        source, target, time, value: an edge's ends, epoch ms and rating or weight.
        corpus: an item's.
        fields: a node's, those that are not missing.
    """

    rev: int
    op: Literal["set", "remove", "forget"]
    kind: str
    id: str | None = None
    source: str | None = None
    target: str | None = None
    time: int | None = None
    value: float | None = None
    corpus: str | None = None
    fields: Mapping[str, Any] | None = None


def stream_changes(
    graph: Graph, mapping: GraphMapping, since: int, until: int | None = None, *, limit: int | None = None
) -> Iterator[Change]:
    """The changes past `since`, by rev; removals first within one.

    Args:
        until: the last rev of interest; the graph's own now when None.
        limit: end with the rev in which so many changes are reached, so that the last rev is always whole and the next
            `since`. Nodes and tombstones are streamed; edges are kept in memory, about 100 bytes each, to sort them.

    Raises:
        ChangesGoneError: the feed does not reach back to `since`.
    """
    state = read_state(graph)
    check_reach(state, since)
    last = state.rev if until is None else min(until, state.rev)
    fields = state.field_kinds(mapping)
    streams = [
        _removed(graph, mapping, since, last),
        *(_nodes(graph, mapping, kind, fields[kind], since, last) for kind in NODES),
        *(_edges(graph, mapping, kind, since, last) for kind in EDGES),
    ]
    ordered = heapq.merge(*streams, key=lambda change: change.rev)
    count = 0
    for _, group in itertools.groupby(ordered, key=lambda change: change.rev):
        for change in group:
            yield change
            count += 1
        if limit is not None and count >= limit:
            return


def _removed(graph: Graph, mapping: GraphMapping, since: int, until: int) -> Iterator[Change]:
    query = load_queries()["changes/stream_removed"].render(mapping)
    for row in graph.stream(query, {"since": since, "until": until}):
        op: Literal["remove", "forget"] = "remove" if row["digest"] is None else "forget"
        yield Change(
            row["rev"],
            op,
            row["kind"],
            row["id"] if op == "remove" else row["digest"],
            row["source"],
            row["target"],
            row["time"],
        )


def _nodes(
    graph: Graph, mapping: GraphMapping, kind: str, fields: Mapping[str, str], since: int, until: int
) -> Iterator[Change]:
    query = load_queries()[f"changes/stream_nodes/{kind}"].render(mapping)
    for row in graph.stream(query, {"since": since, "until": until, "fields": list(fields)}):
        values = {
            name: _floats(cell) if isinstance(cell, bytes | bytearray) else cell
            for name, cell in zip(fields, row["fields"], strict=True)
            if cell is not None
        }
        corpus = row["corpus"] if kind == "items" else None
        yield Change(row["rev"], "set", kind, str(row["id"]), corpus=corpus, fields=values)


def _edges(graph: Graph, mapping: GraphMapping, kind: str, since: int, until: int) -> Iterator[Change]:
    edges, poison = collect_edges(graph, mapping, kind, since)
    for one in poison:
        log.warning("%s %s: %s", one.kind, one.id, one.reason)
    for at in np.flatnonzero(edges.rev <= until).tolist():
        time, value = int(edges.time[at]), float(edges.value[at])
        yield Change(
            int(edges.rev[at]),
            "set",
            kind,
            source=edges.source_id[at],
            target=edges.target_id[at],
            time=None if time == NO_TIME else time,
            value=None if np.isnan(value) else value,
        )


def _floats(cell: bytes | bytearray) -> Any:
    return np.frombuffer(bytes(cell), dtype="<f4").tolist() if len(cell) % 4 == 0 else f"{len(cell)} bytes"
