"""What `Graph` promises, on the genuine server."""

from __future__ import annotations

import pickle

from engine.graph.connection import Graph
from engine.settings import Settings


def test_a_graph_reads_writes_and_streams(graph: Graph) -> None:
    graph.write("UNWIND range(1, $n) AS i CREATE (:Item {item_id: toString(i)})", {"n": 25_000})
    assert graph.read("MATCH (i:Item) RETURN count(i) AS n") == [{"n": 25_000}]
    assert sum(1 for _ in graph.stream("MATCH (i:Item) RETURN i.item_id AS id")) == 25_000
    assert graph.server_version.startswith("5.26")


def test_a_pickled_graph_opens_its_own_driver(graph: Graph) -> None:
    with pickle.loads(pickle.dumps(graph)) as copy:
        assert copy.read("RETURN 1 AS one") == [{"one": 1}]


def test_each_test_gets_an_empty_database(graph: Graph, settings: Settings) -> None:
    assert graph.read("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]
