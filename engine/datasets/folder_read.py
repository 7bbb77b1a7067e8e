"""One table's files as batches of typed columns, every bad row set aside with its file, line and reason.

CSV goes through Python's csv module, because it alone knows which line a record starts on when quoted cells hold
newlines. Looks at one row at a time: duplicates and unknown endpoints are `folder_check`'s.
"""

from __future__ import annotations

import bisect
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.datasets.folder_digests import Bits
from engine.datasets.folder_spec import DEFAULT_CORPUS, ColumnKind, TableSpec
from engine.datasets.folder_values import CLOCK_SKEW_MS, PARSE, check_column, split_categories
from engine.errors import DataError

MAX_CELL = 131_072
"""Characters of one CSV cell (the csv module's own limit, which also ends a quote that is never closed)."""
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
        return self._only([at for at in range(len(self.rows)) if at not in left_out]) if left_out else self

    def since(self, row: int) -> Batch:
        """This batch less the rows before one."""
        first = bisect.bisect_left(self.rows, row)
        return self._only(list(range(first, len(self.rows)))) if first else self

    def _only(self, keep: list[int]) -> Batch:
        columns = {name: [values[at] for at in keep] for name, values in self.columns.items()}
        rows, lines = [self.rows[at] for at in keep], [self.lines[at] for at in keep]
        return replace(self, rows=rows, lines=lines, columns=columns)

    def refuse(self) -> None:
        """Raise DataError where a row was bad."""
        for reject in self.rejects:
            raise DataError(f"{reject.file}:{reject.line}: {reject.reason}")


@dataclass(slots=True)
class _Raw:
    """Rows as the file has them: cells by column, before they are understood."""

    rows: list[int]
    lines: list[int]
    columns: Columns
    rejects: list[Reject]
    end: int


def read_table(spec: TableSpec, size: int) -> Iterator[Batch]:
    """Stream a table in file order.

    Args:
        size: rows a batch at most; a batch never spans two files.

    Raises:
        DataError: a file as a whole is wrong: unreadable, without a header, with missing or unknown columns.
    """
    start = 0
    limit = int(time.time() * 1000) + CLOCK_SKEW_MS
    for path in spec.files:
        read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
        for raw in read(path, spec, size, start):
            yield _understand(path, spec, raw, limit, parse=read is _read_csv)
            start = raw.end


def _understand(path: Path, spec: TableSpec, raw: _Raw, limit: int, *, parse: bool) -> Batch:
    kinds = spec.kinds
    bad: dict[int, str] = {}
    columns: Columns = {}
    for name, cells in raw.columns.items():
        values = PARSE[kinds[name]](name, cells, bad) if parse else cells
        check_column(kinds[name], name, values, bad, limit)
        columns[name] = values
    if spec.name == "items":
        corpora = columns.setdefault("corpus", [None] * len(raw.rows))
        columns["corpus"] = [corpus or DEFAULT_CORPUS for corpus in corpora]
    rejects = raw.rejects
    rows, lines = raw.rows, raw.lines
    if bad:
        rejects = rejects + [
            Reject(path, rows[k], lines[k], why, shown([column[k] for column in raw.columns.values()]))
            for k, why in bad.items()
        ]
        good = [k for k in range(len(rows)) if k not in bad]
        columns = {name: [values[k] for k in good] for name, values in columns.items()}
        rows, lines = [rows[k] for k in good], [lines[k] for k in good]
    return Batch(path, rows, lines, columns, tuple(sorted(rejects, key=lambda reject: reject.row)), raw.end)


def shown(cells: list[Any]) -> str:
    """A row's content, shortened for the rejects file."""
    text = ",".join("" if cell is None else str(cell)[: CONTENT_SHOWN + 1] for cell in cells)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return text if len(text) <= CONTENT_SHOWN else text[:CONTENT_SHOWN] + "…"


