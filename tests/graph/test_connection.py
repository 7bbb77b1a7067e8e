"""What `Graph` promises, on the genuine server."""

from __future__ import annotations

import multiprocessing
import pickle
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import neo4j
import pytest
from pydantic import SecretStr

from engine.errors import ConfigError, GraphAuthError, GraphError, GraphUnavailableError, GraphVersionError
from engine.graph.connection import FETCH_SIZE, Graph, Run
from engine.graph.failures import check_version, translate
from engine.settings import Settings

pytestmark = pytest.mark.graph


def at(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"graph": settings.graph.model_copy(update=changes)})


@contextmanager
def listener(answer: bytes) -> Iterator[str]:
    """Something that is not Neo4j: it answers every connection with the same bytes and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(20)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"bolt://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_rows_come_back_as_plain_dicts(graph: Graph) -> None:
    graph.write("CREATE (:Item {item_id: $id})", {"id": 'a "quoted" `one` ü'})
    assert graph.read("MATCH (i:Item) RETURN i.item_id AS id, 1.5 AS x, [1, 2] AS y, null AS z") == [
        {"id": 'a "quoted" `one` ü', "x": 1.5, "y": [1, 2], "z": None}
    ]
    assert graph.write("MATCH (i:Item) SET i.seen = true RETURN i.seen AS seen") == [{"seen": True}]


def test_the_server_tells_its_version(graph: Graph) -> None:
    assert graph.server_version == "5.26.28"


def test_each_test_gets_an_empty_database(graph: Graph, schema: frozenset[str]) -> None:
    assert graph.read("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]
    assert {row["name"] for row in graph.read("SHOW INDEXES YIELD name")} == schema
    assert len(schema) > 10


def test_a_bare_database_has_no_schema(bare_graph: Graph) -> None:
    assert bare_graph.read("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]
    assert bare_graph.read("SHOW CONSTRAINTS") == []


def test_a_stream_gives_every_row_in_order_across_many_pulls(graph: Graph) -> None:
    total = 3 * FETCH_SIZE + 1
    rows = graph.stream("UNWIND range(1, $n) AS i RETURN i, range(i, i + 9) AS packed", {"n": total})
    for expected, row in enumerate(rows, start=1):
        assert row["i"] == expected
        assert len(row["packed"]) == 10
    assert expected == total


def test_a_stream_may_be_left_early_and_the_graph_still_works(graph: Graph) -> None:
    rows = graph.stream("UNWIND range(1, 1000000) AS i RETURN i")
    assert next(rows) == {"i": 1}
    rows.close()
    assert graph.read("RETURN 1 AS one") == [{"one": 1}]


def test_a_stream_that_fails_late_raises_instead_of_ending(graph: Graph) -> None:
    rows = graph.stream("UNWIND range(30000, 0, -1) AS i RETURN 1 / i AS x")
    with pytest.raises(GraphError, match="/ by zero"):
        list(rows)


def test_several_statements_commit_together(graph: Graph) -> None:
    def work(run: Run) -> int:
        run("CREATE (:Item {item_id: $id})", {"id": "a"})
        return int(run("MATCH (i:Item) RETURN count(i) AS n")[0]["n"])

    assert graph.write_transaction(work) == 1
    assert graph.read("MATCH (i:Item) RETURN i.item_id AS id") == [{"id": "a"}]


def test_a_transaction_whose_work_raises_leaves_nothing(graph: Graph) -> None:
    def work(run: Run) -> None:
        run("CREATE (:Item {item_id: 'a'})")
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        graph.write_transaction(work)
    assert graph.read("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]


def test_two_transactions_that_deadlock_both_succeed(graph: Graph) -> None:
    graph.write("CREATE (:N {name: 'a', n: 0}), (:N {name: 'b', n: 0})")
    both_hold_one = threading.Barrier(2)

    def add(first: str, second: str) -> None:
        tries = 0

        def work(run: Run) -> None:
            nonlocal tries
            tries += 1
            run("MATCH (n:N {name: $name}) SET n.n = n.n + 1", {"name": first})
            if tries == 1:
                both_hold_one.wait(timeout=60)
            run("MATCH (n:N {name: $name}) SET n.n = n.n + 1", {"name": second})

        graph.write_transaction(work)

    threads = [threading.Thread(target=add, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert graph.read("MATCH (n:N) RETURN n.n AS n") == [{"n": 2}, {"n": 2}]


def test_schema_commands_run_by_themselves(graph: Graph) -> None:
    graph.auto_commit("CREATE CONSTRAINT thing FOR (t:Thing) REQUIRE t.thing_id IS UNIQUE")
    graph.write("CREATE (:Thing {thing_id: 'a'})")
    with pytest.raises(GraphError, match="already exists with label `Thing` and property `thing_id` = 'a'"):
        graph.write("CREATE (:Thing {thing_id: 'a'})")


def read_one(graph: Graph) -> list[dict[str, object]]:
    with graph:
        return graph.read("RETURN 1 AS one")


def test_a_pickled_graph_works_in_another_process(graph: Graph) -> None:
    assert b"password" not in repr(graph).encode()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_one, (graph,)) == [{"one": 1}]
        pool.close()
        pool.join()
    with pickle.loads(pickle.dumps(graph)) as copy:
        assert copy.read("RETURN 1 AS one") == [{"one": 1}]


def test_a_closed_graph_opens_again_when_it_is_used(graph: Graph) -> None:
    graph.close()
    assert graph.read("RETURN 1 AS one") == [{"one": 1}]


def test_a_wrong_query_is_told_in_the_server_s_words(graph: Graph) -> None:
    with pytest.raises(GraphError, match=r"Invalid input 'RETRUN'(?s:.*)Neo\.ClientError\.Statement\.SyntaxError"):
        graph.read("RETRUN 1")


def test_a_query_that_needs_too_much_memory_says_so(graph: Graph) -> None:
    with pytest.raises(GraphError, match="too little memory"):
        graph.auto_commit("UNWIND range(1, 100000000) AS i WITH collect(i) AS xs RETURN size(xs)")


def test_a_wrong_password_is_refused(settings: Settings) -> None:
    with pytest.raises(GraphAuthError, match="refuses the user or the password") as caught:
        Graph.connect(at(settings, password=SecretStr("wrong")))
    assert "ENGINE_GRAPH_PASSWORD" in str(caught.value)


@pytest.fixture
def guest(graph: Graph) -> Iterator[str]:
    system = Graph(graph._settings.model_copy(update={"database": "system"}))
    with system:
        system.auto_commit("CREATE USER guest SET PASSWORD 'abcdefgh' CHANGE REQUIRED")
        yield "guest"
        system.auto_commit("DROP USER guest")


def test_a_password_that_must_be_changed_first_says_so(settings: Settings, guest: str) -> None:
    with pytest.raises(GraphAuthError, match="wants a new password first"):
        Graph.connect(at(settings, user=guest, password=SecretStr("abcdefgh")))


def test_too_many_wrong_passwords_say_so(settings: Settings, guest: str) -> None:
    wrong = at(settings, user=guest, password=SecretStr("wrong"))
    for _ in range(3):
        with pytest.raises(GraphAuthError):
            Graph.connect(wrong)
    with pytest.raises(GraphAuthError, match="too many wrong passwords"):
        Graph.connect(wrong)


def test_a_database_that_is_not_there_is_named(settings: Settings) -> None:
    with pytest.raises(GraphError, match="nowhere"):
        Graph.connect(at(settings, database="nowhere"))


def test_a_server_that_is_down_is_an_error_at_once(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = f"bolt://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(GraphUnavailableError, match="connection refused") as caught:
        Graph.connect(at(settings, uri=uri))
    assert uri in str(caught.value)
    assert "ENGINE_GRAPH_URI" in str(caught.value)


def test_an_unknown_host_is_an_error(settings: Settings) -> None:
    with pytest.raises(GraphUnavailableError, match="is not known"):
        Graph.connect(at(settings, uri="bolt://no-such-host.invalid:7687"))


def test_encryption_that_the_server_does_not_speak_is_an_error(settings: Settings) -> None:
    assert settings.graph.uri is not None
    with pytest.raises(GraphUnavailableError, match="no encrypted connection"):
        Graph.connect(at(settings, uri=settings.graph.uri.replace("bolt:", "bolt+s:")))


@pytest.mark.parametrize("uri", ["localhost:7687", "http://127.0.0.1:7474", "", "postgresql://127.0.0.1"])
def test_an_address_that_is_no_bolt_address_is_refused(settings: Settings, uri: str) -> None:
    with pytest.raises(ConfigError, match="not the address of a Neo4j"):
        Graph.connect(at(settings, uri=uri))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", GraphVersionError, "a web server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", GraphVersionError, "not Neo4j"),
        (b"\0\0\0\0", GraphVersionError, "not Neo4j, or one that is too old"),
        (b"", GraphUnavailableError, "does not answer as Neo4j"),
    ],
)
def test_something_else_that_listens_there_is_told_from_neo4j(
    settings: Settings, answer: bytes, error: type[GraphError], words: str
) -> None:
    with listener(answer) as uri, pytest.raises(error, match=words):
        Graph.connect(at(settings, uri=uri))


@pytest.mark.parametrize("agent", ["Neo4j/5.23.0", "Neo4j/5.26.28", "Neo4j/5.27-aura", "Neo4j/2025.01.0"])
def test_versions_from_5_23_on_are_taken(agent: str) -> None:
    assert check_version(agent, "here") == agent.removeprefix("Neo4j/")


@pytest.mark.parametrize("agent", ["Neo4j/5.22.0", "Neo4j/4.4.40", "Neo4j/3.5.35"])
def test_older_versions_are_refused(agent: str) -> None:
    with pytest.raises(GraphVersionError, match="too old") as caught:
        check_version(agent, "here")
    assert "5.23" in str(caught.value)


@pytest.mark.parametrize("agent", ["Memgraph/2.18", "Neo4j/v5.11.0 compatible graph database server", ""])
def test_other_servers_are_refused(agent: str) -> None:
    with pytest.raises(GraphVersionError, match="not Neo4j"):
        check_version(agent, "here")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (neo4j.exceptions.IncompleteCommit("gone"), GraphUnavailableError, "may have been applied or not"),
        (neo4j.exceptions.SessionExpired("gone"), GraphUnavailableError, "vanished while it was answering: gone"),
        (neo4j.exceptions.Forbidden("no writes for you"), GraphAuthError, "forbids this"),
        (neo4j.exceptions.ResultConsumedError(None, "used up"), GraphError, "used up"),
    ],
)
def test_what_the_driver_may_raise_becomes_one_of_ours(
    error: neo4j.exceptions.DriverError, kind: type[GraphError], words: str
) -> None:
    assert type(told := translate(error, "bolt://there:7687")) is kind
    assert words in str(told)
