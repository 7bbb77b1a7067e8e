"""Writes of a few nodes and edges at a time, for the client: checked like ingest, one transaction a call.

Knows rows as mappings from column to value, with the columns of the folder format. A call that raises has written nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from engine.datasets.folder_spec import DEFAULT_CORPUS, ENDPOINTS, REQUIRED, TableName
from engine.datasets.folder_values import id_reason
from engine.errors import InputError, UnknownNodeError
from engine.graph.connection import Graph, Run
from engine.graph.migrate import migrate
from engine.graph.queries import load_queries
from engine.graph.state import next_rev, save_fields, state_in
from engine.graph.write_batches import (
    EdgeKind,
    EdgeRows,
    NodeKind,
    NodeRows,
    known_ids,
    write_edges,
    write_nodes,
)
from engine.graph.write_rows import NodeFields, Row, check_rows, merged_state, refuse_repeats
from engine.settings import GraphMapping

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
        check_rows(kind, rows, extra=True)
        refuse_repeats(kind, [str(row[id_column]) for row in rows], id_column)
        taken = {getattr(self.mapping, kind).id} | ({self.mapping.items.corpus} if kind == "items" else set())

        def work(run: Run, rev: int) -> int:
            state = state_in(run)
            fields = NodeFields(kind, state, taken)
            sets = [fields.properties(number, row) for number, row in enumerate(rows, start=1)]
            if fields.learned:
                save_fields(run, merged_state(state, kind, fields))
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
        check_rows(table, rows, extra=False)
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
        check_rows(table, rows, extra=False)
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


def _number(kind: type[T], value: Any) -> T | None:
    """A NumPy number as Python's own, which the driver sends."""
    return None if value is None else kind(value)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(at, at + CHUNK) for at in range(0, count, CHUNK))
