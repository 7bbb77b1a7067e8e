"""Every query file on the real server: it runs, returns the columns it promises, and scans no label by accident."""

from __future__ import annotations

from typing import Any

import neo4j
import pytest

from engine.graph.connection import Graph
from engine.graph.inspection import InspectionWriter
from engine.graph.migrate import migrate
from engine.graph.queries import load_queries, run
from engine.graph.query_files import Query
from engine.graph.write import GraphWriter
from engine.settings import EdgeMapping, GraphMapping, ItemMapping, NodeMapping, Settings

DEFAULT = GraphMapping()
FOREIGN = GraphMapping(
    items=ItemMapping(label="Pin", id="pin id", corpus_labels={"organic": "Pin", "ads": "The `Ad`"}),
    contexts=NodeMapping(label="Bôard", id="näme"),
    users=NodeMapping(label="Person", id="`handle`"),
    saves=EdgeMapping(type="PINNED TO", reverse=True, time="at"),
    interactions=EdgeMapping(type="CLICKED", value="stars"),
    owns=EdgeMapping(type="OWNED_BY", reverse=True),
)
MAPPINGS = {"default": DEFAULT, "foreign": FOREIGN}
LIBRARY = load_queries()
SAMPLE: dict[str, Any] = {"string": "a", "integer": 1, "float": 1.0, "boolean": True, "strings": ["a"], "integers": [1]}
SCANS = ("NodeByLabelScan", "NodeByLabelsScan", "AllNodesScan", "NodeIndexScan")


@pytest.fixture
def world(graph: Graph, request: pytest.FixtureRequest) -> tuple[Graph, GraphMapping]:
    """A small graph: c1 holds a, b; c2 holds b, d; c3 holds a, b, e; an ad d; the orphan z."""
    mapping = MAPPINGS[getattr(request, "param", "default")]
    migrate(graph, mapping)
    writer = GraphWriter(graph, mapping)
    writer.add_users([{"user_id": "u1"}, {"user_id": "u2"}])
    writer.add_items([{"item_id": i, "corpus": "ads" if i == "d" else "organic", "title": i} for i in "abdez"])
    writer.add_contexts([{"context_id": "c1", "owner_id": "u1"}, {"context_id": "c2"}, {"context_id": "c3"}])
    saves = [("c1", "a"), ("c1", "b"), ("c2", "b"), ("c2", "d"), ("c3", "a"), ("c3", "b"), ("c3", "e")]
    writer.add_saves([{"context_id": c, "item_id": i, "time": n} for n, (c, i) in enumerate(saves, start=10)])
    writer.add_interactions([{"user_id": "u1", "item_id": "e", "rating": 4.0, "time": 99}])
    writer.add_follows([{"user_id": "u1", "followed_id": "u2", "time": 7}])
    publish(graph, mapping)
    return graph, mapping


def publish(graph: Graph, mapping: GraphMapping) -> None:
    """Show a, b, d and e for inspection: a's neighbours are b and e, and its related items d and b."""
    shown = InspectionWriter(graph, mapping, 2)
    shown.begin("g0001", "then", 7, 2)
    vectors = {"a": [1.0, 0.0], "b": [0.8, 0.6], "d": [0.96, 0.28], "e": [0.0, 1.0]}
    rows = [{"row": row, "id": item, "vector": vector} for row, (item, vector) in enumerate(vectors.items())]
    a, b, d, e = shown.write_items("g0001", rows).values()
    links = {a: ([b, e], [0.75, 0.25], [d, b], [0.96, 0.8]), d: ([b], [1.0], [], [])}
    words = ("handle", "neighbours", "weights", "related", "scores")
    shown.write_links(
        [{**dict(zip(words, (at, *of), strict=True)), "floor": 0.8, "digest": 1} for at, of in links.items()]
    )
    shown.prepare_index()
    shown.await_index()
    shown.end(4)


def arguments(query: Query) -> dict[str, Any]:
    return {param.name: SAMPLE.get(param.type, []) for param in query.params if param.required}


def operators(plan: dict[str, Any]) -> set[str]:
    found = {plan["operatorType"].split("@")[0]}
    for child in plan.get("children", ()):
        found |= operators(child)
    return found


@pytest.mark.graph
@pytest.mark.parametrize("world", ["default", "foreign"], indirect=True)
def test_every_query_plans_without_an_undeclared_scan_and_returns_its_columns(
    world: tuple[Graph, GraphMapping], settings: Settings
) -> None:
    _, mapping = world
    auth = (settings.graph.user, settings.graph.password.get_secret_value())
    driver = neo4j.GraphDatabase.driver(str(settings.graph.uri), auth=auth, notifications_min_severity="OFF")
    with driver, driver.session(database=settings.graph.database) as session:
        for query in LIBRARY.values():
            result = session.run("EXPLAIN " + query.render(mapping), query.arguments(arguments(query)))
            keys, summary = tuple(result.keys()), result.consume()
            assert keys == query.columns, query.name
            scans = {name for name in operators(summary.plan or {}) if name.endswith(SCANS)}
            assert query.scan or not scans, f"{query.name} scans: {scans}"


@pytest.mark.graph
@pytest.mark.parametrize("world", ["default", "foreign"], indirect=True)
def test_every_inspection_query_runs(world: tuple[Graph, GraphMapping]) -> None:
    graph, mapping = world
    for name, query in LIBRARY.items():
        if name.startswith("inspect/"):
            run(graph, name, mapping=mapping, **arguments(query))


