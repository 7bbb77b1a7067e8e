"""What the download promises: whole jars or a clear error. The repository is a web server on loopback, or is not there."""

from __future__ import annotations

import functools
import gc
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import LocalServerError
from engine.files import seal_folder
from engine.graph.local import LocalServer, archive
from engine.graph.local.archive import archive_flags
from engine.graph.local.config import ADMIN_CLASS, java_command
from engine.graph.local.jars import Jar, fetch_jars, jar_folder, read_lock
from engine.settings import LocalServerSettings

pytestmark = pytest.mark.graph

VICTIM = next(jar for jar in read_lock().jars if jar.artifact == "neo4j-csv")


@pytest.fixture(scope="module")
def whole() -> Path:
    """The cache that the tests' own server was started from, with every jar whole."""
    folder = jar_folder()
    fetch_jars(folder)
    return folder


@pytest.fixture
def cache(whole: Path, tmp_path: Path) -> Path:
    """A copy of the cache that a test may damage."""
    copy = tmp_path / "jars"
    for jar in read_lock().jars:
        target = jar.path(copy)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(jar.path(whole), target)
        except OSError:
            shutil.copy2(jar.path(whole), target)
    return copy


@pytest.fixture
def repository(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository on loopback that holds the victim alone; jgo asks there instead of Maven Central."""
    root = tmp_path / "repository"
    VICTIM.path(root).parent.mkdir(parents=True)
    shutil.copy2(VICTIM.path(whole), VICTIM.path(root))
    handler = functools.partial(QuietHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        use_repository(monkeypatch, server.server_port)
        yield root
        server.shutdown()
    thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


def use_repository(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    from jgo.maven import _core

    monkeypatch.setitem(_core.DEFAULT_REMOTE_REPOS, "central", f"http://127.0.0.1:{port}")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def damage(jar: Jar, folder: Path, content: bytes) -> None:
    path = jar.path(folder)
    path.unlink()
    path.write_bytes(content)


def test_the_lock_names_one_version_of_neo4j_and_no_host() -> None:
    lock = read_lock()
    assert lock.neo4j == "5.26.28"
    assert {jar.version for jar in lock.jars if jar.group == "org.neo4j" and jar.artifact == "neo4j"} == {lock.neo4j}
    assert all(len(jar.sha256) == 64 for jar in lock.jars)
    assert len({jar.path(Path()) for jar in lock.jars}) == len(lock.jars)
    assert "://" not in (Path(archive.__file__).parent / "jgo.lock.toml").read_text()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a truncated jar"])
def test_a_truncated_jar_is_fetched_again(cache: Path, repository: Path, content: bytes) -> None:
    damage(VICTIM, cache, content)
    assert VICTIM.path(cache) in fetch_jars(cache)
    assert VICTIM.is_whole(cache)


def test_a_jar_of_the_right_size_with_a_flipped_bit_is_fetched_again(cache: Path, repository: Path) -> None:
    good = VICTIM.path(cache).read_bytes()
    damage(VICTIM, cache, good[:-1] + bytes([good[-1] ^ 1]))
    fetch_jars(cache)
    assert VICTIM.path(cache).read_bytes() == good


def test_a_repository_that_keeps_giving_another_file_is_refused(cache: Path, repository: Path) -> None:
    damage(VICTIM, cache, b"")
    damage(VICTIM, repository, b"not the jar")
    with pytest.raises(LocalServerError, match=r"neo4j-csv-5\.26\.28\.jar does not match its checksum"):
        fetch_jars(cache)
    assert not VICTIM.path(cache).exists(), "nothing wrong stays in the cache"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_repository_without_the_jar_is_an_error(cache: Path, repository: Path) -> None:
    VICTIM.path(cache).unlink()
    VICTIM.path(repository).unlink()
    with pytest.raises(LocalServerError, match="cannot be downloaded"):
        fetch_jars(cache)
    gc.collect()  # jgo leaves the refused answer's connection open


def test_a_download_that_is_impossible_names_the_other_two_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_repository(monkeypatch, 9)
    monkeypatch.setenv("M2_REPO", str(tmp_path / "cold"))
    with pytest.raises(LocalServerError, match=r"Neo4j 5\.26\.28 cannot be downloaded") as caught:
        LocalServer(tmp_path, LocalServerSettings(heap_mb=256, page_cache_mb=32)).start()
    assert "ENGINE_GRAPH_URI" in str(caught.value)
    assert "docker compose" in str(caught.value)
    assert not list((tmp_path / "cold").rglob("*.jar"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalServerError, match="cannot be written"):
        fetch_jars(tmp_path / "file" / "jars")


def test_the_cache_is_where_the_variables_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("M2_REPO", raising=False)
    monkeypatch.delenv("JGO_CACHE_DIR", raising=False)
    assert "graph-recommender-engine" in str(jar_folder())
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "jgo"))
    assert jar_folder() == tmp_path / "jgo" / "repository"
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    assert jar_folder() == tmp_path / "m2"


def test_the_first_start_of_a_machine_makes_no_archive(whole: Path, tmp_path: Path) -> None:
    assert archive_flags([VICTIM.path(whole)], tmp_path / "archives") == []


def test_an_archive_that_cannot_be_made_only_costs_time(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    no_server = [VICTIM.path(whole)]
    archive_flags(no_server, tmp_path / "archives")
    assert archive_flags(no_server, tmp_path / "archives") == []
    assert "without a class-data archive" in caplog.text
    assert sorted(path.suffix for path in (tmp_path / "archives").iterdir()) == ["", "", ".asked"]


def test_the_archive_is_used_while_it_is_whole_and_made_again_when_it_is_not(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def make(folder: Path, _jars: object) -> None:
        made.append(folder)
        folder.mkdir(exist_ok=True)
        (folder / "neo4j.jsa").write_text("classes")
        seal_folder(folder, {})

    monkeypatch.setattr(archive, "_make", make)
    jars = [VICTIM.path(whole)]
    for _ in range(3):
        flags = archive_flags(jars, tmp_path)
    assert len(made) == 1
    assert str(made[0] / "neo4j.jsa") in flags[0]
    (made[0] / "neo4j.jsa").write_text("cl")
    archive_flags(jars, tmp_path)
    assert len(made) == 2


def test_java_really_takes_the_classes_from_the_archive(whole: Path) -> None:
    jars = fetch_jars(whole)
    archive_flags(jars, whole / ".archives")
    flags = archive_flags(jars, whole / ".archives")
    loaded = subprocess.run(
        java_command(jars, [*flags, "-XX:+UseSerialGC", "-Xlog:class+load"], ADMIN_CLASS, "--help"),
        capture_output=True,
        text=True,
    ).stdout
    assert loaded.count("shared objects file (top)") > 0
