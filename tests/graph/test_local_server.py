"""What the local server promises, on real processes: it starts once, survives, and says why when it cannot."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.errors import GraphUnavailableError, InputError, LocalServerError
from engine.graph.connection import Graph
from engine.graph.local import ImportFiles, LocalServer, can_import
from engine.graph.local.admin import import_full
from engine.graph.local.lock import file_lock
from engine.graph.local.process import ServerState, bolt_port, find_process, read_state, spawn, wait_for_exit
from engine.settings import GraphSettings, LocalServerSettings, Settings

pytestmark = pytest.mark.graph

SMALL = LocalServerSettings(heap_mb=384, page_cache_mb=64, start_timeout_s=240)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[LocalServer]:
    """A server of this module's own, which tests may kill and start again."""
    server = LocalServer(home, SMALL, die_with_parent=True)
    yield server
    server.stop()


@pytest.fixture
def local(home: Path, server: LocalServer) -> Settings:
    server.start()
    return Settings(home=home, graph=GraphSettings(local=SMALL))


def pid_of(server: LocalServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def test_a_start_that_runs_out_of_time_is_joined_by_the_next_one(home: Path, server: LocalServer) -> None:
    hurried = LocalServer(home, SMALL.model_copy(update={"start_timeout_s": 0.1}), die_with_parent=True)
    with pytest.raises(LocalServerError, match="not ready after"):
        hurried.start()
    booting = pid_of(server)
    assert server.status().uri is None
    assert server.start() == server.start()
    assert pid_of(server) == booting


def test_a_running_server_tells_where_it_is_and_what_it_takes(server: LocalServer, local: Settings) -> None:
    status = server.status()
    assert status.running
    assert status.version == "5.26.28"
    assert status.uri is not None
    assert status.uri.startswith("bolt://127.0.0.1:")
    assert status.memory_bytes is not None
    assert 1e5 < status.data_bytes < 1e8 < status.memory_bytes


def test_it_listens_on_loopback_alone_and_on_one_port(server: LocalServer, local: Settings) -> None:
    connections = psutil.Process(pid_of(server)).net_connections()
    listening = [c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]


def test_its_password_is_generated_and_for_the_owner_only(server: LocalServer, local: Settings) -> None:
    password = (server.folder / "password").read_text().strip()
    assert len(password) >= 24
    for name in ("password", "server.json", "data/dbms/auth.ini", "logs/console.log"):
        assert stat.S_IMODE((server.folder / name).stat().st_mode) == 0o600, name
    assert password not in " ".join(psutil.Process(pid_of(server)).cmdline())
    with Graph.connect(local) as graph:
        assert graph.read("RETURN 1 AS one") == [{"one": 1}]


def test_a_graph_without_a_uri_joins_the_server_that_runs(server: LocalServer, local: Settings) -> None:
    pid = pid_of(server)
    with Graph.connect(local) as graph:
        assert graph.uri == server.status().uri
    assert pid_of(server) == pid


def test_a_folder_that_another_neo4j_holds_is_refused(server: LocalServer, local: Settings) -> None:
    pid, state = pid_of(server), server.folder / "server.json"
    hidden = state.rename(state.with_suffix(".hidden"))
    try:
        for refused in (server.start, server.reset):
            with pytest.raises(LocalServerError, match=f"in use by process {pid}"):
                refused()
    finally:
        hidden.rename(state)
    assert pid_of(server) == pid


def test_a_server_that_dies_in_mid_stream_is_an_error_and_comes_back_with_its_data(
    server: LocalServer, local: Settings
) -> None:
    with Graph.connect(local) as graph:
        graph.write("UNWIND range(1, 1000) AS i CREATE (:Item {item_id: toString(i)})")
        rows = graph.stream("UNWIND range(1, 50000000) AS i RETURN i, 'something to fill the socket with' AS text")
        assert next(rows)["i"] == 1
        os.kill(pid_of(server), signal.SIGKILL)
        with pytest.raises(GraphUnavailableError, match=r"is not running(?s:.*)engine graph start"):
            for _ in rows:
                pass
        assert not server.status().running
        with Graph.connect(local) as again:
            assert again.read("MATCH (i:Item) RETURN count(i) AS n") == [{"n": 1000}]
            assert again.uri == graph.uri, "a restart keeps the port"
        assert graph.read("MATCH (i:Item) RETURN count(i) AS n") == [{"n": 1000}]


def csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_bulk_import_replaces_the_graph_at_the_same_address(
    server: LocalServer, local: Settings, tmp_path: Path
) -> None:
    items = csv(tmp_path / "items.csv", "item_id:ID(Item),title", 'a,"one ""quoted"""', "b,two")
    boards = csv(tmp_path / "boards.csv", "context_id:ID(Context)", "x")
    saves = csv(tmp_path / "saves.csv", ":START_ID(Context),:END_ID(Item),rev:long", "x,a,1", "x,b,2")
    with Graph.connect(local) as graph:
        report = server.bulk_import(
            [ImportFiles("Item", (items,)), ImportFiles("Context", (boards,))], [ImportFiles("SAVED", (saves,))]
        )
        assert (report.nodes, report.relationships) == (3, 2)
        assert graph.read("MATCH (n) RETURN count(n) AS n") == [{"n": 3}]
        found = "MATCH (:Context {context_id: 'x'})-[s:SAVED]->(i) RETURN i.item_id AS id, i.title AS t ORDER BY s.rev"
        assert graph.read(found) == [{"id": "a", "t": 'one "quoted"'}, {"id": "b", "t": "two"}]


def test_a_bulk_import_that_fails_says_why_and_leaves_no_half_of_a_database(
    server: LocalServer, tmp_path: Path
) -> None:
    server.stop()
    items = ImportFiles("Item", (csv(tmp_path / "items.csv", "item_id:ID(Item)", "a"),))
    saves = ImportFiles("SAVED", (csv(tmp_path / "saves.csv", ":START_ID(Item),:END_ID(Item)", "a,nobody"),))
    with pytest.raises(LocalServerError, match="missing node nobody"):
        import_full(server.folder, SMALL, "neo4j", [items], [saves], "string")
    assert not (server.folder / "data" / "databases" / "neo4j").exists()


@pytest.mark.parametrize("name", ["Pin:Board", "a=b", "a,b"])
def test_a_name_that_the_importer_would_misread_is_refused(server: LocalServer, tmp_path: Path, name: str) -> None:
    files = ImportFiles(name, (csv(tmp_path / "items.csv", "item_id:ID"),))
    assert not can_import(name, tmp_path)
    with pytest.raises(InputError, match=name):
        import_full(server.folder, SMALL, "neo4j", [files], [], "string")


def test_stopping_what_does_not_run_is_no_error(server: LocalServer) -> None:
    server.stop()
    assert server.stop() is False
    assert server.status().running is False


def test_a_port_that_is_taken_is_named(server: LocalServer, home: Path) -> None:
    server.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        asked = LocalServer(home, SMALL.model_copy(update={"port": port}), die_with_parent=True)
        with pytest.raises(LocalServerError, match=f"port {port} of 127.0.0.1 is taken"):
            asked.start()
    assert not asked.status().running


def test_a_folder_that_neo4j_cannot_use_gives_the_last_words_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "data").mkdir()
    (tmp_path / "graph" / "data" / "databases").write_text("not a folder")
    with pytest.raises(LocalServerError, match=r"died while starting\n  (?s:.*)console\.log"):
        LocalServer(tmp_path, SMALL, die_with_parent=True).start()


