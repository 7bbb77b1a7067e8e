"""The right to be forgotten: a node goes from the graph and out of every answer, and a receipt says so.

A receipt is opened first, so that a crash loses no request, and from then on no client tells of the node (serving.forgotten).
The same call again goes on where a killed one was. Knows the graph, the registry and snapshots; no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import cast

from engine.errors import InputError, UnknownNameError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.forget import forget_in_graph, graph_salt, mentions_in_graph
from engine.graph.migrate import migrate
from engine.graph.snapshot import Snapshot
from engine.graph.write_batches import NodeKind
from engine.registry import Generation, GenerationState, Receipt, ReceiptState, Registry
from engine.registry.receipts import subject_of
from engine.serving.forgotten import KINDS
from engine.settings import GraphMapping

GRAPH = "graph"
_KEPT = (GenerationState.READY, GenerationState.PUBLISHED)


def forget(
    registry: Registry, graph: Graph, mapping: GraphMapping, kind: str, ids: Iterable[str]
) -> tuple[Receipt, ...]:
    """Remove nodes from the graph and out of all answers, at once and in every process.

    Args:
        kind: "item", "context" or "user".

    Returns:
        A receipt each, in their order.

    Raises:
        UnknownNameError: no such kind.
        UnknownNodeError: an id that neither the graph nor a kept generation has; nothing is removed then.
        InputError: no id.
    """
    if kind not in KINDS:
        raise UnknownNameError(f"there is no kind {kind!r} to forget", hint=f"Known: {', '.join(KINDS)}.")
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        raise InputError("no id to forget is given")
    migrate(graph, mapping)
    nodes, salt = cast(NodeKind, KINDS[kind]), graph_salt(graph, mapping)
    subjects = [subject_of(salt, node_id) for node_id in wanted]
    _check_known(registry, graph, mapping, kind, wanted, subjects)
    opened = [registry.receipts.open(kind, subject) for subject in subjects]
    receipts = []
    for receipt, node_id in zip(opened, wanted, strict=True):
        if receipt.rev is None or mentions_in_graph(graph, mapping, nodes, [node_id]):
            removed = asdict(forget_in_graph(graph, mapping, nodes, [node_id]))
            receipt = registry.receipts.note(receipt.number, GRAPH, removed, rev=removed.pop("rev"))
        receipts.append(receipt)
    return tuple(receipts)


def _check_known(
    registry: Registry, graph: Graph, mapping: GraphMapping, kind: str, ids: Sequence[str], subjects: Sequence[str]
) -> None:
    nodes = cast(NodeKind, KINDS[kind])
    for node_id, subject in zip(ids, subjects, strict=True):
        if (
            not registry.receipts.list(kind=kind, subject=subject, state=ReceiptState.OPEN)
            and not mentions_in_graph(graph, mapping, nodes, [node_id])
            and not holders(registry, nodes, node_id)
        ):
            raise UnknownNodeError(f"there is no {kind} {node_id!r:.80} in the graph or in a kept generation")


def holders(registry: Registry, nodes: NodeKind, node_id: str) -> tuple[Generation, ...]:
    """The kept generations whose snapshots have a node, newest first."""
    kept = [one for one in registry.generations.list() if one.state in _KEPT]
    has = {
        path: _has(Snapshot.open(path, verify=False), nodes, node_id) for path in {one.snapshot_path for one in kept}
    }
    return tuple(one for one in kept if has[one.snapshot_path])


def _has(snapshot: Snapshot, nodes: NodeKind, node_id: str) -> bool:
    return bool(getattr(snapshot, nodes).index_of([node_id])[0] >= 0)
