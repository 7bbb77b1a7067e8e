"""One genuine Neo4j for the whole test session, on a folder of its own; it ends with the session, or with pytest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from engine.graph.connection import Graph
from engine.graph.local import LocalServer
from engine.settings import GraphSettings, LocalServerSettings, Settings

TEST_SERVER = LocalServerSettings(heap_mb=768, page_cache_mb=128, start_timeout_s=240)


@pytest.fixture(scope="session")
def neo4j_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that point at the session's Neo4j, by its URI."""
    home = tmp_path_factory.mktemp("neo4j")
    server = LocalServer(home, TEST_SERVER, die_with_parent=True)
    address = server.start()
    yield Settings(
        home=home,
        graph=GraphSettings(uri=address.uri, user=address.user, password=SecretStr(address.password)),
    )
    server.stop()


@pytest.fixture
def settings(neo4j_settings: Settings, tmp_path: Path) -> Settings:
    """The session's Neo4j with an empty home of its own."""
    return neo4j_settings.model_copy(update={"home": tmp_path / "home"})


@pytest.fixture
def graph(settings: Settings) -> Iterator[Graph]:
    """A connection to an empty database: no data, no constraints, no indexes but the two that Neo4j makes itself."""
    with Graph.connect(settings) as connected:
        empty(connected)
        yield connected


def empty(graph: Graph) -> None:
    """Delete everything from the database."""
    graph.auto_commit("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 20000 ROWS")
    for row in graph.read("SHOW CONSTRAINTS YIELD name"):
        graph.auto_commit(f"DROP CONSTRAINT `{row['name']}` IF EXISTS")
    for row in graph.read("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'"):
        graph.auto_commit(f"DROP INDEX `{row['name']}` IF EXISTS")
