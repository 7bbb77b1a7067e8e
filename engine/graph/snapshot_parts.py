"""The parts of an export under way: what each query row brought, kept on disk so that a killed export goes on.

Knows rows and files; not which rows to ask for. A part is written beside its place and renamed, and holds its own
checksums (zip's CRC-32, Parquet's page checksums): a part that does not read back is fetched again.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import GraphError, InputError
from engine.files import disk_full_as
from engine.graph.snapshot_columns import FieldKind, field_column

Handles = NDArray[np.int64]
STRINGS = pa.large_string()


@dataclass(frozen=True, slots=True)
class NodePart:
    """Some nodes of one kind: Arrow columns `handle`, `id`, `corpus`, `f0`, `f1`, ..."""

    table: pa.Table


@dataclass(frozen=True, slots=True)
class EdgePart:
    """Some edges of one relation, by the internal ids of their ends.

    Attributes:
        value: float32, or None where the mapping names no value.
    """

    source: Handles
    target: Handles
    rev: NDArray[np.int64]
    time: NDArray[np.int64]
    value: NDArray[np.float32] | None


def node_part(kind: str, row: dict[str, Any], fields: dict[str, FieldKind]) -> NodePart:
    """Check and pack one row of a node query.

    Raises:
        GraphError: an id is missing or is no string, or a field's value is not of its kind.
    """
    ids = row["ids"]
    if not set(map(type, ids)) <= {str}:
        at = next(n for n, value in enumerate(ids) if not isinstance(value, str))
        node = f"the {kind[:-1]} with the internal id {row['handles'][at]}"
        what = "has no id" if ids[at] is None else f"has the id {ids[at]!r}, which is not a string"
        raise GraphError(
            f"{node} {what}",
            hint=f"Ids are strings: set the property that graph.mapping.{kind}.id names with toString(...), or map another.",
        )
    corpora = row["corpora"] or [None] * len(ids)
    columns = {
        "handle": pa.array(row["handles"], pa.int64()),
        "id": pa.array(ids, STRINGS),
        "corpus": pa.array([None if c is None else str(c) for c in corpora], STRINGS),
    }
    for number, (name, field_kind) in enumerate(fields.items()):
        columns[f"f{number}"] = _field(kind, name, field_kind, row["fields"][number])
    return NodePart(pa.table(columns))


def _field(kind: str, name: str, field_kind: FieldKind, cells: list[Any]) -> Any:
    try:
        if field_kind == "vector":
            return pa.array([None if c is None else vector_cell(c) for c in cells], pa.large_binary())
        return pa.array(field_column(field_kind, cells, name=name).values)
    except (InputError, TypeError, ValueError, pa.ArrowException) as error:
        raise GraphError(
            f"{kind}: a value of the property {name!r} is not {field_kind}: {error}", hint="See graph.mapping.fields."
        ) from error


def vector_cell(cell: Any) -> bytes:
    """A vector's property, bytes or a list of numbers, as little-endian float32."""
    return bytes(cell) if isinstance(cell, bytes | bytearray) else np.array(cell, dtype="<f4").tobytes()


def edge_part(relation: str, row: dict[str, Any], *, valued: bool) -> EdgePart:
    """Check and pack one row of the edge query, which was asked for values or not.

    Raises:
        GraphError: a time, rev or value that is no number.
    """
    return EdgePart(
        np.array(row["sources"], dtype=np.int64),
        np.array(row["targets"], dtype=np.int64),
        _integers(relation, "rev", row["revs"]),
        _integers(relation, "time", row["times"]),
        _floats(relation, row["values"]) if valued else None,
    )


def _integers(relation: str, what: str, cells: list[Any]) -> NDArray[np.int64]:
    try:
        return np.array(cells, dtype=np.int64)
    except (TypeError, ValueError):
        wrong = next(cell for cell in cells if not isinstance(cell, int))
        raise GraphError(
            f"a {what} of {relation} is not an integer: {wrong!r}",
            hint=f"Times are epoch milliseconds; graph.mapping.{relation}.time names the property.",
        ) from None


def _floats(relation: str, cells: list[Any]) -> NDArray[np.float32]:
    try:
        return np.array(cells, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise GraphError(f"a value of {relation} is not a number: {error}") from error


class PartStore:
    """The parts of one export in a folder.

    Args:
        stamp: what the parts are true for; parts of another stamp are thrown away.
    """

    def __init__(self, folder: Path, stamp: str) -> None:
        self.folder = folder
        with disk_full_as(folder):
            written = folder / "stamp"
            if not written.is_file() or written.read_text() != stamp:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                written.write_text(stamp)

    def clear(self) -> None:
        """Throw everything away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def load(self, name: str) -> NodePart | EdgePart | None:
        """A finished part, or None where it is not there or does not read back."""
        base = self.folder / name
        try:
            if (path := base.with_suffix(".parquet")).is_file():
                return NodePart(pq.read_table(path, page_checksum_verification=True))
            with base.with_suffix(".npz").open("rb") as stream, np.load(stream) as found:
                value = found["value"] if "value" in found else None  # noqa: SIM401 - an archive, not a mapping
                return EdgePart(found["source"], found["target"], found["rev"], found["time"], value)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError, pa.ArrowException):
            return None

    def save(self, name: str, part: NodePart | EdgePart) -> None:
        """Keep a part.

        Raises:
            DiskFullError: no space left.
        """
        suffix = "parquet" if isinstance(part, NodePart) else "npz"
        target = self.folder / f"{name}.{suffix}"
        temporary = target.with_name(f".{target.name}")
        with disk_full_as(target):
            if isinstance(part, NodePart):
                pq.write_table(part.table, temporary, compression="none", write_page_checksum=True)
            else:
                arrays = {field: getattr(part, field) for field in EdgePart.__slots__}
                with temporary.open("wb") as stream:
                    np.savez(stream, **{field: array for field, array in arrays.items() if array is not None})
            # Not synced: after a power cut a torn part fails its checksum and is fetched again.
            temporary.replace(target)
