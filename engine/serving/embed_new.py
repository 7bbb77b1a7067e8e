"""From what is known of a brand-new item to its embedding: checked fields, contexts, neighbourhood. Knows a view; no server.

The model that made the view's vectors embeds the item too, so that it is comparable with all others without retraining.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from engine.errors import InputError, UnknownNameError, UnknownNodeError
from engine.graph.snapshot import NodeTable
from engine.graph.snapshot_columns import FieldColumn, FieldKind, field_column, node_table
from engine.sampling.config import WalkConfig
from engine.sampling.live import LiveNeighbourhoods
from engine.sampling.walks import neighbourhoods_of_new
from engine.serving.fresh import FreshItem, NewItem
from engine.serving.view import View
from engine.types import FloatArray, IndexArray, Neighbourhoods


class Embedder(Protocol):
    """The model of one generation, ready to embed items that it has not seen."""

    @property
    def walk(self) -> WalkConfig:
        """The walks that define its neighbourhoods."""
        ...

    def embed(self, items: NodeTable, contexts: Sequence[IndexArray], around: Neighbourhoods) -> FloatArray:
        """Embed B new items.

        Args:
            items: their fields, in the order of `contexts` and `around`.
            contexts: for each item the rows of the contexts that hold it.
            around: `[B, T]`, rows of the view's items.

        Returns:
            float32 `[B, d]`, unit length.
        """
        ...


def embed_new(view: View, embedder: Embedder, new: NewItem, live: LiveNeighbourhoods | None = None) -> FreshItem:
    """Embed one new item.

    Args:
        live: its neighbourhood in the graph as it stands; walked over the view from `new.contexts` when None.

    Raises:
        UnknownNameError: a corpus or a field that the view does not have.
        UnknownNodeError: a context that the view does not know (only without `live`).
        InputError: a value that is not of its field's kind, or not finite.
    """
    view.corpus_number(new.corpus)
    table = as_table(view, new)
    rows = view.contexts.index_of(list(new.contexts))
    if live is None:
        if (rows < 0).any():
            unknown = new.contexts[int(np.flatnonzero(rows < 0)[0])]
            raise UnknownNodeError(
                f"there is no {view.context_kind} {unknown!r:.80} in generation {view.origin.generation}",
                hint="Contexts are told by their ids; one added later is seen by the next `engine build`.",
            )
        around = neighbourhoods_of_new(view.graph, [rows], table.key, embedder.walk, threads=1)
    else:
        around = _known(view, live, embedder.walk.top_t)
    known = rows[rows >= 0]
    vector = embedder.embed(table, [known], around)[0]
    field = view.title_field()
    title = None if field is None else new.fields.get(field)
    return FreshItem(new, vector, known, title)


def _known(view: View, live: LiveNeighbourhoods, top_t: int) -> Neighbourhoods:
    """A live neighbourhood as rows of the view; neighbours newer than it are left out and the rest weighs 1 again."""
    idx = np.full((1, top_t), -1, np.int32)
    weight = np.zeros((1, top_t), np.float32)
    rows = view.items.index_of(live.ids[0])
    kept = np.flatnonzero(rows >= 0)[:top_t]
    if len(kept):
        share = live.weight[0][kept]
        idx[0, : len(kept)] = rows[kept]
        weight[0, : len(kept)] = share / share.sum()
    return Neighbourhoods(idx, weight)


def as_table(view: View, new: NewItem) -> NodeTable:
    """The new item as a table of one row with the view's fields.

    Raises:
        UnknownNameError, InputError: see `embed_new`.
    """
    if not new.item_id:
        raise InputError("a new item needs an id")
    fields = view.items.fields
    for name in new.fields:
        if name not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise UnknownNameError(f"items have no field {name!r}", hint=f"Known fields: {known}.")
    return node_table([new.item_id], [new.corpus], field_columns(new.fields, fields), what="item")[0]


def field_columns(values: Mapping[str, Any], fields: Mapping[str, FieldColumn]) -> dict[str, FieldColumn]:
    """One item's plain values as columns of one row, of the same kinds as some.

    Raises:
        InputError: a value that is not of its field's kind, or not finite.
    """
    return {name: _column(name, like, values.get(name)) for name, like in fields.items()}


def _column(name: str, like: FieldColumn, value: Any) -> FieldColumn:
    kind: FieldKind = like.kind
    if kind == "vector":
        return _vector(name, like, value)
    if kind == "text" and value is not None and not isinstance(value, str):
        raise InputError(f"field {name!r} is text, not {value!r:.80}")
    if kind == "categorical" and value is not None:
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, Sequence) or not all(isinstance(one, str) for one in listed):
            raise InputError(f"field {name!r} is categorical: a string or a list of strings, not {value!r:.80}")
    if kind == "numeric" and value is not None and not _is_finite_number(value):
        raise InputError(f"field {name!r} is numeric: a finite number, not {value!r:.80}")
    return field_column(kind, [value], name=name)


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _vector(name: str, like: FieldColumn, value: Any) -> FieldColumn:
    width = int(like.values.shape[1])
    if value is None:
        return FieldColumn("vector", np.full((1, width), np.nan, np.float32))
    try:
        vector = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"field {name!r} is a vector of {width} numbers, not {value!r:.80}") from error
    if vector.shape != (width,):
        raise InputError(f"field {name!r} is a vector of {width} numbers, not of the shape {list(vector.shape)}")
    if not np.isfinite(vector).all():
        raise InputError(f"field {name!r} holds a value that is not finite")
    return FieldColumn("vector", vector[None])


def plain_fields(properties: Mapping[str, Any], fields: Mapping[str, FieldColumn]) -> dict[str, Any]:
    """Node properties of the graph as values of the fields that the view has; others are left out."""
    plain: dict[str, Any] = {}
    for name, column in fields.items():
        value = properties.get(name)
        if value is None:
            continue
        if column.kind == "vector" and isinstance(value, bytes | bytearray):
            value = np.frombuffer(value, dtype="<f4")
        plain[name] = str(value) if column.kind == "text" else value
    return plain
