"""What a snapshot says, as plain Python: the reference that change sets are applied to, slowly and obviously."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.graph.changes import Changes
from engine.graph.mapping import EDGES, ENDS, NODES
from engine.graph.snapshot import NO_TIME, NodeTable, Snapshot
from engine.hashing import key64

Edge = tuple[str, str, int, float | None]
"""Source, target, time, value."""


@dataclass
class PlainState:
    """Nodes as kind -> id -> (corpus, fields), edges as kind -> lists by source and lists by target, each in its order."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    forward: dict[str, dict[str, list[Edge]]] = field(default_factory=dict)
    backward: dict[str, dict[str, list[Edge]]] = field(default_factory=dict)


def plain_nodes(table: NodeTable) -> dict[str, Any]:
    columns = {name: column.to_list() for name, column in table.fields.items()}
    return {
        node_id: (
            table.corpora[table.corpus[row]],
            {name: _plain(column[row]) for name, column in columns.items()},
        )
        for row, node_id in enumerate(table.ids)
        if table.alive[row]
    }


def plain_state(snapshot: Snapshot) -> PlainState:
    state = PlainState({kind: plain_nodes(getattr(snapshot, kind)) for kind in NODES})
    for kind in EDGES:
        relation = getattr(snapshot.relations, kind)
        source, target = (list(getattr(snapshot, end).ids) for end in ENDS[kind])
        for direction, csr, rows, others in (
            ("forward", relation.forward, source, target),
            ("backward", relation.backward, target, source),
        ):
            lists: dict[str, list[Edge]] = {}
            for row, node_id in enumerate(rows):
                for at in range(csr.indptr[row], csr.indptr[row + 1]):
                    ends = (node_id, others[csr.indices[at]])
                    ends = ends if direction == "forward" else ends[::-1]
                    time = NO_TIME if csr.time is None else int(csr.time[at])
                    value = None if csr.value is None else _plain(float(csr.value[at]))
                    lists.setdefault(node_id, []).append((*ends, time, value))
            getattr(state, direction)[kind] = lists
    return state


def apply(old: PlainState, snapshot_tables: dict[str, NodeTable], changes: Changes) -> PlainState:
    """The state after the changes, by the rule in `engine.graph.changes`."""
    new = PlainState()
    gone: dict[str, set[str]] = {}
    for kind in NODES:
        nodes = getattr(changes, kind)
        table = snapshot_tables[kind]
        gone[kind] = set(table.ids.take(nodes.gone(table)))
        kept = {node_id: what for node_id, what in old.nodes[kind].items() if node_id not in gone[kind]}
        new.nodes[kind] = kept | plain_nodes(nodes.table)
    for kind in EDGES:
        edges, removed = getattr(changes, kind).edges, getattr(changes, kind).removed
        came = list(zip(edges.source_id, edges.target_id, edges.time.tolist(), strict=True))
        went = set(zip(removed.source_id, removed.target_id, removed.time.tolist(), strict=True))

        def stays(edge: Edge, kind: str = kind, dropped: set[Any] = went | set(came)) -> bool:
            ends = ENDS[kind]
            return edge[0] not in gone[ends[0]] and edge[1] not in gone[ends[1]] and edge[:3] not in dropped

        for direction, end, other in (("forward", 0, 1), ("backward", 1, 0)):
            lists = {
                node_id: [edge for edge in row if stays(edge)] for node_id, row in getattr(old, direction)[kind].items()
            }
            anew = sorted(
                (int(rev), key64(key[other]), key[2], key[end], (*key, _plain(float(value))))
                for key, rev, value in zip(came, edges.rev, edges.value, strict=True)
            )
            for *_, node_id, edge in anew:
                lists.setdefault(node_id, []).append(edge)
            getattr(new, direction)[kind] = {node_id: row for node_id, row in lists.items() if row}
    return new


def _plain(value: Any) -> Any:
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, list):
        # A missing vector is as wide as the others of its table, and says as little where there are none.
        return [part for part in map(_plain, value) if part is not None]
    return value