@pytest.mark.graph
@pytest.mark.parametrize("world", ["default", "foreign"], indirect=True)
def test_inspection_answers_are_right_in_the_default_and_in_a_foreign_model(world: tuple[Graph, GraphMapping]) -> None:
    graph, mapping = world

    def ask(name: str, **params: Any) -> list[dict[str, Any]]:
        return run(graph, f"inspect/{name}", mapping=mapping, **params)

    around = ask("neighbourhood", item_id="a")
    assert [(row["context_id"], row["size"], sorted(row["also_holds"])) for row in around] == [
        ("c3", 3, ["b", "e"]),
        ("c1", 2, ["b"]),
    ]
    assert [(row["context_id"], row["owner_id"]) for row in ask("who_saved", item_id="a")] == [
        ("c3", None),
        ("c1", "u1"),
    ]
    evidence = ask("evidence", from_id="a", to_id="b")
    assert [(row["context_id"], row["size"], row["from_time"], row["to_time"]) for row in evidence] == [
        ("c1", 2, 10, 11),
        ("c3", 3, 14, 15),
    ]
    assert [row["weight"] for row in evidence] == pytest.approx([1 / 4, 1 / 6])
    (step,) = ask("two_step_evidence", from_id="a", to_id="d")
    assert (step["via_item_id"], step["paths"]) == ("b", 2)
    assert ask("two_step_evidence", from_id="a", to_id="z") == []
    related = ask("related_by_walk", item_id="b")
    assert [row["item_id"] for row in related] == ["a", "d", "e"]
    assert related[1]["corpus"] == "ads"
    assert related[0]["weight"] == pytest.approx(1 / 6 + 1 / 9)
    assert {row["what"]: row["count"] for row in ask("counts")} == {
        "items": 5, "contexts": 3, "users": 2, "saves": 7, "interactions": 1, "follows": 1, "owns": 1,
    }  # fmt: skip
    assert [(r["saves_from"], r["saves_to"], r["items"]) for r in ask("degrees")] == [(0, 0, 1), (1, 1, 2), (2, 3, 2)]
    assert [(r["saves_from"], r["contexts"]) for r in ask("context_sizes")] == [(2, 3)]
    assert [row["item_id"] for row in ask("orphans")] == ["z"]
    assert [(r["kind"], r["id"]) for r in ask("supernodes", min_degree=3)] == [("item", "b"), ("context", "c3")]
    assert [row["item_id"] for row in ask("top_items", limit=2)] == ["b", "a"]
    history = ask("user_history", user_id="u1")
    assert [(r["action"], r["item_id"], r["value"]) for r in history] == [
        ("interacted", "e", 4.0),
        ("saved", "b", None),
        ("saved", "a", None),
    ]
    assert [row["item_id"] for row in ask("context", context_id="c3")] == ["e", "b", "a"]
    assert ask("user_contexts", user_id="u1") == [{"context_id": "c1", "size": 2}]
    assert [(row["direction"], row["user_id"]) for row in ask("follows", user_id="u2")] == [("followed by", "u1")]
    (item,) = ask("item", item_id="d")
    assert (item["corpus"], item["saves"], item["properties"]["title"]) == ("ads", 1, "d")


@pytest.mark.graph
@pytest.mark.parametrize("world", ["default", "foreign"], indirect=True)
def test_what_is_published_is_found_from_the_items_of_either_model(world: tuple[Graph, GraphMapping]) -> None:
    graph, mapping = world

    def ask(name: str, **params: Any) -> list[dict[str, Any]]:
        return run(graph, f"inspect/{name}", mapping=mapping, **params)

    (mark,) = ask("published")
    assert (mark["generation"], mark["state"], mark["items"], mark["top_k"]) == ("g0001", "complete", 4, 2)
    near = ask("nearest", item_id="a", limit=2)
    assert [(row["item_id"], row["corpus"]) for row in near] == [("d", "ads"), ("b", "organic")]
    assert [row["score"] for row in near] == pytest.approx([0.96, 0.8], abs=1e-5)
    around = ask("neighbour_weights", item_id="a")
    assert [(row["item_id"], row["weight"], row["shared_contexts"]) for row in around] == [
        ("b", 0.75, 2),
        ("e", 0.25, 1),
    ]
    first, second = ask("related", item_id="a")
    assert (first["item_id"], first["score"], first["contexts"], first["via_neighbours"]) == ("d", 0.96, [], ["b"])
    assert (second["item_id"], second["contexts"], second["users"]) == ("b", ["c1", "c3"], [])
    assert [(row["rank"], len(row["evidence"])) for row in ask("related_paths", item_id="a")] == [(1, 0), (2, 2)]
    assert ask("related", item_id="z") == ask("nearest", item_id="z") == []


@pytest.mark.graph
def test_changes_and_removals_are_found_past_a_rev(world: tuple[Graph, GraphMapping]) -> None:
    graph, mapping = world
    writer = GraphWriter(graph, mapping)
    before = writer.add_items([{"item_id": "n"}]).rev
    writer.add_saves([{"context_id": "c1", "item_id": "n"}])
    writer.remove_saves([{"context_id": "c2", "item_id": "d"}])
    changed = run(graph, "inspect/changes", mapping=mapping, rev=before)
    assert [(row["context_id"], row["new_saves"]) for row in changed] == [("c1", 1), ("c2", 0)]
    (stone,) = run(graph, "inspect/removed", mapping=mapping, rev=before)
    assert (stone["kind"], stone["source"], stone["target"], stone["time"]) == ("saves", "c2", "d", 13)
