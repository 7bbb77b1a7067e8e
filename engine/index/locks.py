"""A lock that many readers share and one writer holds alone. Knows only threads."""

from __future__ import annotations

import threading
from types import TracebackType


class ReadWriteLock:
    """`with lock.reading:` runs beside other readers; `with lock.writing:` runs alone. A waiting writer holds new readers back."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._turn = threading.Lock()
        self._readers = 0
        self._writers = 0
        self.reading = _Reading(self)
        self.writing = _Writing(self)

    def _enter_write(self) -> None:
        with self._mutex:
            self._writers += 1
        self._turn.acquire()
        with self._mutex:
            while self._readers:
                self._changed.wait()

    def _leave_write(self) -> None:
        self._turn.release()
        with self._mutex:
            self._writers -= 1
            self._changed.notify_all()


class _Reading:
    """One lock, held for a moment at each end: a query is so short that two would show."""

    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock
        self._mutex = lock._mutex

    def __enter__(self) -> None:
        lock = self._lock
        with self._mutex:
            while lock._writers:
                lock._changed.wait()
            lock._readers += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lock = self._lock
        with self._mutex:
            lock._readers -= 1
            if lock._writers:
                lock._changed.notify_all()


class _Writing:
    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock._enter_write()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock._leave_write()
