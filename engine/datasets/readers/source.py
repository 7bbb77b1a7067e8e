"""Reading a public data set's own files into columns, with one clear error for whatever is not as its authors wrote it.

Knows text, CSV, MATLAB and NumPy files; nothing of any one data set.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import DataError

Parse = Callable[[str], Any]
"""Turns one cell into a value; raises ValueError when it cannot."""


@dataclass(frozen=True, slots=True)
class Source:
    """The folder of one downloaded data set.

    Attributes:
        folder: where the files are.
        dataset: the data set's name, for messages.
    """

    folder: Path
    dataset: str

    def file(self, name: str) -> Path:
        """The path of one file.

        Raises:
            DataError: the folder or the file is not there.
        """
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder", hint=f"Give the folder with the files of {self.dataset}.")
        path = self.folder / name
        if not path.is_file():
            raise DataError(
                f"{self.dataset}: {name} is missing from {self.folder}",
                hint="Keep the names and the layout that the files were published in.",
            )
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty")
        return path

    def has(self, name: str) -> bool:
        return (self.folder / name).is_file()


def wrong_line(path: Path, line: int, expected: str, found: str) -> DataError:
    """The error for a line that is not what the format says."""
    shown = found if len(found) <= 80 else f"{found[:77]}..."
    return DataError(
        f"{path}, line {line}: expected {expected}, found {shown!r}",
        hint="The file is truncated, altered or not of this data set; download it again.",
    )


def read_lines(path: Path, *, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Each line with its number (from 1), without its line end. Only a line feed ends a line.

    Raises:
        DataError: a line that is not text of this encoding.
    """
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            try:
                yield number, raw.decode(encoding).rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}, line {number}: not {encoding} text ({error.reason})") from error


def read_table(
    path: Path,
    columns: Mapping[str, Parse],
    *,
    separator: str | None,
    header: str | None = None,
    encoding: str = "utf-8",
) -> dict[str, list[Any]]:
    """A text file with the same number of cells on every line.

    Args:
        path: the file.
        columns: the cells of a line in order, with how each is parsed.
        separator: what stands between cells; None is any run of white space.
        header: the exact first line, where the format has one.
        encoding: of the text.

    Raises:
        DataError: another first line, too few or too many cells, or a cell that cannot be parsed.
    """
    expected = f"{len(columns)} cells ({', '.join(columns)})"
    out: dict[str, list[Any]] = {name: [] for name in columns}
    sinks = [(name, parse, out[name].append) for name, parse in columns.items()]
    lines = read_lines(path, encoding=encoding)
    if header is not None:
        number, first = next(lines)
        if first != header:
            raise wrong_line(path, number, f"the header {header!r}", first)
    for number, line in lines:
        cells = line.split(separator)
        if len(cells) != len(sinks):
            raise wrong_line(path, number, expected, line)
        for cell, (name, parse, append) in zip(cells, sinks, strict=True):
            try:
                append(parse(cell))
            except ValueError as error:
                raise wrong_line(path, number, f"{name} to be {_kind(parse)}", cell) from error
    return _not_empty(path, out)


def read_csv(path: Path, columns: Mapping[str, Parse]) -> dict[str, list[Any]]:
    """A CSV file whose header line is exactly `columns`; cells may be quoted.

    Raises:
        DataError: another header, too few or too many cells, or a cell that cannot be parsed.
    """
    out: dict[str, list[Any]] = {name: [] for name in columns}
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        try:
            header = next(reader)
            if header != list(columns):
                raise wrong_line(path, 1, f"the header {','.join(columns)!r}", ",".join(header))
            for cells in reader:
                if len(cells) != len(columns):
                    raise wrong_line(path, reader.line_num, f"{len(columns)} cells", ",".join(cells))
                for cell, (name, parse) in zip(cells, columns.items(), strict=True):
                    try:
                        out[name].append(parse(cell))
                    except ValueError as error:
                        raise wrong_line(path, reader.line_num, f"{name} to be {_kind(parse)}", cell) from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, after line {reader.line_num}: not utf-8 text ({error.reason})") from error
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: not CSV ({error})") from error
    return _not_empty(path, out)


def read_id_lists(path: Path, *, counted: bool) -> list[list[int]]:
    """A file with a list of whole numbers on every line.

    Args:
        path: the file.
        counted: every line begins with how many numbers follow; it is checked and dropped.

    Raises:
        DataError: a cell that is not a whole number, or a line shorter or longer than its count says.
    """
    out: list[list[int]] = []
    for number, line in read_lines(path):
        try:
            values = [whole(cell) for cell in line.split()]
        except ValueError as error:
            raise wrong_line(path, number, "whole numbers", line) from error
        if not values:
            raise wrong_line(path, number, "at least one number", line)
        if counted:
            count, *values = values
            if count != len(values):
                raise wrong_line(path, number, f"{count} numbers after the count", line)
        out.append(values)
    return out


def whole(cell: str) -> int:
    """A whole number, zero or more.

    Raises:
        ValueError: it is not one.
    """
    value = int(cell)
    if value < 0:
        raise ValueError(cell)
    return value


def seconds_to_ms(cell: str) -> int:
    """A time in epoch seconds, as epoch milliseconds.

    Raises:
        ValueError: it is not a whole number.
    """
    return whole(cell) * 1000


def tokens(values: list[str]) -> str:
    """Several values as one categorical cell."""
    return "|".join(dict.fromkeys(value.replace("|", "/") for value in values))


def _kind(parse: Parse) -> str:
    kinds: dict[Parse, str] = {whole: "a whole number", float: "a number", seconds_to_ms: "a time in epoch seconds"}
    return kinds.get(parse, "a valid value")


def _not_empty(path: Path, table: dict[str, list[Any]]) -> dict[str, list[Any]]:
    if not next(iter(table.values())):
        raise DataError(f"{path}: the file has no rows")
    return table
