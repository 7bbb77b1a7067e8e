"""The jars of Neo4j: the lock that names them, and fetching them through jgo's downloader into a shared cache.

jgo's own resolver is not used: it resolves hundreds of POMs anew and takes a truncated jar for whole. The lock beside
this file names every jar with its SHA-256, and each one is checked before every start.
"""

from __future__ import annotations

import errno
import os
import threading
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import LocalServerError
from engine.files import disk_full_as, sha256_file
from engine.graph.local.lock import file_lock
from engine.progress import progress

LOCK_FILE = Path(__file__).with_name("jgo.lock.toml")
OTHER_WAYS = (
    "Check the network (Maven Central must be reachable once), or use a Neo4j 5.23+ of your own: set ENGINE_GRAPH_URI"
    " and ENGINE_GRAPH_PASSWORD; or run one with Docker: docker compose -f docker/compose.yaml up neo4j."
)
_ATTEMPTS = 3
_PARALLEL = 4
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of the lock."""

    group: str
    artifact: str
    version: str
    classifier: str
    packaging: str
    size_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        parts = (self.artifact, self.version, self.classifier)
        return "-".join(part for part in parts if part) + f".{self.packaging}"

    def path(self, folder: Path) -> Path:
        """Where the jar lies in a folder laid out like a Maven repository."""
        return folder.joinpath(*self.group.split("."), self.artifact, self.version, self.name)

    def is_whole(self, folder: Path) -> bool:
        path = self.path(folder)
        return path.is_file() and path.stat().st_size == self.size_bytes and sha256_file(path) == self.sha256


@dataclass(frozen=True, slots=True)
class JarLock:
    """The Neo4j version and its jars, in class path order."""

    neo4j: str
    jars: tuple[Jar, ...]


@cache
def read_lock() -> JarLock:
    """Read the lock that is shipped beside this file."""
    parsed = tomllib.loads(LOCK_FILE.read_text())
    jars = (
        Jar(d["group"], d["artifact"], d["version"], d.get("classifier", ""), d["packaging"], d["bytes"], d["sha256"])
        for d in parsed["dependencies"]
    )
    return JarLock(parsed["neo4j"], tuple(jars))


def jar_folder() -> Path:
    """The shared cache: M2_REPO, or a folder in JGO_CACHE_DIR, or the user's cache folder."""
    if repository := os.environ.get("M2_REPO"):
        return Path(repository)
    if jgo_cache := os.environ.get("JGO_CACHE_DIR"):
        return Path(jgo_cache) / "repository"
    from platformdirs import user_cache_path

    return user_cache_path("graph-recommender-engine", appauthor=False) / "jars"


def fetch_jars(folder: Path) -> list[Path]:
    """Make every jar of the lock present and whole; download what is missing or damaged.

    Returns:
        The jars' paths in class path order.

    Raises:
        LocalServerError: the download is impossible, or a jar keeps differing from its checksum.
        DiskFullError: no space left in the cache.
    """
    lock = read_lock()
    with ThreadPoolExecutor(_PARALLEL) as pool, disk_full_as(folder):
        if _missing(lock, folder, pool):
            with _only_one(folder):
                if missing := _missing(lock, folder, pool):  # another process may have fetched them meanwhile
                    _download(missing, folder, pool, lock.neo4j)
    return [jar.path(folder) for jar in lock.jars]


def _missing(lock: JarLock, folder: Path, pool: ThreadPoolExecutor) -> list[Jar]:
    whole = pool.map(lambda jar: jar.is_whole(folder), lock.jars)
    return [jar for jar, ok in zip(lock.jars, whole, strict=True) if not ok]


def _only_one(folder: Path) -> AbstractContextManager[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (path := folder / ".graph-recommender-engine.lock").touch()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise LocalServerError(
            f"the folder for Neo4j's jars cannot be written: {folder} ({error.strerror})",
            hint="Point M2_REPO at a folder that can be written.",
        ) from error
    return file_lock(path)


def _download(jars: list[Jar], folder: Path, pool: ThreadPoolExecutor, version: str) -> None:
    from jgo.maven import MavenContext, PythonResolver
    from requests.exceptions import RequestException

    total_kb = sum(jar.size_bytes for jar in jars) // 1000
    with progress(f"Downloading Neo4j {version} (kB, once)", total_kb) as advance:
        resolver = PythonResolver(progress_callback=_report_to(advance))
        context = MavenContext(resolver=resolver, repo_cache=folder, timeout=_TIMEOUT_S)
        tasks = [pool.submit(_fetch_one, context, jar, folder) for jar in jars]
        try:
            for task in tasks:
                task.result()
        except (RequestException, RuntimeError) as error:
            raise LocalServerError(
                f"Neo4j {version} cannot be downloaded: {_first_line(error)}", hint=OTHER_WAYS
            ) from error
        finally:
            for task in tasks:
                task.cancel()


def _fetch_one(context: Any, jar: Jar, folder: Path) -> None:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier, jar.packaging)
    for _ in range(_ATTEMPTS):
        jar.path(folder).unlink(missing_ok=True)
        artifact.resolve()
        if jar.is_whole(folder):
            return
    jar.path(folder).unlink(missing_ok=True)
    raise LocalServerError(
        f"the download of {jar.name} does not match its checksum, {_ATTEMPTS} times over",
        hint="Something between here and Maven Central alters files. " + OTHER_WAYS,
    )


def _report_to(advance: Callable[[int], None]) -> Callable[[str, int], Any]:
    """jgo's progress callback, from several threads, in whole kB."""
    guard = threading.Lock()
    rest = 0

    def update(num_bytes: int) -> None:
        nonlocal rest
        with guard:
            done_kb, rest = divmod(rest + num_bytes, 1000)
            if done_kb:
                advance(done_kb)

    @contextmanager
    def callback(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield update

    return callback


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
