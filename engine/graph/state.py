"""What the engine keeps in the graph about the graph: the rev counter, the kinds of the fields, how far loads got.

Every write transaction starts with `next_rev`: it increments the counter node, which also serialises the writers.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast, get_args

from engine.errors import DataError, GraphError
from engine.graph.connection import Graph, Run
from engine.graph.queries import load_queries
from engine.graph.snapshot_columns import FieldKind
from engine.settings import GraphMapping

_ANY = GraphMapping()
"""The engine's own nodes are not mapped."""


@dataclass(frozen=True, slots=True)
class GraphState:
    """The counter and the fields of one moment.

    Attributes:
        rev: of the last engine write; 0 for a graph the engine never wrote to.
        fields: `items`, `contexts`, `users` -> field -> text | numeric | categorical | vector.
        widths: vector field -> floats in it.
        compacted: the change feed no longer reaches back before this rev; 0 where it is whole.
        salt: what the ids of forgotten nodes are digested with, in hex; None where nothing was ever forgotten.
    """

    rev: int = 0
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    compacted: int = 0
    salt: str | None = None

    def merged(self, fields: Mapping[str, Mapping[str, str]], widths: Mapping[str, int]) -> GraphState:
        """This state with more fields.

        Raises:
            DataError: a field has another kind, or a vector another width, than the graph knows.
        """
        known = {table: dict(kinds) for table, kinds in self.fields.items()}
        for table, kinds in fields.items():
            for name, kind in kinds.items():
                there = known.setdefault(table, {}).setdefault(name, kind)
                if there != kind:
                    raise DataError(f"{table}: field {name!r} is {kind}, and in the graph it is {there}")
        wide = dict(self.widths)
        for name, width in widths.items():
            if wide.setdefault(name, width) != width:
                raise DataError(f"vector {name!r} is {width} wide, and in the graph it is {wide[name]}")
        return dataclasses.replace(self, fields=known, widths=wide)

    def field_kinds(self, mapping: GraphMapping) -> dict[str, dict[str, FieldKind]]:
        """The fields that features and filters use: kind of node -> field, by name -> kind of value.

        Raises:
            GraphError: the graph records a kind of value that there is not.
        """
        kinds: dict[str, dict[str, FieldKind]] = {}
        for table in ("items", "contexts", "users"):
            known = dict(
                mapping.fields if table == "items" and mapping.fields is not None else self.fields.get(table, {})
            )
            for name, value in known.items():
                if value not in get_args(FieldKind):
                    raise GraphError(
                        f"the graph records field {name!r} of {table} as {value!r}, which is no kind of field"
                    )
            kinds[table] = {name: cast(FieldKind, known[name]) for name in sorted(known)}
        return kinds


def read_state(graph: Graph) -> GraphState:
    """The counter and the fields as the graph has them now."""
    return _state(lambda query, params=None: graph.read(query, params))


def state_in(run: Run) -> GraphState:
    """The same, within a transaction."""
    return _state(run)


def _state(run: Run) -> GraphState:
    rows = run(load_queries()["engine/state"].render(_ANY))
    if not rows:
        return GraphState()
    row = rows[0]
    fields, widths = (json.loads(row[name] or "{}") for name in ("fields_json", "widths_json"))
    return GraphState(row["rev"], fields, widths, row["compacted"], row["salt"])


def save_fields(run: Run, state: GraphState) -> None:
    """Record the fields, within a transaction that holds the counter."""
    values = {"fields_json": _json(state.fields), "widths_json": _json(state.widths)}
    run(load_queries()["engine/set_fields"].render(_ANY), values)


def next_rev(run: Run) -> int:
    """Take the next rev; other writers wait until this transaction ends."""
    rev: int = run(load_queries()["write/tick"].render(_ANY))[0]["rev"]
    return rev


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, default=dict)
