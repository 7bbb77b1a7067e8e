"""Parquet files as raw rows, each column as the values that a CSV file would have given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.datasets.folder_batch import Raw, pick
from engine.datasets.folder_spec import ColumnKind, TableSpec
from engine.datasets.folder_values import split_categories
from engine.errors import DataError


def read_parquet(path: Path, spec: TableSpec, size: int, start: int) -> Iterator[Raw]:
    """Stream a file, at most `size` rows at a time; `start` is the number of its first row in the table.

    Raises:
        DataError: it is unreadable, or its columns are missing, unknown or of the wrong type.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            picked = pick(path, spec, schema.names)
            casts = {name: _cast(path, name, spec.kinds[name], schema.field(name).type) for name in picked}
            line = 1
            for batch in file.iter_batches(batch_size=size, columns=list(picked)):
                count = batch.num_rows
                columns = {name: cast(batch.column(batch.schema.get_field_index(name))) for name, cast in casts.items()}
                rows = list(range(start, start + count))
                yield Raw(rows, list(range(line, line + count)), columns, [], start + count)
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
