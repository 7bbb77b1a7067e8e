"""The server as an operating-system process: its state file, whether it lives, its port, how to spawn and end it.

A process counts as ours only when its pid, its start time and the folder on its command line all agree, so that a
reused pid is never taken for the server, and never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from engine.files import write_json

_DIE_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.getppid() == int(sys.argv[1]) or sys.exit(1);"
    " os.execv(sys.argv[2], sys.argv[2:])"
)
"""Run by a small Python in between: ask for SIGTERM at the parent's death (Linux), then become the server."""
_BOLT_HELLO = bytes.fromhex("6060b017") + bytes.fromhex("00080805 00020404 00000000 00000000")
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the state file holds; `port` is None until the server answers."""

    pid: int
    started: float
    port: int | None
    version: str


def read_state(path: Path) -> ServerState | None:
    """The recorded state, or None when there is none or it cannot be read."""
    try:
        return ServerState(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_state(path: Path, state: ServerState) -> None:
    write_json(path, asdict(state), mode=0o600)


def find_process(state: ServerState, folder: Path) -> psutil.Process | None:
    """The living process that `state` describes, or None: dead, a zombie, or another process with that pid."""
    _reap(state.pid)
    try:
        process = psutil.Process(state.pid)
        if process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - state.started) > 1.0:
            return None
        return process if f"--home-dir={folder}" in process.cmdline() else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def spawn(
    command: Sequence[str], *, log: Path, environment: dict[str, str], die_with_parent: bool
) -> tuple[int, float]:
    """Start `command` in a session of its own, so that Ctrl-C and the end of this process leave it running.

    Args:
        log: gets stdout and stderr.
        die_with_parent: end the server when this process dies (Linux; for tests).

    Returns:
        The pid and the start time.
    """
    if die_with_parent:
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
    log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        pid = os.posix_spawn(
            command[0],
            list(command),
            environment,
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP],
            setsigmask=[],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log_fd, 1),
                (os.POSIX_SPAWN_DUP2, log_fd, 2),
            ],
        )
    finally:
        os.close(log_fd)
    return pid, psutil.Process(pid).create_time()


def server_environment(folder: Path) -> dict[str, str]:
    """The environment of the server and of its admin tool: nothing of the user's Java or Neo4j leaks in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NEO4J_", "JAVA_", "JDK_", "_JAVA"))}
    return {**kept, "NEO4J_HOME": str(folder), "NEO4J_CONF": str(folder / "conf")}


def wait_for_exit(process: psutil.Process, timeout_s: float) -> bool:
    """True when the process ended in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        _reap(process.pid)
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(_POLL_S)
    return False


def bolt_port(process: psutil.Process) -> int | None:
    """The loopback port on which the process answers the Bolt handshake, or None while it does not yet."""
    try:
        listening = [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return next((port for port in listening if speaks_bolt("127.0.0.1", port)), None)


def speaks_bolt(host: str, port: int, timeout_s: float = 2.0) -> bool:
    """True when a Bolt server answers there: it picks one of the offered protocol versions."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(_BOLT_HELLO)
            answer = connection.recv(4)
    except OSError:
        return False
    return len(answer) == 4 and answer[:2] == b"\0\0" and answer[3] in (4, 5)


def store_holder(store_lock: Path) -> int | None:
    """The pid of the process that has the store lock open, where the system lets us see it."""
    target = str(store_lock.resolve())
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(file.path == target for file in process.open_files()):
                return int(process.pid)
    return None


def _reap(pid: int) -> None:
    """Collect our own dead child, so that it does not stay a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