def test_more_memory_than_the_machine_has_is_refused_before_anything_starts(tmp_path: Path) -> None:
    greedy = LocalServer(tmp_path, LocalServerSettings(heap_mb=50_000_000))
    with pytest.raises(LocalServerError, match=r"heap 50,000,000.* only [\d,]+ MB are available"):
        greedy.start()
    assert not (tmp_path / "graph" / "data").exists()


def test_a_heap_that_is_too_small_is_named(tmp_path: Path) -> None:
    tiny = LocalServerSettings.model_construct(port=0, heap_mb=12, page_cache_mb=32, start_timeout_s=240)
    with pytest.raises(LocalServerError, match="a heap of 12 MB"):
        LocalServer(tmp_path, tiny, die_with_parent=True).start()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalServerError, match="cannot be made"):
        LocalServer(tmp_path / "file", SMALL).start()


def test_a_reused_pid_is_never_taken_for_the_server_nor_signalled(tmp_path: Path) -> None:
    server = LocalServer(tmp_path, SMALL)
    server.folder.mkdir()
    me = psutil.Process()
    for started in (me.create_time(), me.create_time() - 1000):
        (server.folder / "server.json").write_text(
            json.dumps({"pid": me.pid, "started": started, "port": 1, "version": "5.26.28"})
        )
        assert not server.status().running
        assert server.stop() is False


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_state_file_that_cannot_be_read_counts_as_no_server(tmp_path: Path, content: str) -> None:
    path = tmp_path / "server.json"
    path.write_text(content)
    assert read_state(path) is None


