"""The rows of the client's writes: each column checked, each field of a node brought to the kind that the graph knows.

Knows rows as mappings from column to value and sends nothing.
"""

from __future__ import annotations

import numbers
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.datasets.folder_spec import OPTIONAL, REQUIRED, RESERVED_FIELDS, TableName
from engine.datasets.folder_values import CLOCK_SKEW_MS, id_reason, number_reason, time_reason
from engine.errors import DataError, InputError
from engine.graph.state import GraphState
from engine.graph.write_batches import NodeKind, vector_bytes

Row = Mapping[str, Any]


class NodeFields:
    """The kinds of one call's fields: known to the graph, or learned from the first value."""

    def __init__(self, kind: NodeKind, state: GraphState, taken: set[str]) -> None:
        self.kind = kind
        self.known = dict(state.fields.get(kind, {}))
        self.widths = dict(state.widths)
        self.taken = taken
        self.learned: dict[str, str] = {}
        self.skipped = {*REQUIRED[kind], *OPTIONAL[kind]}

    def properties(self, number: int, row: Row) -> dict[str, Any]:
        """What to set on the node of one row."""
        found = {}
        for name, value in row.items():
            if name in self.skipped:
                continue
            where = f"{self.kind} row {number}: field {name!r}"
            if not isinstance(name, str) or not name or name in RESERVED_FIELDS or name in self.taken or "\0" in name:
                raise InputError(f"{where} cannot be the name of a field")
            found[name] = None if value is None else self._value(where, name, value)
        return found

    def _value(self, where: str, name: str, value: Any) -> Any:
        kind = self.known.get(name)
        if kind is None:
            kind = self.known[name] = self.learned[name] = _kind_of(where, value)
        if kind == "vector":
            return self._vector(where, name, value)
        if _kind_of(where, value) != kind and not (kind == "categorical" and isinstance(value, str | list | tuple)):
            raise InputError(f"{where} is {kind} in the graph, not {value!r:.60}")
        if kind == "numeric":
            if reason := number_reason(value):
                raise InputError(f"{where} {reason}")
            return float(value)
        if kind == "categorical":
            return [_text(where, part) for part in ([value] if isinstance(value, str) else value)] or None
        return _text(where, value)

    def _vector(self, where: str, name: str, value: Any) -> bytes:
        try:
            vector = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where} is not a vector of numbers") from error
        width = self.widths.setdefault(name, vector.size)
        if vector.ndim != 1 or vector.size != width or not width:
            raise InputError(f"{where} has the shape {list(vector.shape)}, and {width} numbers are wanted")
        if not np.isfinite(vector).all():
            raise InputError(f"{where} holds NaN or infinity")
        return vector_bytes(vector)


def _kind_of(where: str, value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, numbers.Real | np.number):
        return "numeric"
    if isinstance(value, np.ndarray) or (isinstance(value, list | tuple) and _all_of(value, numbers.Real)):
        return "vector"
    if isinstance(value, list | tuple) and _all_of(value, str):
        return "categorical"
    raise InputError(f"{where} is no text, number, list of texts or vector: {value!r:.60}")


def _all_of(values: Sequence[Any], kind: type) -> bool:
    return bool(values) and all(isinstance(value, kind) for value in values)


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} is no text: {value!r:.60}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where} is not valid Unicode") from error
    return value


def merged_state(state: GraphState, kind: str, fields: NodeFields) -> GraphState:
    widths = {name: width for name, width in fields.widths.items() if fields.known.get(name) == "vector"}
    try:
        return state.merged({kind: fields.learned}, widths)
    except DataError as error:
        raise InputError(error.message) from error


def check_rows(table: TableName, rows: list[Row], *, extra: bool) -> None:
    limit = int(time.time() * 1000) + CLOCK_SKEW_MS
    kinds = {**REQUIRED[table], **OPTIONAL[table]}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise InputError(f"{table} row {number}: {row!r:.60} is not a mapping from column to value")
        for name in row if not extra else ():
            if name not in kinds:
                raise InputError(f"{table} row {number}: unknown column {name!r}", hint=f"Known: {', '.join(kinds)}.")
        for name, kind in kinds.items():
            value = row.get(name)
            if reason := _reason(kind, value, limit):
                raise InputError(f"{table} row {number}: {name} {reason}")


def _reason(kind: str, value: Any, limit: int) -> str | None:
    if kind == "id" or (kind in ("optional id", "corpus") and value is not None):
        return id_reason(value)
    if value is None:
        return None
    if kind == "time":
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            return f"{value!r:.40} is not a time in whole epoch milliseconds"
        return time_reason(value, limit)
    if kind == "numeric":
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return f"{value!r:.40} is not a number"
        return number_reason(value)
    return None


def refuse_repeats(kind: str, ids: list[str], column: str) -> None:
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = next(node_id for node_id in ids if node_id in seen or seen.add(node_id))  # type: ignore[func-returns-value]
        raise InputError(f"{kind}: {column} {twice[:80]!r} is given twice")
