"""Rows of a table on their way in: raw cells as a file has them, batches of good rows, and the bad ones set aside."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.datasets.folder_digests import Bits
from engine.datasets.folder_spec import TableSpec
from engine.errors import DataError

CONTENT_SHOWN = 200

Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Reject:
    """One bad row.

    Attributes:
        row: its number in the table, from 0, over all files and bad rows included.
        line: its first line in the file, from 1 (of a Parquet file: the row, from 1).
        content: the beginning of it.
    """

    file: Path
    row: int
    line: int
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Good rows of one file of one table.

    Attributes:
        rows: each row's number in the table, ascending.
        lines: each row's first line in the file.
        columns: name -> values, all equally long; None where a value is missing.
        rejects: the bad rows met on the way.
    """

    file: Path
    rows: list[int]
    lines: list[int]
    columns: Columns
    rejects: tuple[Reject, ...]
    end: int
    """The number of the first row after this batch, bad ones counted."""

    def __len__(self) -> int:
        return len(self.rows)

    def content(self, at: int) -> str:
        """The beginning of one row."""
        return shown([values[at] for values in self.columns.values()])

    def without(self, skip: Bits) -> Batch:
        """This batch less the rows in a set."""
        left_out = set(skip.among(self.rows))
        return self.only([at for at in range(len(self.rows)) if at not in left_out]) if left_out else self

    def since(self, row: int) -> Batch:
        """This batch less the rows before one."""
        first = bisect.bisect_left(self.rows, row)
        return self.only(list(range(first, len(self.rows)))) if first else self

    def only(self, keep: list[int]) -> Batch:
        """Some of its rows, by place."""
        columns = {name: [values[at] for at in keep] for name, values in self.columns.items()}
        rows, lines = [self.rows[at] for at in keep], [self.lines[at] for at in keep]
        return replace(self, rows=rows, lines=lines, columns=columns)

    def refuse(self) -> None:
        """Raise DataError where a row was bad."""
        for reject in self.rejects:
            raise DataError(f"{reject.file}:{reject.line}: {reject.reason}")


@dataclass(slots=True)
class Raw:
    """Rows as the file has them: cells by column, before they are understood."""

    rows: list[int]
    lines: list[int]
    columns: Columns
    rejects: list[Reject]
    end: int


def shown(cells: list[Any]) -> str:
    """A row's content, shortened for the rejects file."""
    text = ",".join("" if cell is None else str(cell)[: CONTENT_SHOWN + 1] for cell in cells)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return text if len(text) <= CONTENT_SHOWN else text[:CONTENT_SHOWN] + "…"


def pick(path: Path, spec: TableSpec, header: list[str]) -> dict[str, int]:
    """Column -> its place in the file, in the spec's order."""
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}:1: column {twice!r} is there twice")
    for name in spec.required:
        if name not in header:
            raise DataError(f"{path}:1: column {name!r} is missing", hint=f"The file has: {', '.join(header)}.")
    for name in header:
        if name not in spec.kinds and name not in spec.ignore:
            declare = (
                f"Declare it in [{spec.name}.fields] or name" if spec.name in ("items", "contexts", "users") else "Name"
            )
            raise DataError(f"{path}:1: column {name!r} is not known", hint=f"{declare} it in {spec.name}.ignore.")
    return {name: header.index(name) for name in spec.kinds if name in header and name not in spec.ignore}
