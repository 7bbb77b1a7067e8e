"""The columns of one kind of node before and after some changes. Knows rows and files; no ids, no server, no edges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.arrays import link_array, patch_from
from engine.errors import GraphError
from engine.graph.changes_columns import Poisoned
from engine.graph.snapshot_columns import FieldColumn, FieldKind, NodeTable, field_column
from engine.graph.snapshot_files import field_file, write_vectors
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class RowPlan:
    """Where the nodes of a change set go.

    Attributes:
        old: the nodes before.
        came: the nodes of the change set.
        at: int32 `[len(came)]`, the row of each; from `len(old)` on for those that are appended, all of whom are there.
        gone: int32, increasing: rows that die.
        erase: nothing of the rows that die may stay in a file.
    """

    old: NodeTable
    came: NodeTable
    at: IndexArray
    gone: IndexArray
    erase: bool

    @property
    def stayed(self) -> NDArray[np.bool_]:
        """bool `[len(came)]`: those that have their row already."""
        return self.at < len(self.old)

    @property
    def appended(self) -> int:
        return int(np.count_nonzero(~self.stayed))

    @property
    def total(self) -> int:
        """How many rows there are afterwards."""
        return len(self.old) + self.appended

    @property
    def resized(self) -> bool:
        """Whether any row is new or dies."""
        return bool(self.appended or len(self.gone))

    def merge(self, old: Any, came: Any, missing: Any) -> Any:
        """An Arrow column afterwards.

        Args:
            old, came: aligned with the nodes before and with those of the change set.
            missing: one value, which dead rows get.
        """
        source = np.arange(self.total, dtype=np.int64)
        source[self.at] = len(old) + np.arange(len(came))
        source[self.gone] = len(old) + len(came)
        return pa.concat_arrays([old, came, missing]).take(pa.array(source))

    def spread(self, old: NDArray[Any], came: NDArray[Any], missing: Any) -> NDArray[Any]:
        """The same of a NumPy column `[N]` or `[N, D]`."""
        merged = np.concatenate([old, np.empty((self.appended, *old.shape[1:]), old.dtype)])
        merged[self.at] = came
        merged[self.gone] = missing
        return merged


def merged_fields(kind: str, plan: RowPlan) -> tuple[dict[str, FieldColumn], NDArray[np.bool_]]:
    """The fields afterwards, by name; a vector field is there with the vectors of the change set alone.

    Returns:
        The fields, and bool `[len(came)]`: those whose values differ from what was there, vectors aside.

    Raises:
        GraphError: a field is of another kind than before.
    """
    old, came = plan.old.fields, plan.came.fields
    fields: dict[str, FieldColumn] = {}
    differ = np.zeros(len(plan.at), dtype=bool)
    for name in sorted({*old, *came}):
        kinds = {table[name].kind for table in (old, came) if name in table}
        if len(kinds) > 1:
            raise GraphError(
                f"{kind}: the field {name!r} was {old[name].kind} and is {came[name].kind} now",
                hint="Read the whole graph once: engine build.",
            )
        field_kind = kinds.pop()
        cells = _column(plan.came, name, field_kind)
        if field_kind == "vector":
            fields[name] = cells
            continue
        before = _column(plan.old, name, field_kind)
        changed = _differing(plan, before, cells)
        differ |= changed
        if not plan.resized and not changed.any():
            fields[name] = before
        elif field_kind == "numeric":
            fields[name] = FieldColumn(field_kind, plan.spread(before.values, cells.values, np.nan))
        else:
            missing = _nothing(field_kind, 1).values
            fields[name] = FieldColumn(field_kind, plan.merge(before.values, cells.values, missing))
    return fields, differ


def _column(table: NodeTable, name: str, kind: FieldKind) -> FieldColumn:
    return table.fields[name] if name in table.fields else _nothing(kind, len(table))


def _nothing(kind: FieldKind, rows: int) -> FieldColumn:
    if kind == "vector":
        return FieldColumn(kind, np.empty((rows, 0), dtype=np.float32))
    return field_column(kind, [None] * rows, name="")


def _differing(plan: RowPlan, before: FieldColumn, cells: FieldColumn) -> NDArray[np.bool_]:
    differ = np.zeros(len(plan.at), dtype=bool)
    stayed = np.flatnonzero(plan.stayed)
    was, now = before.take(plan.at[stayed]), cells.take(stayed)
    if isinstance(was.values, np.ndarray):
        same = (was.values == now.values) | (np.isnan(was.values) & np.isnan(now.values))
        differ[stayed] = ~(same if same.ndim == 1 else same.all(axis=1))
    else:
        differ[stayed] = [one != other for one, other in zip(was.to_list(), now.to_list(), strict=True)]
    return differ


def apply_vectors(
    kind: str, name: str, parent: Path, folder: Path, number: int, plan: RowPlan, poison: list[Poisoned]
) -> NDArray[np.bool_]:
    """Write one vector field into `folder`: linked where nothing of it changed, as a patch where a little did.

    Args:
        number: the place of the field afterwards.

    Returns:
        bool `[len(came)]`: those whose vector differs from what was there.
    """
    before = _column(plan.old, name, "vector")
    cells = _column(plan.came, name, "vector")
    width = before.values.shape[1] or cells.values.shape[1]
    vectors = _of_width(kind, name, width, cells.values, plan.came, poison)
    target = field_file(kind, number)
    if not width:
        write_vectors(folder, target, np.empty((plan.total, 0), np.float32))
        return np.zeros(len(plan.at), dtype=bool)
    if not before.values.shape[1]:
        before = FieldColumn("vector", np.full((len(plan.old), width), np.nan, dtype=np.float32))
    differ = _differing(plan, before, FieldColumn("vector", vectors))
    source = field_file(kind, list(plan.old.fields).index(name)) if name in plan.old.fields else None
    whole = source is None or plan.erase or not (parent / f"{source}.array.json").is_file()
    if not whole and not plan.resized and not differ.any():
        link_array(parent, str(source), folder, target)
    elif whole or source != target:
        write_vectors(folder, target, plan.spread(before.values, vectors, np.nan))
    else:
        wanted = differ | ~plan.stayed
        rows = np.concatenate([plan.at[wanted], plan.gone])
        values = np.concatenate([vectors[wanted], np.full((len(plan.gone), width), np.nan, dtype=np.float32)])
        order = np.argsort(rows)
        patch_from(parent, target, folder, plan.total, rows[order], values[order])
    return differ


def _of_width(
    kind: str, name: str, width: int, cells: FloatArray, came: NodeTable, poison: list[Poisoned]
) -> FloatArray:
    if cells.shape[1] == width:
        return cells
    for row in np.flatnonzero(~np.isnan(cells).all(axis=1)):
        reason = f"its property {name!r} has {cells.shape[1]} numbers, {width} are wanted; it counts as missing"
        poison.append(Poisoned(kind, came.ids[int(row)], reason))
    return np.full((len(cells), width), np.nan, dtype=np.float32)
