"""A lock that many readers share and one writer holds alone. Knows only threads."""

from __future__ import annotations

import threading
from types import TracebackType


class ReadWriteLock:
    """`with lock.reading:` runs beside other readers; `with lock.writing:` runs alone. A waiting writer holds new readers back."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._changed = threading.Condition(threading.Lock())
        self._readers = 0
        self.reading = _Reading(self)
        self.writing = _Writing(self)

    def _enter_read(self) -> None:
        with self._gate, self._changed:
            self._readers += 1

    def _leave_read(self) -> None:
        with self._changed:
            self._readers -= 1
            if not self._readers:
                self._changed.notify_all()

    def _enter_write(self) -> None:
        self._gate.acquire()
        with self._changed:
            while self._readers:
                self._changed.wait()

    def _leave_write(self) -> None:
        self._gate.release()


class _Reading:
    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock._enter_read()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock._leave_read()


class _Writing:
    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock._enter_write()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock._leave_write()
