"""The local server: start, stop, status, reset. Shared by all commands that use the same data folder.

The server keeps running after the command that started it. A file lock makes starting safe when two commands come at
once; the state file says which process it is; Neo4j's own store lock tells when somebody else has the folder.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from engine.errors import LocalServerError
from engine.files import disk_full_as
from engine.graph.local import config
from engine.graph.local.admin import ImportFiles, ImportReport, import_full
from engine.graph.local.archive import archive_flags
from engine.graph.local.console import boot_error, last_words
from engine.graph.local.jars import fetch_jars, jar_folder, read_lock
from engine.graph.local.lock import file_lock, is_store_locked
from engine.graph.local.process import (
    ServerState,
    bolt_port,
    find_process,
    read_state,
    server_environment,
    spawn,
    store_holder,
    wait_for_exit,
    write_state,
)
from engine.settings import LocalServerSettings

_POLL_S = 0.1
_STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """Where the running server is and how to get in."""

    uri: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What `engine graph status` shows; the values of a running server are None when it is stopped."""

    running: bool
    folder: Path
    version: str
    data_bytes: int
    pid: int | None = None
    uri: str | None = None
    memory_bytes: int | None = None
    uptime_s: float | None = None


class LocalServer:
    """The Neo4j of one home folder.

    Args:
        home: the engine's home; the server lives in `home/graph`.
        settings: port, memory and patience.
        die_with_parent: end the server when this process dies (Linux; for tests).
    """

    def __init__(self, home: Path, settings: LocalServerSettings, *, die_with_parent: bool = False) -> None:
        self.folder = home.resolve() / "graph"
        self.settings = settings
        self._die_with_parent = die_with_parent

    @property
    def log_path(self) -> Path:
        return self.folder / "logs" / "console.log"

    @property
    def _state_path(self) -> Path:
        return self.folder / "server.json"

    @property
    def _port_path(self) -> Path:
        return self.folder / "port"

    @property
    def _store_lock(self) -> Path:
        return self.folder / "data" / "databases" / "store_lock"

    def start(self) -> LocalAddress:
        """Start the server, or join the one that runs already.

        Raises:
            LocalServerError: it cannot be downloaded; the folder or the port is taken; there is too little memory; it
                dies while booting or is not ready in time.
            DiskFullError: no space left.
        """
        with self._only_one(), disk_full_as(self.folder):
            process = self._process()
            if process is None:
                process = self._spawn()
            return self._wait_ready(process)

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> bool:
        """Stop the server and wait until it has closed its store.

        Returns:
            False when it was not running.

        Raises:
            LocalServerError: it has not ended in time.
        """
        with self._only_one():
            process = self._process()
            if process is None:
                self._state_path.unlink(missing_ok=True)
                return False
            process.terminate()
            if not wait_for_exit(process, timeout_s):
                raise LocalServerError(
                    f"the local Neo4j (process {process.pid}) has not stopped within {timeout_s:.0f} s",
                    hint=f"See {self.log_path}; it may be writing a checkpoint. Try again in a moment.",
                )
            self._state_path.unlink(missing_ok=True)
            return True

    def status(self) -> ServerStatus:
        """Whether the server runs, where, and what it takes. Starts nothing."""
        version = read_lock().neo4j
        data_bytes = _folder_bytes(self.folder / "data")
        state, process = read_state(self._state_path), self._process()
        if process is None or state is None:
            return ServerStatus(False, self.folder, version, data_bytes)
        return ServerStatus(
            running=True,
            folder=self.folder,
            version=state.version,
            data_bytes=data_bytes,
            pid=process.pid,
            uri=None if state.port is None else _uri(state.port),
            memory_bytes=process.memory_info().rss,
            uptime_s=time.time() - state.started,
        )

    def reset(self) -> None:
        """Delete the graph's data, stopping the server first. Jars, other files of the home and settings stay.

        Raises:
            LocalServerError: the server does not stop, or another process has the folder.
        """
        self.stop()
        with self._only_one():
            self._refuse_taken_folder()
            for name in ("data", "logs", "run", "conf", "password"):
                path = self.folder / name
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)

    def bulk_import(
        self,
        nodes: Sequence[ImportFiles],
        relationships: Sequence[ImportFiles],
        *,
        database: str = "neo4j",
        id_type: Literal["string", "integer"] = "string",
    ) -> ImportReport:
        """Replace the whole database by CSV files: stop the server, run the offline importer, start it again.

        Indexes and constraints are gone afterwards, like everything else that was there; the address stays the same
        unless another program takes the port meanwhile. When the import fails the database is left empty.

        Raises:
            InputError: a label, type or path that the importer would misread.
            LocalServerError: the importer refuses the files, or the server does not stop or start.
        """
        self.stop()
        try:
            with self._only_one():
                self._refuse_taken_folder()
                config.write_config(self.folder, self.settings, self._preferred_port())
                return import_full(self.folder, self.settings, database, nodes, relationships, id_type)
        finally:
            self.start()

    def diagnosis(self) -> str | None:
        """Why the server is not there, with its last log lines; None when it runs."""
        process = self._process()
        return None if process else f"the local Neo4j in {self.folder} is not running{last_words(self.log_path)}"

    def _only_one(self) -> AbstractContextManager[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LocalServerError(
                f"the folder of the local Neo4j cannot be made: {self.folder} ({error.strerror})",
                hint="Point ENGINE_HOME at a folder that can be written.",
            ) from error
        return file_lock(self.folder / "server.lock")

    def _process(self) -> psutil.Process | None:
        state = read_state(self._state_path)
        return None if state is None else find_process(state, self.folder)

    def _preferred_port(self) -> int:
        """The configured port; or the one of last time, so that a restart keeps the address; or 0 for any."""
        if self.settings.port or not self._port_path.is_file():
            return self.settings.port
        try:
            last = int(self._port_path.read_text())
            socket.create_server(("127.0.0.1", last)).close()
        except (OSError, ValueError, OverflowError):
            return 0
        return last

    def _spawn(self) -> psutil.Process:
        self._refuse_taken_folder()
        config.check_memory(self.settings)
        cache = jar_folder()
        jars = fetch_jars(cache)
        flags = config.server_flags(self.settings) + archive_flags(jars, cache / ".archives")
        config.write_config(self.folder, self.settings, self._preferred_port())
        config.ensure_password(self.folder)
        self.log_path.parent.mkdir(exist_ok=True)
        command = config.java_command(
            jars,
            flags,
            config.SERVER_CLASS,
            *config.server_arguments(self.folder),
        )
        pid, started = spawn(
            command,
            log=self.log_path,
            environment=server_environment(self.folder),
            die_with_parent=self._die_with_parent,
        )
        write_state(self._state_path, ServerState(pid, started, None, read_lock().neo4j))
        return psutil.Process(pid)

    def _wait_ready(self, process: psutil.Process) -> LocalAddress:
        deadline = time.monotonic() + self.settings.start_timeout_s
        while (port := bolt_port(process)) is None:
            if wait_for_exit(process, _POLL_S):
                self._state_path.unlink(missing_ok=True)
                raise boot_error(self.log_path, self.settings)
            if time.monotonic() > deadline:
                raise LocalServerError(
                    f"the local Neo4j (process {process.pid}) is not ready after"
                    f" {self.settings.start_timeout_s:.0f} s{last_words(self.log_path)}",
                    hint="Raise start_timeout_s under [graph.local] in engine.toml, or: engine graph stop.",
                )
        state = ServerState(process.pid, process.create_time(), port, read_lock().neo4j)
        if state != read_state(self._state_path):
            write_state(self._state_path, state)
            self._port_path.write_text(str(port))
        return LocalAddress(_uri(port), config.USER, config.ensure_password(self.folder))

    def _refuse_taken_folder(self) -> None:
        if not is_store_locked(self._store_lock):
            return
        holder = store_holder(self._store_lock)
        who = "another process" if holder is None else f"process {holder}"
        raise LocalServerError(
            f"the folder {self.folder} is in use by {who}, which is not the server that the engine knows of",
            hint="End that Neo4j, or point ENGINE_HOME at another folder.",
        )


def _uri(port: int) -> str:
    return f"bolt://127.0.0.1:{port}"


def _folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a running server removes files meanwhile
            total += path.lstat().st_size
    return total
