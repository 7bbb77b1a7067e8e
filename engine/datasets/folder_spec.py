"""What a data set's `dataset.toml` says: its tables, their files, columns and kinds. Reads no table.

name = "citeulike-t"
[items]
file = "items.csv"          # or a list of files, .csv or .parquet
ignore = ["url"]            # columns to leave out; any other column must be known or declared
[items.fields]              # column -> text | numeric | categorical
title = "text"
[items.vectors]             # name -> .npy, float [rows, width], in the order of the items' files
visual = "vectors.npy"
[saves]
file = "saves.csv"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import DataError

TOML = "dataset.toml"
FieldKind = Literal["text", "numeric", "categorical"]
ColumnKind = Literal["id", "optional id", "corpus", "time", "text", "numeric", "categorical"]
TableName = Literal["items", "contexts", "users", "saves", "interactions", "follows"]
TABLES: tuple[TableName, ...] = get_args(TableName)
NODE_TABLES: tuple[TableName, ...] = ("items", "contexts", "users")
DEFAULT_CORPUS = "organic"

REQUIRED: dict[TableName, dict[str, ColumnKind]] = {
    "items": {"item_id": "id"},
    "contexts": {"context_id": "id"},
    "users": {"user_id": "id"},
    "saves": {"context_id": "id", "item_id": "id"},
    "interactions": {"user_id": "id", "item_id": "id"},
    "follows": {"user_id": "id", "followed_id": "id"},
}
OPTIONAL: dict[TableName, dict[str, ColumnKind]] = {
    "items": {"corpus": "corpus"},
    "contexts": {"owner_id": "optional id"},
    "users": {},
    "saves": {"time": "time"},
    "interactions": {"rating": "numeric", "time": "time"},
    "follows": {"weight": "numeric", "time": "time"},
}
ENDPOINTS: dict[TableName, dict[str, TableName]] = {
    "contexts": {"owner_id": "users"},
    "saves": {"context_id": "contexts", "item_id": "items"},
    "interactions": {"user_id": "users", "item_id": "items"},
    "follows": {"user_id": "users", "followed_id": "users"},
}
"""Columns that name a node of another table."""
RESERVED_FIELDS = frozenset(
    {"item_id", "context_id", "user_id", "owner_id", "followed_id", "corpus", "rev", "time", "rating", "weight"}
)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table: its files in order and its columns."""

    name: TableName
    files: tuple[Path, ...]
    fields: dict[str, FieldKind] = field(default_factory=dict)
    vectors: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    ignore: frozenset[str] = frozenset()

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """Every column a file of this table may have, with its kind."""
        return {**REQUIRED[self.name], **OPTIONAL[self.name], **self.fields}

    @property
    def required(self) -> tuple[str, ...]:
        """The columns each file must have: the ids and the declared fields."""
        return (*REQUIRED[self.name], *self.fields)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A whole `dataset.toml`. A table that the set lacks is not in `tables`."""

    path: Path
    name: str
    tables: dict[TableName, TableSpec]


def read_spec(folder: Path) -> DatasetSpec:
    """Read and check `dataset.toml`.

    Raises:
        DataError: no such folder or file, not TOML, an unknown or missing entry, a file that is not there; with the line.
    """
    path = folder / TOML
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if not path.is_file():
        raise DataError(f"{folder}: there is no {TOML}", hint="A data set is a folder with a dataset.toml.")
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: not valid TOML: {error}") from error
    return _SpecReader(path, text).read(values)


class _SpecReader:
    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()

    def fail(self, section: str, key: str, reason: str) -> DataError:
        """An error at the line of `key` in `[section]`, or of the section when the key is not found."""
        header, at, line = 0, "", 1
        for number, content in enumerate(self.lines, start=1):
            stripped = content.strip()
            if found := re.fullmatch(r"\[\s*([^\]]+?)\s*\]\s*(?:#.*)?", stripped):
                at = found[1]
                header = number if at == section else header
            elif at == section and re.match(rf"[\"']?{re.escape(key)}[\"']?\s*[=.]", stripped):
                line = number
                break
        else:
            line = header or 1
        return DataError(f"{self.path}:{line}: {reason}", hint="docs/data.md describes the format.")

    def read(self, values: dict[str, Any]) -> DatasetSpec:
        for key in values:
            if key != "name" and key not in TABLES:
                raise self.fail("", key, f"unknown entry {key!r}; known: name, {', '.join(TABLES)}")
        name = values.get("name")
        if not isinstance(name, str) or not name.strip():
            raise self.fail("", "name", "the data set needs a name")
        tables = {table: self.table(table, values[table]) for table in TABLES if table in values}
        if not tables:
            raise self.fail("", "", f"no table is declared; known: {', '.join(TABLES)}")
        return DatasetSpec(self.path, name, tables)

    def table(self, table: TableName, values: Any) -> TableSpec:
        if not isinstance(values, dict):
            raise self.fail("", table, f"{table} must be a section, [{table}]")
        allowed = ["file", "ignore"]
        allowed += ["fields"] if table in NODE_TABLES else []
        allowed += ["vectors"] if table == "items" else []
        for key in values:
            if key not in allowed:
                raise self.fail(table, key, f"unknown entry {table}.{key}; known: {', '.join(allowed)}")
        if "file" not in values:
            raise self.fail(table, "file", f"[{table}] names no file")
        files = self.files(table, "file", values["file"], (".csv", ".parquet"))
        fields = self.fields(table, values.get("fields", {}))
        vectors = self.vectors(table, values.get("vectors", {}), fields)
        ignore = values.get("ignore", [])
        if not isinstance(ignore, list) or not all(isinstance(column, str) for column in ignore):
            raise self.fail(table, "ignore", f"{table}.ignore must be a list of column names")
        return TableSpec(table, files, fields, vectors, frozenset(ignore))

    def files(self, section: str, key: str, value: Any, suffixes: tuple[str, ...]) -> tuple[Path, ...]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
            raise self.fail(section, key, f"{section}.{key} must be a file name or a list of them")
        paths = tuple(self.path.parent / name for name in names)
        for path in paths:
            if path.suffix.lower() not in suffixes:
                raise self.fail(section, key, f"{path.name}: the name must end in {' or '.join(suffixes)}")
            if not path.is_file():
                raise self.fail(section, key, f"{path}: no such file")
        if len(set(paths)) != len(paths):
            raise self.fail(section, key, f"{section}.{key} names a file twice")
        return paths

    def fields(self, table: TableName, values: Any) -> dict[str, FieldKind]:
        section = f"{table}.fields"
        if not isinstance(values, dict):
            raise self.fail(table, "fields", f"{section} must be a section")
        for name, kind in values.items():
            self.field_name(section, name)
            if kind not in get_args(FieldKind):
                raise self.fail(section, name, f"{section}.{name} is text, numeric or categorical, not {kind!r}")
        return dict(values)

    def vectors(self, table: TableName, values: Any, fields: dict[str, FieldKind]) -> dict[str, tuple[Path, ...]]:
        section = f"{table}.vectors"
        if not isinstance(values, dict):
            raise self.fail(table, "vectors", f"{section} must be a section")
        for name in values:
            self.field_name(section, name)
            if name in fields:
                raise self.fail(section, name, f"{name!r} is a field and a vector at once")
        return {name: self.files(section, name, value, (".npy",)) for name, value in values.items()}

    def field_name(self, section: str, name: str) -> None:
        if not name.strip() or len(name) > 200 or any(ord(char) < 32 for char in name) or name.startswith("_engine"):
            raise self.fail(section, name, f"{name!r:.80} cannot be the name of a field")
        if name in RESERVED_FIELDS:
            raise self.fail(section, name, f"{name!r} has a meaning of its own and cannot be a field")
