"""What a reader of a public data set is and what it hands over. Knows no data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.datasets.folder_spec import FieldKind, TableName
from engine.datasets.folder_write import write_dataset
from engine.datasets.readers.source import Source
from engine.types import FloatArray

Columns = Mapping[str, Sequence[Any]]
"""Column name -> values, all of one length; None where a value is missing."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A data set in the engine's words, ready to be written as a folder.

    Attributes:
        tables: items, contexts, users, saves, interactions, follows -> columns.
        fields: table -> field -> kind.
        vectors: of the items: name -> float32 `[rows, dim]`.
        splits: split name -> "train" | "valid" | "test" -> the columns of the interactions that the split divides.
    """

    tables: Mapping[TableName, Columns]
    fields: Mapping[TableName, Mapping[str, FieldKind]] = field(default_factory=dict)
    vectors: Mapping[str, FloatArray] = field(default_factory=dict)
    splits: Mapping[str, Mapping[str, Columns]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Table -> number of rows."""
        return {name: rows_of(columns) for name, columns in self.tables.items()}

    def write(self, target: Path, name: str) -> None:
        """Write it as a data set folder; one that is already there is replaced.

        Raises:
            InputError: `target` is there and is no data set.
            DiskFullError: no space left; what was there is unharmed.
        """
        write_dataset(
            target,
            name,
            items=self.tables["items"],
            contexts=self.tables.get("contexts"),
            users=self.tables.get("users"),
            saves=self.tables.get("saves"),
            interactions=self.tables.get("interactions"),
            follows=self.tables.get("follows"),
            item_fields=self.fields.get("items"),
            context_fields=self.fields.get("contexts"),
            user_fields=self.fields.get("users"),
            vectors=self.vectors,
            splits=self.splits,
        )


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