class _Lines:
    """A binary file's lines as text; remembers the lines that are not text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flawed: dict[int, str] = {}

    def __iter__(self) -> Iterator[str]:
        with self.path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                try:
                    line = raw.decode("utf-8")
                except UnicodeDecodeError:
                    self.flawed[number] = "not UTF-8"
                    line = raw.decode("utf-8", "backslashreplace")
                if "\0" in line:
                    self.flawed[number] = "holds a NUL character"
                yield line

    def flaw(self, first: int, last: int) -> str | None:
        """What is wrong with any of these lines, or None."""
        if not self.flawed:
            return None
        found = [self.flawed.pop(number) for number in list(self.flawed) if first <= number <= last]
        return found[0] if found else None


def _read_csv(path: Path, spec: TableSpec, size: int, start: int) -> Iterator[_Raw]:
    lines = _Lines(path)
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader)
    except (StopIteration, csv.Error) as error:
        raise DataError(f"{path}:1: there is no header line") from error
    if flaw := lines.flaw(1, reader.line_num):
        raise DataError(f"{path}:1: the header is {flaw}")
    picked = _pick(path, spec, header)
    raw = _Raw([], [], {}, [], start)
    cells: list[list[str]] = []
    before = reader.line_num
    row = start
    while True:
        reason = None
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            reason, record = _csv_reason(error), []
        line, before = before + 1, reader.line_num
        if lines.flawed:
            reason = lines.flaw(line, before) or reason
        if not record and reason is None:
            continue
        if reason is None and len(record) != len(header):
            reason = f"has {len(record)} cells, the header has {len(header)}"
        if reason is None:
            raw.rows.append(row)
            raw.lines.append(line)
            cells.append(record)
        else:
            raw.rejects.append(Reject(path, row, line, reason, shown(record)))
        row += 1
        if row - start >= size:
            yield _finished(raw, cells, picked, row)
            raw, cells, start = _Raw([], [], {}, [], row), [], row
    if row > start:
        yield _finished(raw, cells, picked, row)


def _csv_reason(error: csv.Error) -> str:
    text = str(error)
    if "field limit" in text:
        return f"a cell is longer than {MAX_CELL:,} characters, or its quote is never closed"
    if "end of data" in text:
        return "the quote of a cell is never closed"
    if "expected after" in text:
        return "text follows the closing quote of a cell"
    return f"is not CSV ({text})"


def _finished(raw: _Raw, cells: list[list[str]], picked: dict[str, int], end: int) -> _Raw:
    raw.columns = {name: [record[at] for record in cells] for name, at in picked.items()}
    raw.end = end
    return raw


def _pick(path: Path, spec: TableSpec, header: list[str]) -> dict[str, int]:
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


def _read_parquet(path: Path, spec: TableSpec, size: int, start: int) -> Iterator[_Raw]:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            picked = _pick(path, spec, schema.names)
            casts = {name: _cast(path, name, spec.kinds[name], schema.field(name).type) for name in picked}
            line = 1
            for batch in file.iter_batches(batch_size=size, columns=list(picked)):
                count = batch.num_rows
                columns = {name: cast(batch.column(batch.schema.get_field_index(name))) for name, cast in casts.items()}
                rows = list(range(start, start + count))
                yield _Raw(rows, list(range(line, line + count)), columns, [], start + count)
                start, line = start + count, line + count
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error


def _cast(path: Path, name: str, kind: ColumnKind, type_: Any) -> Callable[[Any], list[Any]]:
    """How a Parquet column becomes the values that a CSV file would have given."""
    types = pa.types
    plain = type_.value_type if types.is_dictionary(type_) else type_
    text = types.is_string(plain) or types.is_large_string(plain)
    whole = types.is_integer(plain)
    if types.is_null(plain):
        return lambda column: [None] * len(column)
    if kind in ("id", "optional id", "corpus", "text") and (text or whole):
        return lambda column: column.cast(pa.string()).to_pylist()
    if kind == "categorical" and (types.is_list(plain) or types.is_large_list(plain)):
        return lambda column: [
            None if cell is None else [str(part) for part in cell if part] for cell in column.to_pylist()
        ]
    if kind == "categorical" and (text or whole):
        return lambda column: [split_categories(cell) for cell in column.cast(pa.string()).to_pylist()]
    if kind == "numeric" and (whole or types.is_floating(plain) or types.is_boolean(plain)):
        return lambda column: column.cast(pa.float64()).to_pylist()
    if kind == "time" and whole:
        return lambda column: column.cast(pa.int64()).to_pylist()
    if kind == "time" and types.is_timestamp(plain):
        return lambda column: column.cast(pa.timestamp("ms", plain.tz), safe=False).cast(pa.int64()).to_pylist()
    raise DataError(f"{path}: column {name!r} is {type_}, which cannot be {kind}")
