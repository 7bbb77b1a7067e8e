"""A lock between processes, on a file. Released by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import LocalServerError

_POLL_S = 0.1


@contextmanager
def file_lock(path: Path, timeout_s: float = 600.0) -> Iterator[None]:
    """Hold an exclusive lock on `path`, waiting for another holder.

    Raises:
        LocalServerError: another process held it all the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LocalServerError(
                        f"another process has held {path} for {timeout_s:.0f} s",
                        hint="See which process uses it, and end it or wait for it.",
                    ) from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(fd)


def is_store_locked(store_lock: Path) -> bool:
    """True when a running Neo4j holds this store lock file (it uses POSIX record locks)."""
    if not store_lock.exists():
        return False
    with store_lock.open("r+b") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
