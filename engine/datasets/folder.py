"""A data set on disk: a folder with `dataset.toml` and CSV or Parquet tables. The one way in for every file of data.

Opens, checks and reads it; knows no graph. `folder_spec` describes the format, `folder_write` writes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.datasets.folder_batch import Batch
from engine.datasets.folder_check import CheckReport, Known, check_tables
from engine.datasets.folder_read import read_table
from engine.datasets.folder_spec import TABLES, DatasetSpec, FieldKind, TableName, TableSpec, read_spec
from engine.datasets.folder_vectors import VectorFile, open_vectors
from engine.errors import DataError, UnknownNameError

LOAD_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class DatasetTables:
    """A whole small data set in memory. A table that the set lacks has no columns.

    Ids and texts are lists of str (a missing text is None), categorical columns lists of lists (missing: None), times
    int64 `[R]` in epoch ms (missing: -1), numbers float64 `[R]` (missing: NaN), vectors float32 `[R, D]`. Optional
    columns of the format are always there: `corpus`, `time`, `rating`, `weight`, `owner_id`.
    """

    name: str
    items: dict[str, Any] = field(default_factory=dict)
    contexts: dict[str, Any] = field(default_factory=dict)
    users: dict[str, Any] = field(default_factory=dict)
    saves: dict[str, Any] = field(default_factory=dict)
    interactions: dict[str, Any] = field(default_factory=dict)
    follows: dict[str, Any] = field(default_factory=dict)
    item_fields: dict[str, FieldKind] = field(default_factory=dict)
    context_fields: dict[str, FieldKind] = field(default_factory=dict)
    user_fields: dict[str, FieldKind] = field(default_factory=dict)
    vector_fields: tuple[str, ...] = ()

    def table(self, name: str) -> dict[str, Any]:
        """The columns of one table.

        Raises:
            UnknownNameError: no such table.
        """
        if name not in TABLES:
            raise UnknownNameError(f"there is no table {name!r}", hint=f"Tables: {', '.join(TABLES)}.")
        columns: dict[str, Any] = getattr(self, name)
        return columns

    def rows(self, name: str) -> int:
        """How many rows a table has."""
        return len(next(iter(self.table(name).values()), ()))


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A data set whose `dataset.toml` is right; its tables are checked by `check`."""

    path: Path
    spec: DatasetSpec

    @classmethod
    def open(cls, path: Path | str) -> DatasetFolder:
        """Read `dataset.toml`.

        Raises:
            DataError: it is missing or wrong, with the line.
        """
        folder = Path(path)
        return cls(folder, read_spec(folder))

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def tables(self) -> tuple[TableName, ...]:
        """The tables it has, nodes first."""
        return tuple(name for name in TABLES if name in self.spec.tables)

    def vectors(self) -> dict[str, VectorFile]:
        """The items' vectors, memory-mapped.

        Raises:
            DataError: not an array, not float, not `[rows, width]`.
        """
        if "items" not in self.spec.tables:
            return {}
        return {name: open_vectors(name, files) for name, files in self.spec.tables["items"].vectors.items()}

    def check(
        self,
        max_rejects: int = 0,
        rejects_path: Path | None = None,
        *,
        known: Known | None = None,
        work_folder: Path | None = None,
    ) -> CheckReport:
        """The full validation pass, in constant memory.

        Args:
            max_rejects: bad rows allowed for each file.
            rejects_path: CSV to write file, line, reason and content of each bad row to; replaced on each run.
            known: tells which of some node ids a graph already has; without it edges may only name the set's nodes.
            work_folder: where temporary files may go (about 60 bytes an edge).

        Raises:
            DataError: a file as a whole is wrong.
            RejectsError: a file has more bad rows than allowed.
        """
        tables = {name: self.spec.tables[name] for name in self.tables}
        return check_tables(tables, self.vectors(), max_rejects, rejects_path, known, work_folder)

    def batches(self, table: TableName, size: int = LOAD_ROWS, report: CheckReport | None = None) -> Iterator[Batch]:
        """Stream a table's good rows in file order; a table that the set lacks has none.

        Args:
            report: leaves out the rows that `check` found bad or repeated. Without it only single rows are looked at.
        """
        if table not in self.spec.tables:
            return
        skip = report.skip.get(table) if report else None
        for batch in read_table(self.spec.tables[table], size):
            yield batch if skip is None else batch.without(skip)

    def load(self) -> DatasetTables:
        """Check the set and read it into memory; for evaluation and tests.

        Raises:
            DataError: something in it is wrong.
        """
        report = self.check()
        parts = {f"{name[:-1]}_fields": dict(self._spec(name).fields) for name in ("items", "contexts", "users")}
        tables = {name: self._load(name, report) for name in self.tables}
        return DatasetTables(self.name, **tables, **parts, vector_fields=tuple(self.vectors()))

    def split(self, name: str) -> dict[str, dict[str, Any]]:
        """A fixed split, `splits/NAME/{train,valid,test}.csv`: part -> columns.

        Raises:
            DataError: it is missing, or its columns are of no edge table.
        """
        folder = self.path / "splits" / name
        parts = {part: folder / f"{part}.csv" for part in ("train", "valid", "test")}
        found = {part: path for part, path in parts.items() if path.is_file()}
        if not found:
            raise DataError(f"{folder}: there is no such split", hint="It holds train.csv, valid.csv or test.csv.")
        return {
            part: _assemble(spec, read_table(spec, LOAD_ROWS))
            for part, path in found.items()
            if (spec := _split_spec(path))
        }

    def _spec(self, table: TableName) -> TableSpec:
        return self.spec.tables.get(table, TableSpec(table, ()))

    def _load(self, table: TableName, report: CheckReport) -> dict[str, Any]:
        batches = list(self.batches(table, report=report))
        columns = _assemble(self._spec(table), iter(batches))
        if table == "items":
            rows = np.fromiter(itertools.chain.from_iterable(b.rows for b in batches), dtype=np.int64)
            for name, vectors in self.vectors().items():
                columns[name] = vectors.take(rows)
        return columns


def _split_spec(path: Path) -> TableSpec:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        header = stream.readline()
    for table, column in (("saves", "context_id"), ("follows", "followed_id"), ("interactions", "item_id")):
        if column in header:
            return TableSpec(table, (path,))  # type: ignore[arg-type]
    raise DataError(f"{path}:1: the columns are of no edge table", hint="saves, interactions or follows can be split.")


def _assemble(spec: TableSpec, batches: Iterator[Batch]) -> dict[str, Any]:
    lists: dict[str, list[Any]] = {name: [] for name in spec.kinds}
    for batch in batches:
        batch.refuse()
        for name, values in lists.items():
            values.extend(batch.columns.get(name) or [None] * len(batch))
    return {name: _column(spec.kinds[name], values) for name, values in lists.items()}


def _column(kind: str, values: list[Any]) -> list[Any] | NDArray[Any]:
    if kind == "time":
        return np.array([-1 if value is None else value for value in values], dtype=np.int64)
    if kind == "numeric":
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return values
