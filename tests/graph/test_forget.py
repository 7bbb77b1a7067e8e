"""The right to be forgotten in the graph: nothing there names the node, and the change feed still tells that it is gone."""

from __future__ import annotations

import pytest

from engine.graph.changes import collect_changes
from engine.graph.changes_stream import stream_changes
from engine.graph.connection import Graph
from engine.graph.forget import forget_in_graph, mentions_in_graph
from engine.graph.snapshot_export import export_snapshot
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.hashing import salted_digest
from engine.settings import EdgeMapping, GraphMapping, ItemMapping, NodeMapping, Settings

pytestmark = pytest.mark.graph
PLAIN = GraphMapping()
FOREIGN = GraphMapping(
    items=ItemMapping(label="Pin", id="pin id", corpus_labels={"organic": "Pin", "ads": "The `Ad`"}),
    contexts=NodeMapping(label="Bôard", id="näme"),
    saves=EdgeMapping(type="PINNED TO", reverse=True, time="at"),
    interactions=EdgeMapping(type="CLICKED", value="stars"),
    owns=EdgeMapping(type="OWNED_BY", reverse=True),
)


def filled(graph: Graph, mapping: GraphMapping) -> GraphWriter:
    """Items, contexts and users that are all called "one", "two" and "three", and edges between all "one"s and "two"s."""
    writer = GraphWriter(graph, mapping)
    names = ("one", "two", "three")
    writer.add_items([{"item_id": name} for name in names])
    writer.add_users([{"user_id": name} for name in names])
    writer.add_contexts([{"context_id": name, "owner_id": name} for name in names])
    writer.add_saves([{"context_id": c, "item_id": i} for c in names[:2] for i in names[:2]])
    writer.add_interactions([{"user_id": "one", "item_id": "two"}, {"user_id": "two", "item_id": "one"}])
    writer.add_follows([{"user_id": "one", "followed_id": "two"}])
    return writer


@pytest.mark.parametrize("mapping", [PLAIN, FOREIGN], ids=["plain", "foreign"])
@pytest.mark.parametrize(("kind", "edges"), [("items", 3), ("contexts", 3), ("users", 3)])
def test_a_forgotten_node_is_nowhere_and_others_of_its_name_stay(
    graph: Graph, settings: Settings, mapping: GraphMapping, kind: str, edges: int
) -> None:
    filled(graph, mapping)
    mapped = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})
    before = export_snapshot(graph, mapped)
    forgotten = forget_in_graph(graph, mapping, kind, ["one"])
    assert (forgotten.nodes, forgotten.edges, forgotten.tombstones, forgotten.seen) == (1, edges, 0, 0)
    changes = collect_changes(graph, mapping, before.watermark)
    for other in ("items", "contexts", "users"):
        found, table = getattr(changes, other), getattr(before, other)
        assert (mentions_in_graph(graph, mapping, other, ["one"]) == 0) == (other == kind)
        assert list(table.ids.take(found.gone(table))) == (["one"] if other == kind else [])
        assert found.removed == ()
    (told,) = [one for one in stream_changes(graph, mapping, before.watermark) if one.op == "forget"]
    salt = read_state(graph).salt
    assert salt is not None
    assert (told.kind, told.id, told.rev) == (kind, salted_digest(salt, "one"), forgotten.rev)


def test_tombstones_of_earlier_removals_name_it_no_more(graph: Graph) -> None:
    writer = filled(graph, PLAIN)
    since = read_state(graph).rev
    writer.remove_saves([{"context_id": "one", "item_id": "one"}, {"context_id": "two", "item_id": "two"}])
    writer.remove_interactions([{"user_id": "two", "item_id": "one"}])
    writer.remove_items(["one"])
    assert mentions_in_graph(graph, PLAIN, "items", ["one"]) == 3
    forgotten = forget_in_graph(graph, PLAIN, "items", ["one"])
    assert (forgotten.nodes, forgotten.edges, forgotten.tombstones, forgotten.seen) == (0, 0, 3, 0)
    changes = collect_changes(graph, PLAIN, since)
    assert (changes.items.removed, len(changes.items.forgotten)) == ((), 1)
    assert list(changes.saves.removed.source_id) == ["two"]
    # Another node of that name, and an edge at it, were not meant.
    writer.remove_users(["one"])
    assert mentions_in_graph(graph, PLAIN, "users", ["one"]) == 1
    assert forget_in_graph(graph, PLAIN, "items", ["one"]).tombstones == 0


def test_a_node_of_a_forgotten_id_may_come_anew(graph: Graph) -> None:
    writer = filled(graph, PLAIN)
    since = read_state(graph).rev
    forget_in_graph(graph, PLAIN, "items", ["one", "three"])
    writer.add_items([{"item_id": "one", "title": "another"}])
    changes = collect_changes(graph, PLAIN, since)
    assert list(changes.items.table.ids) == ["one"]
    assert len(changes.items.forgotten) == 2
