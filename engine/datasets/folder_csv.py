"""CSV files as raw rows. Python's csv module reads them, because it alone knows which line a record starts on when quoted
cells hold newlines. Blocks of lines without any quote are read at once.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.datasets.folder_batch import Raw, Reject, pick, shown
from engine.datasets.folder_spec import TableSpec
from engine.errors import DataError

MAX_CELL = 131_072
"""Characters of one CSV cell (the csv module's own limit, which also ends a quote that is never closed)."""


class _Lines:
    """A binary file's lines as text; remembers the lines that are not text."""

    def __init__(self, lines: Iterable[bytes], first: int = 1) -> None:
        self.lines = lines
        self.first = first
        self.flawed: dict[int, str] = {}

    def __iter__(self) -> Iterator[str]:
        for number, raw in enumerate(self.lines, start=self.first):
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


def read_csv(path: Path, spec: TableSpec, size: int, start: int) -> Iterator[Raw]:
    """Stream a file, at most `size` rows at a time; `start` is the number of its first row in the table.

    Raises:
        DataError: there is no header, or it has missing or unknown columns.
    """
    with path.open("rb") as stream:
        lines = _Lines(stream)
        reader = csv.reader(lines, strict=True)
        try:
            header = next(reader)
        except (StopIteration, csv.Error) as error:
            raise DataError(f"{path}:1: there is no header line") from error
        if flaw := lines.flaw(1, reader.line_num):
            raise DataError(f"{path}:1: the header is {flaw}")
        picked = pick(path, spec, header)
        row, line = start, reader.line_num + 1
        while block := list(itertools.islice(stream, size)):
            cells = _plain(block, len(header))
            if cells is None:
                # From here on line by line: a quoted cell may go on in the next block.
                yield from _slow(path, header, picked, itertools.chain(block, stream), size, row, line)
                return
            end = row + len(cells)
            raw = Raw(list(range(row, end)), list(range(line, line + len(cells))), {}, [], end)
            yield _finished(raw, cells, picked, end)
            row, line = end, line + len(cells)


def _plain(block: list[bytes], width: int) -> list[list[str]] | None:
    """The cells of lines that are a good record each, or None where any is not or may not be."""
    joined = b"".join(block)
    if b'"' in joined or b"\0" in joined:
        return None
    try:
        cells = list(csv.reader(joined.decode("utf-8").removesuffix("\n").split("\n"), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    return cells if set(map(len, cells)) == {width} else None


def _slow(
    path: Path, header: list[str], picked: dict[str, int], rest: Iterable[bytes], size: int, start: int, first: int
) -> Iterator[Raw]:
    lines = _Lines(rest, first)
    reader = csv.reader(lines, strict=True)
    raw = Raw([], [], {}, [], start)
    cells: list[list[str]] = []
    before = first - 1
    row = start
    while True:
        reason = None
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            reason, record = _csv_reason(error), []
        line, before = before + 1, first - 1 + reader.line_num
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
            raw, cells, start = Raw([], [], {}, [], row), [], row
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


def _finished(raw: Raw, cells: list[list[str]], picked: dict[str, int], end: int) -> Raw:
    columns = list(zip(*cells, strict=True))
    raw.columns = {name: list(columns[at]) if columns else [] for name, at in picked.items()}
    raw.end = end
    return raw
