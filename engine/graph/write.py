"""Writes of a few nodes and edges at a time, for the client: checked like ingest, one transaction a call.

Knows rows as mappings from column to value, with the columns of the folder format. A call that raises has written nothing.
"""

from __future__ import annotations

import numbers
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from engine.datasets.folder_spec import DEFAULT_CORPUS, ENDPOINTS, OPTIONAL, REQUIRED, RESERVED_FIELDS, TableName
from engine.datasets.folder_values import CLOCK_SKEW_MS, id_reason, number_reason, time_reason
from engine.errors import DataError, InputError, UnknownNodeError
from engine.graph.connection import Graph, Run
from engine.graph.migrate import migrate
from engine.graph.queries import load_queries
from engine.graph.state import GraphState, next_rev, save_fields, state_in
from engine.graph.write_batches import (
    EdgeKind,
    EdgeRows,
    NodeKind,
    NodeRows,
    known_ids,
    vector_bytes,
    write_edges,
    write_nodes,
)
from engine.settings import GraphMapping

Row = Mapping[str, Any]
T = TypeVar("T", int, float)
CHUNK = 10_000
VALUE_COLUMN = {"interactions": "rating", "follows": "weight"}


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a call wrote.

    Attributes:
        rev: the rev of its transaction.
        given: rows given.
        changed: nodes and edges created, changed or removed; what already was as it should be does not count.
    """

    rev: int
    given: int
    changed: int


class GraphWriter:
    """Adds to and removes from one graph.

    Each `add_` and `remove_` raises:
        InputError: a row is wrong: names the row, the column and why.
        UnknownNodeError: an edge names a node, or a removal an id, that is not there.
    """

    def __init__(self, graph: Graph, mapping: GraphMapping) -> None:
        self.graph = graph
        self.mapping = mapping
        self._migrated = False

    def add_items(self, rows: Iterable[Row]) -> WriteResult:
        """Create or change items: `item_id`, `corpus` (else "organic") and any fields; None removes a field.

        A field's kind is what the graph knows; a new one is text (str), numeric (a number), categorical (a list of
        str) or a vector (floats).
        """
        return self._add_nodes("items", list(rows))

    def add_contexts(self, rows: Iterable[Row]) -> WriteResult:
        """Create or change contexts: `context_id`, `owner_id` (a user, who then owns it) and any fields."""
        return self._add_nodes("contexts", list(rows))

    def add_users(self, rows: Iterable[Row]) -> WriteResult:
        """Create or change users: `user_id` and any fields."""
        return self._add_nodes("users", list(rows))

    def add_saves(self, rows: Iterable[Row]) -> WriteResult:
        """Save items into contexts: `context_id`, `item_id`, `time` (epoch ms, optional)."""
        return self._add_edges("saves", list(rows))

    def add_interactions(self, rows: Iterable[Row]) -> WriteResult:
        """Record interactions: `user_id`, `item_id`, `rating` and `time` (both optional)."""
        return self._add_edges("interactions", list(rows))

    def add_follows(self, rows: Iterable[Row]) -> WriteResult:
        """Record follows: `user_id`, `followed_id`, `weight` and `time` (both optional)."""
        return self._add_edges("follows", list(rows))

    def remove_items(self, ids: Iterable[str]) -> WriteResult:
        """Remove items with all their edges."""
        return self._remove_nodes("items", list(ids))

    def remove_contexts(self, ids: Iterable[str]) -> WriteResult:
        """Remove contexts with all their edges."""
        return self._remove_nodes("contexts", list(ids))

    def remove_users(self, ids: Iterable[str]) -> WriteResult:
        """Remove users with all their edges; the contexts they own stay."""
        return self._remove_nodes("users", list(ids))

    def remove_saves(self, rows: Iterable[Row]) -> WriteResult:
        """Remove saves: `context_id`, `item_id`, and `time` where only the one of that time is meant."""
        return self._remove_edges("saves", list(rows))

    def remove_interactions(self, rows: Iterable[Row]) -> WriteResult:
        """Remove interactions: `user_id`, `item_id`, and `time` where only the one of that time is meant."""
        return self._remove_edges("interactions", list(rows))

    def remove_follows(self, rows: Iterable[Row]) -> WriteResult:
        """Remove follows: `user_id`, `followed_id`, and `time` where only the one of that time is meant."""
        return self._remove_edges("follows", list(rows))

    def _transaction(self, work: Callable[[Run, int], int], given: int) -> WriteResult:
        if not self._migrated:
            migrate(self.graph, self.mapping)
            self._migrated = True

        def counted(run: Run) -> WriteResult:
            rev = next_rev(run)
            return WriteResult(rev, given, work(run, rev))

        return self.graph.write_transaction(counted)

    def _add_nodes(self, kind: NodeKind, rows: list[Row]) -> WriteResult:
        (id_column,) = REQUIRED[kind]
        _check_rows(kind, rows, extra=True)
        _refuse_repeats(kind, [str(row[id_column]) for row in rows], id_column)
        taken = {getattr(self.mapping, kind).id} | ({self.mapping.items.corpus} if kind == "items" else set())

        def work(run: Run, rev: int) -> int:
            state = state_in(run)
            fields = _Fields(kind, state, taken)
            sets = [fields.properties(number, row) for number, row in enumerate(rows, start=1)]
            if fields.learned:
                save_fields(run, _merged(state, kind, fields))
            changed = 0
            for part in _chunks(len(rows)):
                ids = [row[id_column] for row in rows[part]]
                corpora = [row.get("corpus") or DEFAULT_CORPUS for row in rows[part]] if kind == "items" else None
                changed += write_nodes(run, self.mapping, NodeRows(kind, ids, sets[part], corpora), rev)
            owned = [row for row in rows if row.get("owner_id") is not None] if kind == "contexts" else []
            if owned:
                owners, contexts = [row["owner_id"] for row in owned], [row["context_id"] for row in owned]
                self._require(run, "users", "owner_id", owners)
                changed += write_edges(run, self.mapping, EdgeRows("owns", owners, contexts), rev)
            return changed

        return self._transaction(work, len(rows))

    def _add_edges(self, kind: EdgeKind, rows: list[Row]) -> WriteResult:
        table = cast(TableName, kind)
        _check_rows(table, rows, extra=False)
        source, target = REQUIRED[table]
        value = VALUE_COLUMN.get(kind)
        if value and getattr(self.mapping, kind).value is None and any(row.get(value) is not None for row in rows):
            raise InputError(f"{kind} have a {value}, and graph.mapping.{kind}.value names no property for it")
        last = list({(row[source], row[target], row.get("time")): row for row in rows}.values())

        def work(run: Run, rev: int) -> int:
            for column, nodes in ENDPOINTS[table].items():
                self._require(run, cast(NodeKind, nodes), column, [row[column] for row in rows])
            changed = 0
            for part in _chunks(len(last)):
                mine = last[part]
                edges = EdgeRows(
                    kind,
                    [row[source] for row in mine],
                    [row[target] for row in mine],
                    [_number(int, row.get("time")) for row in mine],
                    [_number(float, row.get(value)) for row in mine] if value else None,
                )
                changed += write_edges(run, self.mapping, edges, rev)
            return changed

        return self._transaction(work, len(rows))

    def _remove_nodes(self, kind: NodeKind, ids: list[str]) -> WriteResult:
        (column,) = REQUIRED[kind]
        for number, node_id in enumerate(ids, start=1):
            if reason := id_reason(node_id):
                raise InputError(f"{kind} {number}: {column} {reason}")
        query = load_queries()[f"write/remove_nodes/{kind}"].render(self.mapping)

        def work(run: Run, rev: int) -> int:
            self._require(run, kind, column, ids)
            params = {"ids": list(dict.fromkeys(ids)), "kind": kind, "rev": rev}
            return int(run(query, params)[0]["removed"])

        return self._transaction(work, len(ids))

    def _remove_edges(self, kind: EdgeKind, rows: list[Row]) -> WriteResult:
        table = cast(TableName, kind)
        _check_rows(table, rows, extra=False)
        source, target = REQUIRED[table]
        query = load_queries()[f"write/remove_edges/{kind}"].render(self.mapping)
        given = [{"source": row[source], "target": row[target], "time": _number(int, row.get("time"))} for row in rows]

        def work(run: Run, rev: int) -> int:
            return sum(
                int(run(query, {"rows": given[part], "kind": kind, "rev": rev})[0]["removed"])
                for part in _chunks(len(given))
            )

        return self._transaction(work, len(rows))

    def _require(self, run: Run, kind: NodeKind, column: str, ids: Sequence[str]) -> None:
        wanted = list(dict.fromkeys(ids))
        for part in _chunks(len(wanted)):
            there = known_ids(run, self.mapping, kind, wanted[part])
            for node_id in wanted[part]:
                if node_id not in there:
                    raise UnknownNodeError(f"{column} {node_id[:80]!r} is unknown: not in {kind}", hint="Add it first.")


class _Fields:
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


def _merged(state: GraphState, kind: str, fields: _Fields) -> GraphState:
    widths = {name: width for name, width in fields.widths.items() if fields.known.get(name) == "vector"}
    try:
        return state.merged({kind: fields.learned}, widths)
    except DataError as error:
        raise InputError(error.message) from error


def _check_rows(table: TableName, rows: list[Row], *, extra: bool) -> None:
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


def _refuse_repeats(kind: str, ids: list[str], column: str) -> None:
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = next(node_id for node_id in ids if node_id in seen or seen.add(node_id))  # type: ignore[func-returns-value]
        raise InputError(f"{kind}: {column} {twice[:80]!r} is given twice")


def _number(kind: type[T], value: Any) -> T | None:
    """A NumPy number as Python's own, which the driver sends."""
    return None if value is None else kind(value)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(at, at + CHUNK) for at in range(0, count, CHUNK))
