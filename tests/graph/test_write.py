"""The client's writes: one transaction a call, one rev, checked like a load; removals leave tombstones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import InputError, UnknownNameError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.settings import EdgeMapping, GraphMapping, ItemMapping

pytestmark = pytest.mark.graph


@pytest.fixture
def writer(graph: Graph) -> GraphWriter:
    """A graph with items a and b, the context c, the users u and v, and c saves a."""
    writer = GraphWriter(graph, GraphMapping())
    writer.add_items([{"item_id": "a", "title": "x", "visual": [1.0, 2.0]}, {"item_id": "b", "corpus": "ads"}])
    writer.add_users([{"user_id": "u"}, {"user_id": "v"}])
    writer.add_contexts([{"context_id": "c", "owner_id": "u"}])
    writer.add_saves([{"context_id": "c", "item_id": "a", "time": 5}])
    return writer


def rows(writer: GraphWriter, query: str) -> list[list[Any]]:
    return [list(row.values()) for row in writer.graph.read(query)]


def test_each_call_takes_one_rev_and_stamps_what_it_touched(writer: GraphWriter) -> None:
    before = read_state(writer.graph).rev
    result = writer.add_saves([{"context_id": "c", "item_id": "b", "time": np.int64(6)}])
    assert (result.rev, result.given, result.changed) == (before + 1, 1, 1)
    assert rows(
        writer, f"MATCH (n) WHERE n.rev = {result.rev} AND NOT n:_EngineState AND NOT n:_EngineRev RETURN n.context_id"
    ) == [["c"]]
    assert rows(writer, f"MATCH ()-[s]->(i) WHERE s.rev = {result.rev} RETURN i.item_id, s.time") == [["b", 6]]


def test_a_write_that_changes_nothing_stamps_nothing(writer: GraphWriter) -> None:
    nodes = rows(writer, "MATCH (i:Item) RETURN i.item_id, i.rev ORDER BY i.item_id")
    assert writer.add_items([{"item_id": "a", "title": "x", "visual": np.array([1, 2])}]).changed == 0
    assert writer.add_saves([{"context_id": "c", "item_id": "a", "time": 5}] * 2).changed == 0
    assert rows(writer, "MATCH (i:Item) RETURN i.item_id, i.rev ORDER BY i.item_id") == nodes


def test_fields_are_changed_added_and_removed(writer: GraphWriter) -> None:
    writer.add_items([{"item_id": "a", "title": None, "tags": ["p"], "price": 3}])
    assert rows(writer, "MATCH (i:Item {item_id: 'a'}) RETURN i.title, i.tags, i.price, size(keys(i))") == [
        [None, ["p"], 3.0, 6]
    ]
    assert dict(read_state(writer.graph).fields["items"]) == {
        "title": "text", "visual": "vector", "tags": "categorical", "price": "numeric",
    }  # fmt: skip


def test_interactions_and_follows_hold_their_values(writer: GraphWriter) -> None:
    writer.add_interactions([{"user_id": "u", "item_id": "a", "rating": np.float32(4)}])
    writer.add_follows([{"user_id": "u", "followed_id": "v", "weight": 0.5, "time": 3}])
    assert rows(writer, "MATCH ()-[r:INTERACTED]->() RETURN r.rating, r.time") == [[4.0, None]]
    assert rows(writer, "MATCH ()-[r:FOLLOWS]->() RETURN r.weight, r.time") == [[0.5, 3]]
    assert writer.add_interactions([{"user_id": "u", "item_id": "a", "rating": 5}]).changed == 1
    assert writer.add_interactions([{"user_id": "u", "item_id": "a"}]).changed == 0
    assert rows(writer, "MATCH ()-[r:INTERACTED]->() RETURN r.rating") == [[5.0]]


def test_a_removed_node_takes_its_edges_along_and_leaves_a_tombstone(writer: GraphWriter) -> None:
    result = writer.remove_items(["a"])
    assert result.changed == 1
    assert rows(writer, "MATCH (:Context)-[s:SAVED]->() RETURN s") == []
    assert rows(writer, "MATCH (t:_EngineTombstone) RETURN t.kind, t.id, t.rev") == [["items", "a", result.rev]]
    assert rows(writer, "MATCH (c:Context) RETURN c.rev") != [[result.rev]]  # the tombstone stands for its edges too
    assert writer.remove_contexts(["c"]).changed == 1
    assert writer.remove_users(["u", "u"]).changed == 1


def test_removing_edges_takes_the_one_of_a_time_or_all(writer: GraphWriter) -> None:
    writer.add_saves([{"context_id": "c", "item_id": "a", "time": 6}, {"context_id": "c", "item_id": "a"}])
    assert writer.remove_saves([{"context_id": "c", "item_id": "a", "time": 6}]).changed == 1
    assert rows(writer, "MATCH ()-[s:SAVED]->() RETURN s.time ORDER BY s.time") == [[5], [None]]
    assert writer.remove_saves([{"context_id": "c", "item_id": "a"}]).changed == 2
    assert rows(writer, "MATCH (t:_EngineTombstone) RETURN t.time ORDER BY t.time") == [[5], [6], [None]]
    assert writer.remove_saves([{"context_id": "c", "item_id": "a"}]).changed == 0
    writer.add_follows([{"user_id": "u", "followed_id": "v"}])
    assert writer.remove_follows([{"user_id": "u", "followed_id": "v"}]).changed == 1
    writer.add_interactions([{"user_id": "u", "item_id": "b"}])
    assert writer.remove_interactions([{"user_id": "u", "item_id": "b"}]).changed == 1


@pytest.mark.parametrize(
    ("method", "row", "reason"),
    [
        ("add_items", {"title": "x"}, "items row 2: item_id is missing"),
        ("add_items", {"item_id": ""}, "item_id is empty"),
        ("add_items", {"item_id": 7}, "7 is not a string"),
        ("add_items", {"item_id": "n" * 10_240}, "10,240 bytes long; an id has at most 1,024"),
        ("add_items", {"item_id": "a\0"}, "NUL"),
        ("add_items", {"item_id": "\ud800"}, "not valid Unicode"),
        ("add_items", {"item_id": "n", "title": "\ud800"}, "not valid Unicode"),
        ("add_items", {"item_id": "n", "corpus": ""}, "corpus is empty"),
        ("add_items", {"item_id": "n", "title": 3}, "field 'title' is text in the graph"),
        ("add_items", {"item_id": "n", "price": float("nan")}, "field 'price' is nan"),
        ("add_items", {"item_id": "n", "price": float("inf")}, "field 'price' is inf"),
        ("add_items", {"item_id": "n", "thing": {}}, "no text, number, list of texts or vector"),
        ("add_items", {"item_id": "n", "rev": 3}, "cannot be the name of a field"),
        ("add_items", {"item_id": "n", "visual": [1.0]}, "has the shape .1., and 2 numbers are wanted"),
        ("add_items", {"item_id": "n", "visual": [1.0, float("nan")]}, "NaN or infinity"),
        ("add_items", {"item_id": "n", "visual": "x"}, "not a vector of numbers"),
        ("add_items", {"item_id": "ok"}, "'ok' is given twice"),
        ("add_items", "a", "is not a mapping"),
        ("add_saves", {"context_id": "c", "item_id": "a", "time": -1}, "time -1 is negative"),
        ("add_saves", {"context_id": "c", "item_id": "a", "time": 10**15}, "lies in the future"),
        ("add_saves", {"context_id": "c", "item_id": "a", "time": 1.5}, "not a time in whole"),
        ("add_saves", {"context_id": "c", "item_id": "a", "when": 1}, "unknown column 'when'"),
        ("add_interactions", {"user_id": "u", "item_id": "a", "rating": "good"}, "not a number"),
        ("add_interactions", {"user_id": "u", "item_id": "a", "rating": float("nan")}, "rating is nan"),
    ],
)
def test_a_wrong_row_is_refused_and_nothing_is_written(writer: GraphWriter, method: str, row: Any, reason: str) -> None:
    good = {"add_items": {"item_id": "ok"}, "add_saves": {"context_id": "c", "item_id": "b"}}
    before = read_state(writer.graph).rev
    with pytest.raises(InputError, match=reason):
        getattr(writer, method)([good.get(method, {"user_id": "u", "item_id": "b"}), row])
    assert read_state(writer.graph).rev == before
    assert rows(writer, "MATCH (i:Item) RETURN count(i)") == [[2]]


@pytest.mark.parametrize(
    ("method", "given", "reason"),
    [
        ("add_saves", [{"context_id": "c", "item_id": "nobody"}], "item_id 'nobody' is unknown: not in items"),
        ("add_saves", [{"context_id": "nowhere", "item_id": "a"}], "context_id 'nowhere' is unknown"),
        ("add_contexts", [{"context_id": "d", "owner_id": "w"}], "owner_id 'w' is unknown: not in users"),
        ("add_follows", [{"user_id": "u", "followed_id": "w"}], "followed_id 'w' is unknown"),
        ("remove_items", ["nobody"], "item_id 'nobody' is unknown"),
    ],
)
def test_an_unknown_node_is_named_and_nothing_is_written(
    writer: GraphWriter, method: str, given: list[Any], reason: str
) -> None:
    before = read_state(writer.graph).rev
    with pytest.raises(UnknownNodeError, match=reason):
        getattr(writer, method)(given)
    assert read_state(writer.graph).rev == before
    assert rows(writer, "MATCH (c:Context) RETURN count(c)") == [[1]]


def test_an_item_cannot_move_between_corpora_that_have_labels(graph: Graph) -> None:
    corpora = {"organic": "Pin", "ads": "Ad"}
    writer = GraphWriter(graph, GraphMapping(items=ItemMapping(label="Pin", id="pid", corpus_labels=corpora)))
    writer.add_items([{"item_id": "a", "corpus": "ads"}])
    with pytest.raises(InputError, match="item 'a' is already there as Ad, and Pin is given"):
        writer.add_items([{"item_id": "a"}])
    with pytest.raises(UnknownNameError, match="corpus 'shop' has no label"):
        writer.add_items([{"item_id": "b", "corpus": "shop"}])
    with pytest.raises(InputError, match="cannot be the name of a field"):
        writer.add_items([{"item_id": "b", "pid": "x"}])


def test_a_rating_without_a_property_to_hold_it_is_refused(graph: Graph) -> None:
    writer = GraphWriter(graph, GraphMapping(interactions=EdgeMapping(type="CLICKED")))
    with pytest.raises(InputError, match="names no property"):
        writer.add_interactions([{"user_id": "u", "item_id": "a", "rating": 1}])


def test_what_lies_in_a_foreign_graph_stays_as_it_is(graph: Graph) -> None:
    graph.write("CREATE (:Item {item_id: 'old', mine: 1})<-[:SAVED]-(:Context {context_id: 'c'})")
    writer = GraphWriter(graph, GraphMapping())
    assert writer.add_saves([{"context_id": "c", "item_id": "old"}]).changed == 0
    assert rows(writer, "MATCH (i:Item) RETURN i.mine, i.rev") == [[1, None]]
