"""Rows of the change feed -> columns. What is malformed is left out and named, so that it does not block the rest.

Reads values as an export does (`snapshot_parts`), which refuses the graph where this leaves out a value. Knows no server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.graph.snapshot_columns import (
    FieldColumn,
    FieldKind,
    IdColumn,
    NodeTable,
    field_column,
    node_table,
    vector_rows,
)
from engine.graph.snapshot_csr import NO_TIME
from engine.graph.snapshot_parts import vector_cell
from engine.types import FloatArray, TimeArray

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Something in the graph that cannot be read as what it should be.

    Attributes:
        kind: `items`, `contexts`, `users`, or a kind of edge.
        id: the node's id; an edge's two ends as `source -> target`.
        reason: what is wrong, and what of it is left out.
    """

    kind: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EdgeKeys:
    """Edges by what tells one from another: its ends and its time (`NO_TIME` where it has none)."""

    source_id: IdColumn
    target_id: IdColumn
    time: TimeArray

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class EdgeColumns:
    """Edges as they are, oldest first; `value` is NaN where an edge has none."""

    source_id: IdColumn
    target_id: IdColumn
    rev: NDArray[np.int64]
    time: TimeArray
    value: FloatArray

    def __len__(self) -> int:
        return len(self.rev)


def node_columns(
    kind: str,
    rows: Iterable[Row],
    fields: Mapping[str, FieldKind],
    widths: Mapping[str, int],
    poison: list[Poisoned],
) -> NodeTable:
    """Pack rows of `snapshot/items` and its like. A node without a proper id is left out, a malformed field is missing."""
    handles: list[int] = []
    ids: list[Any] = []
    corpora: list[Any] = []
    cells: list[list[Any]] = [[] for _ in fields]
    for row in rows:
        handles += row["handles"]
        ids += row["ids"]
        corpora += row["corpora"] or []
        for column, more in zip(cells, row["fields"], strict=True):
            column += more
    seen: set[str] = set()
    keep = []
    for at, node_id in enumerate(ids):
        if not isinstance(node_id, str):
            what = "has no id" if node_id is None else f"has the id {node_id!r:.80}, which is not a string"
            poison.append(Poisoned(kind, f"internal id {handles[at]}", f"{what}; it is left out"))
        elif node_id in seen:
            poison.append(Poisoned(kind, node_id, "is there twice; one of them is left out"))
        else:
            seen.add(node_id)
            keep.append(at)
    kept = [ids[at] for at in keep]
    columns = {}
    for (name, field_kind), column in zip(fields.items(), cells, strict=True):

        def bad(at: int, cell: Any, name: str = name, field_kind: str = field_kind) -> None:
            reason = f"its property {name!r} is not {field_kind}: {cell!r:.80}; it counts as missing"
            poison.append(Poisoned(kind, kept[at], reason))

        columns[name] = _field(name, field_kind, [column[at] for at in keep], widths.get(name), bad)
    corpus = [str(corpora[at]) for at in keep] if kind == "items" else None
    return node_table(kept, corpus, columns, what=kind[:-1])[0]


def _field(
    name: str, kind: FieldKind, cells: list[Any], width: int | None, bad: Callable[[int, Any], None]
) -> FieldColumn:
    if kind == "vector":
        return FieldColumn(kind, _vectors(cells, width, bad))
    try:
        return field_column(kind, cells, name=name)
    except InputError:
        pass
    checked = []
    for at, cell in enumerate(cells):
        try:
            field_column(kind, [cell], name=name)
            checked.append(cell)
        except InputError:
            bad(at, cell)
            checked.append(None)
    return field_column(kind, checked, name=name)


def _vectors(cells: list[Any], width: int | None, bad: Callable[[int, Any], None]) -> FloatArray:
    packed: list[bytes | None] = []
    for at, cell in enumerate(cells):
        try:
            packed.append(None if cell is None else vector_cell(cell))
        except (TypeError, ValueError):
            bad(at, cell)
            packed.append(None)
    if width is None:
        sizes = Counter(len(cell) for cell in packed if cell is not None and len(cell) % 4 == 0)
        width = sizes.most_common(1)[0][0] // 4 if sizes else 0
    for at, vector in enumerate(packed):
        if vector is not None and len(vector) != 4 * width:
            bad(at, f"{len(vector)} bytes, {4 * width} are wanted")
            packed[at] = None
    return vector_rows(packed, width)


def edge_columns(kind: str, rows: Iterable[Row], poison: list[Poisoned]) -> EdgeColumns:
    """Pack rows of `changes/edges`. An edge without proper ends or with a malformed time is left out, a malformed value is missing."""
    joined: dict[str, list[Any]] = {name: [] for name in ("sources", "targets", "revs", "times", "values")}
    for row in rows:
        for name, column in joined.items():
            column += row[name]
    sources, targets = joined["sources"], joined["targets"]
    whole = np.ones(len(sources), dtype=bool)

    def wrong(at: int, reason: str) -> None:
        poison.append(Poisoned(kind, f"{sources[at]} -> {targets[at]}", reason))

    def bad_time(at: int, cell: Any) -> None:
        wrong(at, f"its time is not an integer: {cell!r:.80}; it is left out")
        whole[at] = False

    time = _numbers(joined["times"], np.int64, NO_TIME, bad_time)
    value = _numbers(
        joined["values"], np.float32, np.nan,
        lambda at, cell: wrong(at, f"its value is not a number: {cell!r:.80}; it counts as missing"),
    )  # fmt: skip
    for at in [at for at, ends in enumerate(zip(sources, targets, strict=True)) if not _are_strings(ends)]:
        wrong(at, "one of its ends has an id that is not a string; it is left out")
        whole[at] = False
    rev = np.array(joined["revs"], dtype=np.int64)
    order = np.flatnonzero(whole)
    order = order[np.argsort(rev[order], kind="stable")]
    return EdgeColumns(
        IdColumn([sources[at] for at in order]),
        IdColumn([targets[at] for at in order]),
        rev[order],
        time[order],
        value[order],
    )


def edge_keys(kind: str, row: Row | None, poison: list[Poisoned]) -> EdgeKeys:
    """Pack the tombstones of one kind of edge."""
    if row is None:
        return EdgeKeys(IdColumn([]), IdColumn([]), np.empty(0, np.int64))
    wrong: list[int] = []
    time = _numbers(row["times"], np.int64, NO_TIME, lambda at, _: wrong.append(at))
    # An edge whose time was malformed was never read, so there is nothing to take away.
    keep = np.setdiff1d(np.arange(len(time)), np.array(wrong, dtype=np.int64))
    return EdgeKeys(
        IdColumn([row["sources"][at] for at in keep]), IdColumn([row["targets"][at] for at in keep]), time[keep]
    )


def _numbers(cells: Sequence[Any], dtype: Any, missing: Any, bad: Callable[[int, Any], None]) -> NDArray[Any]:
    try:
        return np.array(cells, dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        pass
    numbers = np.full(len(cells), missing, dtype=dtype)
    for at, cell in enumerate(cells):
        try:
            numbers[at] = np.array([cell], dtype=dtype)[0]
        except (TypeError, ValueError, OverflowError):
            bad(at, cell)
    return numbers


def _are_strings(ends: tuple[Any, ...]) -> bool:
    return all(isinstance(end, str) for end in ends)
