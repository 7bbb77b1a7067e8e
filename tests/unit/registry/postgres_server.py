"""A genuine Postgres for tests, on a unix socket in a folder of its own; it ends with the tests."""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "autovacuum=off",
)
START_S = 60
_PR_SET_PDEATHSIG = 1


class NoPostgres(Exception):
    """There is none here."""


@dataclass
class PostgresServer:
    """A running server."""

    folder: Path
    process: subprocess.Popen[bytes]
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def start(cls) -> Self:
        """Start a server that only this machine can reach, as a user who is not root.

        Raises:
            NoPostgres: the server or the driver is not installed.
        """
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise NoPostgres(f"the driver is missing ({error}); install psycopg[binary]") from error
        programs = _programs()
        folder = Path(tempfile.mkdtemp(prefix="engine-postgres-"))
        user = _user()
        if user is not None:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
        run: dict[str, Any] = {"user": user, "cwd": folder, "stdin": subprocess.DEVNULL}
        if user is not None:
            run |= {"group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        made = subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "engine", "-A", "trust", "-E", "UTF8", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            **run,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr or made.stdout}")
        options = [part for setting in SETTINGS for part in ("-c", setting)]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-k", folder, *options],
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,
            **run,
        )
        log.close()
        server = cls(folder, process)
        server._wait()
        return server

    def new_database(self) -> str:
        """The SQLAlchemy URL of what is as good as a new, empty database: a schema, for it is made in no time."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(host=str(self.folder), user="engine", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"postgresql+psycopg://engine@/postgres?host={self.folder}&options=-csearch_path%3D{name}"

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        import psycopg

        until = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(host=str(self.folder), user="engine", dbname="postgres").close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.process.kill()
                    raise RuntimeError(f"Postgres did not start: {(self.folder / 'log').read_text()}") from error
                time.sleep(0.05)


def _programs() -> Path:
    """The folder of the newest server here; Debian keeps it off the path."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if folders:
        return max(folders, key=lambda folder: int(folder.parent.name))
    found = shutil.which("postgres")
    if found is None:
        raise NoPostgres("there is no Postgres server here; install the package `postgresql`")
    return Path(found).resolve().parent


def _user() -> str | None:
    """Whom to become: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
