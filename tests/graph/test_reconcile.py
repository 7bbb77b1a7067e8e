"""Reconciliation on the real server: what plain Cypher did behind the engine's back is found once, and the feed tells it."""

from __future__ import annotations

import pytest

from engine.graph.changes import collect_changes
from engine.graph.connection import Graph
from engine.graph.reconcile import Found, reconcile
from engine.graph.snapshot_export import export_snapshot
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.settings import GraphMapping, Settings

pytestmark = pytest.mark.graph
PLAIN = GraphMapping()


def filled(graph: Graph) -> GraphWriter:
    writer = GraphWriter(graph, PLAIN)
    whole = {"title": "x", "price": 1.0, "tags": ["a", "b"], "visual": [3.0, 4.0]}
    writer.add_items([{"item_id": f"i{n}", **whole} for n in range(6)] + [{"item_id": "bare"}])
    writer.add_users([{"user_id": "u0"}, {"user_id": "u1"}])
    writer.add_contexts([{"context_id": f"c{n}", "owner_id": "u0"} for n in range(4)])
    writer.add_saves(
        [{"context_id": f"c{c}", "item_id": f"i{i}", "time": t} for c in range(4) for i in range(5) for t in (5, None)]
    )
    writer.add_interactions([{"user_id": "u0", "item_id": "i0", "rating": 1.0}, {"user_id": "u1", "item_id": "i1"}])
    writer.add_follows([{"user_id": "u0", "followed_id": "u1", "weight": 0.5}])
    return writer


def test_what_others_did_is_found_each_once_and_then_told_by_the_feed(graph: Graph, settings: Settings) -> None:
    writer = filled(graph)
    snapshot = export_snapshot(graph, settings)
    nothing = reconcile(graph, PLAIN, snapshot)
    assert (nothing.rev, nothing.found, nothing.edges) == (None, {}, 47)
    assert read_state(graph).rev == snapshot.watermark

    for statement in (
        "CREATE (:Item {item_id: 'new', title: 'y'})",
        "MATCH (i:Item {item_id: 'i5'}) DETACH DELETE i",
        "MATCH (c:Context {context_id: 'c3'}) DETACH DELETE c",
        "MATCH (i:Item {item_id: 'i0'}) SET i.price = 2.0",
        "MATCH (i:Item {item_id: 'i1'}) SET i.tags = ['b', 'a']",
        "MATCH (i:Item {item_id: 'i2'}) SET i.corpus = 'ads'",
        "MATCH (i:Item {item_id: 'i3'}) REMOVE i.title",
        "MATCH (i:Item {item_id: 'i4'}) SET i.colour = 'no field of the engine'",
        "MATCH (c:Context {context_id: 'c0'}), (i:Item {item_id: 'new'}) CREATE (c)-[:SAVED {time: 9}]->(i)",
        "MATCH (c:Context {context_id: 'c1'}), (i:Item {item_id: 'bare'}) CREATE (c)-[:SAVED]->(i)",
        "MATCH (:Context {context_id: 'c2'})-[s:SAVED {time: 5}]->(:Item {item_id: 'i4'}) DELETE s",
        "MATCH (:User {user_id: 'u1'})-[r:INTERACTED]->() DELETE r",
        "MATCH (:User {user_id: 'u0'})-[r:INTERACTED]->() SET r.rating = 3.0",
        "MATCH (:User {user_id: 'u0'})-[r:FOLLOWS]->() SET r.weight = 0.25",
    ):
        graph.write(statement)
    # What the engine wrote itself meanwhile is in the feed already.
    writer.add_items([{"item_id": "ours", "title": "z"}, {"item_id": "bare", "price": 7.0}])
    writer.add_saves([{"context_id": "c0", "item_id": "ours", "time": 3}])
    writer.remove_saves([{"context_id": "c1", "item_id": "i0", "time": 5}])

    found = reconcile(graph, PLAIN, snapshot)
    assert found.found == {
        "items": Found(new=1, changed=4, gone=1),
        "contexts": Found(gone=1),
        "saves": Found(new=2, gone=1),
        "interactions": Found(changed=1, gone=1),
        "follows": Found(changed=1),
    }
    changes = collect_changes(graph, PLAIN, snapshot.watermark)
    assert changes.until == found.rev == read_state(graph).rev
    assert set(changes.items.table.ids) == {"new", "i0", "i1", "i2", "i3", "ours", "bare"}
    assert (changes.items.removed, changes.contexts.removed) == (("i5",), ("c3",))
    saves = changes.saves
    assert set(zip(saves.edges.source_id, saves.edges.target_id, saves.edges.time.tolist(), strict=True)) == {
        ("c0", "new", 9), ("c1", "bare", -1), ("c0", "ours", 3),
    }  # fmt: skip
    assert set(zip(saves.removed.source_id, saves.removed.target_id, saves.removed.time.tolist(), strict=True)) == {
        ("c2", "i4", 5), ("c1", "i0", 5),
    }  # fmt: skip
    assert changes.interactions.edges.value.tolist() == [3.0]
    assert list(changes.interactions.removed.source_id) == ["u1"]
    assert changes.follows.edges.value.tolist() == [0.25]

    again = reconcile(graph, PLAIN, snapshot)
    assert (again.rev, again.found) == (None, {})
    assert not reconcile(graph, PLAIN, export_snapshot(graph, settings)).found


def test_a_graph_that_the_engine_never_wrote_to_is_stamped_where_it_changed(graph: Graph, settings: Settings) -> None:
    graph.write(
        "CREATE (c:Context {context_id: 'c'}), (a:Item {item_id: 'a'}), (b:Item {item_id: 'b'}), "
        "(c)-[:SAVED {time: 1}]->(a), (c)-[:SAVED {time: 1}]->(a), (c)-[:SAVED {time: 2}]->(b)"
    )
    snapshot = export_snapshot(graph, settings)
    assert not reconcile(graph, PLAIN, snapshot).found
    graph.write("MATCH (:Context)-[s:SAVED {time: 1}]->() WITH s LIMIT 1 DELETE s")
    graph.write("MATCH (c:Context), (b:Item {item_id: 'b'}) CREATE (c)-[:SAVED {time: 'noon'}]->(b)")
    found = reconcile(graph, PLAIN, snapshot)
    assert found.found == {"saves": Found(changed=1)}, "one of two that are alike went; a malformed time is no edge"
    (edge,) = collect_changes(graph, PLAIN, snapshot.watermark).saves.edges.target_id
    assert edge == "a"
    assert not reconcile(graph, PLAIN, snapshot).found
