"""The right to be forgotten, in the graph: a node goes with its edges, and nothing that stays there names it.

A plain removal leaves a tombstone with the id. Forgetting leaves one with a salted digest instead, and takes away the older
tombstones that name the node, so that readers of the change feed still learn that it is gone. Knows no files.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.graph.connection import Graph, Run
from engine.graph.inspection import forget_inspected, mentions_in_inspection
from engine.graph.mapping import ENDS
from engine.graph.queries import load_queries
from engine.graph.state import next_rev
from engine.graph.write_batches import NodeKind, known_ids
from engine.hashing import salted_digest
from engine.settings import GraphMapping

SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class ForgottenInGraph:
    """What one transaction removed.

    Attributes:
        rev: of the transaction.
        nodes, edges: removed.
        tombstones: of earlier removals that named the nodes, and are gone too.
        inspected: nodes that `engine inspect publish` had written for them.
        seen: nodes of either sort and tombstones with these ids that were there when somebody looked afterwards; 0 unless another
            writer has brought one back.
    """

    rev: int
    nodes: int
    edges: int
    tombstones: int
    inspected: int
    seen: int


def graph_salt(graph: Graph, mapping: GraphMapping) -> str:
    """The salt of this graph, in hex; made the first time."""
    query = load_queries()["engine/set_salt"].render(mapping)
    salt: str = graph.write(query, {"salt": secrets.token_hex(SALT_BYTES)})[0]["salt"]
    return salt


def forget_in_graph(graph: Graph, mapping: GraphMapping, kind: NodeKind, ids: Sequence[str]) -> ForgottenInGraph:
    """Remove nodes, their edges and every mention of them, in one transaction; may be repeated.

    Args:
        ids: nodes that are gone already are told of by a tombstone as well.
    """
    salt = graph_salt(graph, mapping)
    asked = _asked(kind, ids)
    rows = [{"id": node_id, "digest": salted_digest(salt, node_id)} for node_id in ids]

    def work(run: Run) -> tuple[int, int, int, int, int]:
        rev = next_rev(run)
        inspected = forget_inspected(run, ids) if kind == "items" else 0
        named = run(load_queries()["write/unname_tombstones"].render(mapping), asked)[0]["tombstones"]
        query = load_queries()[f"write/forget/{kind}"].render(mapping)
        found = run(query, {"rows": rows, "kind": kind, "rev": rev})[0]
        return rev, found["nodes"], found["edges"], named, inspected

    removed = graph.write_transaction(work)
    return ForgottenInGraph(*removed, seen=mentions_in_graph(graph, mapping, kind, ids))


def mentions_in_graph(graph: Graph, mapping: GraphMapping, kind: NodeKind, ids: Sequence[str]) -> int:
    """How many nodes, tombstones and inspection nodes of the graph have one of these ids."""
    stones: int = graph.read(load_queries()["write/named_tombstones"].render(mapping), _asked(kind, ids))[0][
        "tombstones"
    ]
    shown = mentions_in_inspection(graph, ids) if kind == "items" else 0
    return stones + shown + len(known_ids(graph.read, mapping, kind, ids))


def _asked(kind: NodeKind, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "ids": list(ids),
        "kind": kind,
        "as_source": [edge for edge, (source, _) in ENDS.items() if source == kind],
        "as_target": [edge for edge, (_, target) in ENDS.items() if target == kind],
    }
