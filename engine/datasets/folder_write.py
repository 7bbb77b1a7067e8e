"""Writes a data set in the folder format: tables as CSV or Parquet, vectors as .npy, splits, `dataset.toml`.

The folder appears whole or not at all. Checks the shapes of what it is given, not its content: `DatasetFolder.check` does.
"""

from __future__ import annotations

import csv
import itertools
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.datasets.folder import DatasetFolder
from engine.datasets.folder_spec import OPTIONAL, REQUIRED, TOML, ColumnKind, FieldKind, TableName
from engine.errors import InputError
from engine.files import disk_full_as, fsync_path

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]
"""Column -> values. Missing: None; also NaN in a numeric column and -1 in a time column."""
Table = Columns | Iterable[Columns]
"""A whole table, or its parts one after the other."""
Format = Literal["csv", "parquet"]


def write_dataset(
    path: Path | str,
    name: str,
    *,
    items: Table,
    contexts: Table | None = None,
    users: Table | None = None,
    saves: Table | None = None,
    interactions: Table | None = None,
    follows: Table | None = None,
    item_fields: Mapping[str, FieldKind] | None = None,
    context_fields: Mapping[str, FieldKind] | None = None,
    user_fields: Mapping[str, FieldKind] | None = None,
    vectors: Mapping[str, NDArray[np.floating[Any]]] | None = None,
    splits: Mapping[str, Mapping[str, Columns]] | None = None,
    split_table: TableName = "interactions",
    format: Format = "csv",
) -> DatasetFolder:
    """Write a data set; one that is already at `path` is replaced.

    Args:
        items: and the other tables: columns by name, see `folder_spec`. Only the known columns and the declared fields.
        vectors: name -> float `[items, width]`.
        splits: split name -> part (`train`, `valid`, `test`) -> columns of `split_table`.

    Raises:
        InputError: columns of unequal length, missing or undeclared ones, or a folder at `path` that is no data set.
        DiskFullError: no space left; what was at `path` is unharmed.
    """
    target = Path(path)
    if target.exists() and not (target / TOML).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already and is no data set", hint="Name another folder.")
    tables: dict[TableName, Table | None] = {
        "items": items, "contexts": contexts, "users": users,
        "saves": saves, "interactions": interactions, "follows": follows,
    }  # fmt: skip
    fields = {"items": item_fields, "contexts": context_fields, "users": user_fields}
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    with disk_full_as(target):
        try:
            temporary.mkdir()
            toml = [f"name = {_toml(name)}"]
            for table, content in tables.items():
                if content is None:
                    continue
                file = f"{table}.{format}"
                kinds: dict[str, ColumnKind] = {**REQUIRED[table], **OPTIONAL[table], **(fields.get(table) or {})}
                _write_table(temporary / file, kinds, _parts(content), required=tuple(REQUIRED[table]))
                toml += ["", f"[{table}]", f"file = {_toml(file)}"]
                toml += _section(f"{table}.fields", fields.get(table) or {})
                if table == "items":
                    toml += _section("items.vectors", {key: f"{_file_name(key)}.npy" for key in vectors or {}})
            for key, values in (vectors or {}).items():
                np.save(temporary / f"{_file_name(key)}.npy", values)
            for split, parts in (splits or {}).items():
                folder = temporary / "splits" / split
                folder.mkdir(parents=True)
                for part, columns in parts.items():
                    kinds = {**REQUIRED[split_table], **OPTIONAL[split_table]}
                    _write_table(folder / f"{part}.csv", kinds, iter([columns]), required=tuple(REQUIRED[split_table]))
            (temporary / TOML).write_text("\n".join(toml) + "\n", encoding="utf-8")
            for file_path in temporary.rglob("*"):
                fsync_path(file_path)
            DatasetFolder.open(temporary)
            _swap(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return DatasetFolder.open(target)


def _swap(temporary: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex}.old")
    if target.exists():
        target.replace(old)
    temporary.replace(target)
    fsync_path(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _parts(table: Table) -> Iterator[Columns]:
    return iter([table]) if isinstance(table, Mapping) else iter(table)


def _write_table(path: Path, kinds: dict[str, ColumnKind], parts: Iterator[Columns], required: tuple[str, ...]) -> None:
    first = next(parts, {name: [] for name in kinds if name in required})
    names = tuple(first)
    for name in required:
        if name not in names:
            raise InputError(f"{path.name}: column {name!r} is missing")
    for name in names:
        if name not in kinds:
            raise InputError(f"{path.name}: column {name!r} is neither known nor declared as a field")
    write = _write_parquet if path.suffix == ".parquet" else _write_csv
    write(path, {name: kinds[name] for name in names}, _checked(path, names, itertools.chain([first], parts)))


def _checked(path: Path, names: tuple[str, ...], parts: Iterator[Columns]) -> Iterator[dict[str, list[Any]]]:
    for part in parts:
        columns = {name: _plain(part[name]) for name in names}
        if set(part) != set(names) or len({len(values) for values in columns.values()}) > 1:
            sizes = {name: len(values) for name, values in part.items()}
            raise InputError(f"{path.name}: columns differ in length or name: {sizes}")
        yield columns


def _plain(values: Sequence[Any] | NDArray[Any]) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _value(kind: ColumnKind, value: Any) -> Any:
    """None for what is missing, else the value as a table holds it."""
    if value is None or (kind == "time" and value < 0) or (kind == "numeric" and value != value):
        return None
    return value


def _write_csv(path: Path, kinds: dict[str, ColumnKind], parts: Iterator[dict[str, list[Any]]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(kinds)
        for part in parts:
            writer.writerows(zip(*(_cells(kinds[name], values) for name, values in part.items()), strict=True))


def _cells(kind: ColumnKind, values: list[Any]) -> list[Any]:
    plain = [_value(kind, value) for value in values]
    if kind == "categorical":
        return [value if value is None or isinstance(value, str) else "|".join(map(str, value)) for value in plain]
    return plain


def _write_parquet(path: Path, kinds: dict[str, ColumnKind], parts: Iterator[dict[str, list[Any]]]) -> None:
    types: dict[str, pa.DataType] = {"time": pa.int64(), "numeric": pa.float64(), "categorical": pa.list_(pa.string())}
    schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in kinds.items()])
    with pq.ParquetWriter(path, schema) as writer:
        for part in parts:
            columns = {}
            for name, values in part.items():
                plain = [_value(kinds[name], value) for value in values]
                if kinds[name] == "categorical":
                    plain = [value.split("|") if isinstance(value, str) else value for value in plain]
                columns[name] = plain
            writer.write_table(pa.table(columns, schema=schema))


def _section(name: str, entries: Mapping[str, str]) -> list[str]:
    return [f"[{name}]", *(f"{_toml(key)} = {_toml(value)}" for key, value in entries.items())] if entries else []


def _toml(text: str) -> str:
    escaped = "".join(c if ord(c) >= 32 and c not in '"\\\x7f' else f"\\u{ord(c):04x}" for c in text)
    return f'"{escaped}"'


def _file_name(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name) or "vectors"
