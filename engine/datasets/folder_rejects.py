"""The rejects file: each bad row's file, line, reason and beginning. Knows no tables."""

from __future__ import annotations

import collections
import csv
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from engine.datasets.folder_batch import Reject
from engine.errors import DataError, RejectsError

SHOWN = 5


class Rejects:
    """Counts bad rows by file and writes them down; the file appears with the first of them."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.counts: collections.Counter[Path] = collections.Counter()
        self._first: list[Reject] = []
        self._stream: IO[str] | None = None
        self._writer: Any = None

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def __enter__(self) -> Rejects:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, reject: Reject) -> None:
        self.counts[reject.file] += 1
        if len(self._first) < SHOWN:
            self._first.append(reject)
        if self.path is None:
            return
        if self._stream is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self.path.open("w", encoding="utf-8", newline="", errors="backslashreplace")
            except PermissionError as error:
                raise DataError(f"{self.path}: cannot write the rejects file ({error.strerror})") from error
            self._writer = csv.writer(self._stream)
            self._writer.writerow(["file", "line", "reason", "content"])
        self._writer.writerow([reject.file, reject.line, reject.reason, reject.content])

    def finish(self, max_rejects: int) -> None:
        """Raise RejectsError where a file has more than `max_rejects` bad rows."""
        over = [path for path, count in self.counts.items() if count > max_rejects]
        if not over:
            return
        shown = [f"{r.file}:{r.line}: {r.reason}" for r in self._first]
        more = self.total - len(shown)
        if more:
            shown.append(f"and {more:,} more")
        where = f"All of them: {self.path}. " if self.path else ""
        raise RejectsError(
            f"{self.counts[over[0]]:,} bad rows in {over[0]}, {max_rejects:,} allowed; nothing was written\n"
            + "\n".join(shown),
            hint=f"{where}Mend them, or allow some with --max-rejects.",
        )