def test_a_lock_that_another_process_keeps_is_named(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path / "lock"),
        pytest.raises(LocalServerError, match="another process has held"),
        file_lock(tmp_path / "lock", timeout_s=0.2),
    ):
        pass


def test_a_server_can_be_made_to_die_with_its_parent(tmp_path: Path) -> None:
    starter = (
        "import sys, time; from pathlib import Path; from engine.graph.local.process import spawn;"
        "print(*spawn(['/bin/sleep', '600', '--home-dir=x'][:2], log=Path(sys.argv[1]), environment={},"
        " die_with_parent=True), flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter, tmp_path / "log"], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid, _ = parent.stdout.readline().split()
        child = psutil.Process(int(pid))
        deadline = time.monotonic() + 60
        while child.name() != "sleep" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert child.name() == "sleep"
        parent.kill()
    assert wait_for_exit(child, 60)


def test_a_child_that_ended_is_gone_not_a_zombie(tmp_path: Path) -> None:
    pid, started = spawn(["/bin/true"], log=tmp_path / "log", environment={}, die_with_parent=False)
    with pytest.raises(psutil.NoSuchProcess):
        while True:
            psutil.Process(pid)
            assert find_process(ServerState(pid, started, None, ""), tmp_path) is None


def test_a_process_that_does_not_speak_bolt_has_no_bolt_port() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert bolt_port(psutil.Process()) is None


def engine(home: Path, *arguments: str, given: str = "") -> subprocess.Popen[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
    variables |= {"ENGINE_HOME": str(home), "ENGINE_GRAPH_LOCAL": SMALL.model_dump_json()}
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "graph", *arguments],
        cwd=home,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(given)
    return process


def run(home: Path, *arguments: str, given: str = "", fails: bool = False) -> str:
    out, err = engine(home, *arguments, given=given).communicate()
    assert ("error:" in err or "Aborted" in err) is fails, err
    return out + err


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_two_commands_that_start_at_once_share_one_server_that_outlives_them(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    try:
        both = [engine(tmp_path, "start") for _ in range(2)]
        said = [process.communicate()[0] for process in both]
        assert said[0] == said[1]
        assert "bolt://127.0.0.1:" in said[0]
        status = json.loads(run(tmp_path, "status", "--json"))
        assert status["running"]
        assert status["uri"] in said[0]
        assert "Delete the graph" in run(tmp_path, "reset", given="n\n", fails=True)
        assert json.loads(run(tmp_path, "status", "--json"))["pid"] == status["pid"]
        assert "is stopped" in run(tmp_path, "stop")
        assert not is_alive(status["pid"])
        assert "was not running" in run(tmp_path, "stop")
        assert "running   no" in run(tmp_path, "status")
        assert "is deleted" in run(tmp_path, "reset", "--yes")
    finally:
        run(tmp_path, "stop")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"notes", "graph", "graph/server.lock", "graph/port"}
