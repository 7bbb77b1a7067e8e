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
