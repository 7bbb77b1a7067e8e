"""What a reader of a public data set is and what it hands over. Knows no data set and writes no files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.datasets.readers.source import Source

FieldKind = Literal["text", "numeric", "categorical"]
Columns = Mapping[str, Sequence[Any]]
"""Column name -> values, all of one length; None where a value is missing."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A data set in the engine's words, ready to be written as a folder.

    Attributes:
        tables: items, contexts, users, saves, interactions, follows -> columns.
        fields: table -> field -> kind.
        splits: split name -> "train" | "valid" | "test" -> the columns of the table that the split divides.
    """

    tables: Mapping[str, Columns]
    fields: Mapping[str, Mapping[str, FieldKind]] = field(default_factory=dict)
    splits: Mapping[str, Mapping[str, Columns]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Table -> number of rows."""
        return {name: rows_of(columns) for name, columns in self.tables.items()}


@dataclass(frozen=True, slots=True)
class Reader:
    """How one public data set is read.

    Attributes:
        name: as in `engine data convert NAME`.
        about: one sentence for a person: what becomes what.
        files: the files that must be there.
        origin: where a person gets them, and under which terms.
        published: table -> rows, of the edition that papers use; another edition is read all the same.
        read: the work itself; raises DataError for files that are missing, truncated or foreign.
    """

    name: str
    about: str
    files: tuple[str, ...]
    origin: str
    published: Mapping[str, int]
    read: Callable[[Source], Converted]


def rows_of(columns: Columns) -> int:
    """How many rows a table has."""
    return len(next(iter(columns.values()))) if columns else 0


def pick(columns: Columns, rows: Sequence[int]) -> dict[str, list[Any]]:
    """Some rows of a table, in the order given."""
    return {name: [values[row] for row in rows] for name, values in columns.items()}
