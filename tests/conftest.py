"""One genuine Neo4j for the whole test session, on a folder of its own; it ends with the session, or with pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from engine.graph.connection import Graph
from engine.graph.local import LocalServer, config
from engine.graph.migrate import migrate
from engine.settings import GraphMapping, GraphSettings, LocalServerSettings, Settings

TEST_SERVER = LocalServerSettings(heap_mb=768, page_cache_mb=128, start_timeout_s=240)


@pytest.fixture(scope="session")
def neo4j_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that point at the session's Neo4j, by its URI.

    In the minutes that it lives Java would take longer to optimize its code than the optimized code saves.
    """
    home = tmp_path_factory.mktemp("neo4j")
    server, flags = LocalServer(home, TEST_SERVER, die_with_parent=True), config.server_flags
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "server_flags", lambda settings: [*flags(settings), "-XX:TieredStopAtLevel=1"])
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


@pytest.fixture(scope="session")
def schema(neo4j_settings: Settings) -> frozenset[str]:
    """The names of the constraints and indexes that the engine makes under its default mapping, and of the server's own."""
    with Graph.connect(neo4j_settings) as connected:
        migrate(connected, GraphMapping())
        return frozenset(row["name"] for row in connected.read("SHOW INDEXES YIELD name"))


@pytest.fixture
def graph(settings: Settings, schema: frozenset[str]) -> Iterator[Graph]:
    """A connection to a database without data.

    The constraints and indexes of `schema` are there: the server forgets the plans of all queries when one is made, and
    to plan them again takes longer than most tests.
    """
    with Graph.connect(settings) as connected:
        if empty(connected, but=schema) != schema:
            migrate(connected, GraphMapping())
            empty(connected, but=schema)
        yield connected


@pytest.fixture
def bare_graph(settings: Settings) -> Iterator[Graph]:
    """A connection to a new database: no data, no constraints, no indexes but the two that Neo4j makes itself."""
    with Graph.connect(settings) as connected:
        empty(connected)
        yield connected


def empty(graph: Graph, but: frozenset[str] = frozenset()) -> frozenset[str]:
    """Delete everything from the database but constraints and indexes of some names; those that are there are returned."""
    graph.auto_commit("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 20000 ROWS")
    for row in graph.read("SHOW CONSTRAINTS YIELD name"):
        if row["name"] not in but:
            graph.auto_commit(f"DROP CONSTRAINT `{row['name']}` IF EXISTS")
    names = {row["name"]: row["type"] for row in graph.read("SHOW INDEXES YIELD name, type")}
    for name, kind in names.items():
        if kind != "LOOKUP" and name not in but:
            graph.auto_commit(f"DROP INDEX `{name}` IF EXISTS")
    return but & names.keys()


@pytest.fixture
def small_disk() -> Callable[[Path, str], AbstractContextManager[None]]:
    """`with small_disk(folder, "192k"):` the folder is a file system of that size. Takes leave to mount one."""

    @contextmanager
    def mounted(folder: Path, size: str) -> Iterator[None]:
        folder.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.decode().strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)  # an error may hold a file

    return mounted


@pytest.fixture
def run_on_small_disk(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process of its own whose first argument is `tmp_path`, a file system of `size` to that process."""

    def run(code: str, size: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        mount = f'mount -t tmpfs -o size={size} tmpfs "{tmp_path}"'
        if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount a tmpfs: the full disk was not tried")
        told = "".join(f' "{one}"' for one in (tmp_path, *arguments))
        return subprocess.run(
            ["unshare", "-rm", "sh", "-c", f'{mount} && exec "{sys.executable}" -c "$CODE"{told}'],
            env={**os.environ, "CODE": code},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
