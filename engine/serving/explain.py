"""Why an answer is related to the query: the paths between them in the graph, and the Cypher to look at them.

Knows a view and the named queries' text; runs no query.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.graph.queries import load_queries
from engine.serving.results import Explanation, NodeRef
from engine.serving.view import View
from engine.settings import GraphMapping

MOST_PATHS = 3
_MOST_CONTEXTS = 50
_MOST_ITEMS = 500
_QUERIES = {
    ("context", 1): "serving/paths_by_context",
    ("context", 2): "serving/paths_by_two_contexts",
    ("user", 1): "serving/paths_by_user",
    ("user", 2): "serving/paths_by_two_users",
}


def explain(
    view: View,
    mapping: GraphMapping,
    query: tuple[str, NDArray[np.int32]],
    answer: tuple[str, NDArray[np.int32]],
    *,
    hidden_items: Collection[int] = (),
) -> Explanation:
    """The paths from a query item to an answer.

    Args:
        query: the query item's id and the rows of the contexts that hold it.
        answer: the same of the answer.
        hidden_items: rows that no path may lead over.
    """
    shared = np.intersect1d(query[1], answer[1])
    sizes = view.context_sizes
    if len(shared):
        # A small context says more about its items than a large one.
        best = shared[np.lexsort((view.contexts.order.ranks(shared), sizes[shared]))][:MOST_PATHS]
        paths: list[tuple[NodeRef, ...]] = [
            (_item(view, query[0]), _context(view, int(c)), _item(view, answer[0])) for c in best
        ]
    else:
        paths = _two_steps(view, query, answer, sizes, hidden_items)
    hops = 1 if len(shared) else 2
    return Explanation(tuple(paths), len(shared), _cypher(view, mapping, hops, query[0], answer[0]))


def _two_steps(
    view: View,
    query: tuple[str, NDArray[np.int32]],
    answer: tuple[str, NDArray[np.int32]],
    sizes: NDArray[np.int64],
    hidden_items: Collection[int],
) -> list[tuple[NodeRef, ...]]:
    items, via = _around(view, query[1], sizes)
    others, other_via = _around(view, answer[1], sizes)
    between = np.setdiff1d(np.intersect1d(items, others), list(hidden_items))
    between = between[np.argsort(view.items.order.ranks(between))][:MOST_PATHS]
    paths: list[tuple[NodeRef, ...]] = []
    for middle in between.tolist():
        first, second = via[items == middle][0], other_via[others == middle][0]
        paths.append(
            (
                _item(view, query[0]),
                _context(view, int(first)),
                _item(view, view.items.ids[middle]),
                _context(view, int(second)),
                _item(view, answer[0]),
            )
        )
    return paths


def _around(
    view: View, contexts: NDArray[np.int32], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Items one step away and the context each was met in, from the smallest contexts."""
    near = np.unique(contexts)
    near = near[np.lexsort((view.contexts.order.ranks(near), sizes[near]))][:_MOST_CONTEXTS]
    rows = [view.graph.context_to_item.row(int(context))[:_MOST_ITEMS] for context in near]
    met = np.concatenate([np.empty(0, np.int32), *rows])
    return met, np.repeat(near, [len(row) for row in rows]).astype(np.int32)


def _item(view: View, item_id: str) -> NodeRef:
    row = view.item_row(item_id)
    return NodeRef("item", item_id, view.titles([row])[0] if row >= 0 else None)


def _context(view: View, row: int) -> NodeRef:
    table = view.contexts
    named = (table.fields[name] for name in ("title", "name") if name in table.fields)
    title = next((column.values[row].as_py() for column in named if column.kind == "text"), None)
    return NodeRef("context" if view.context_kind == "context" else "user", table.ids[row], title)


def _cypher(view: View, mapping: GraphMapping, hops: int, start: str, end: str) -> str:
    """The query with its parameters written out, for pasting into a browser."""
    text = _rendered(_QUERIES[view.context_kind, hops], mapping.model_dump_json())
    values = {"from": start, "to": end}
    return re.sub(r"\$(from|to)\b", lambda found: literal(values[found[1]]), text)


@functools.lru_cache(maxsize=64)
def _rendered(name: str, mapping: str) -> str:
    return load_queries()[name].render(GraphMapping.model_validate_json(mapping))


def literal(text: str) -> str:
    """A Cypher string literal for any text."""
    escaped = "".join(_escaped(char) for char in text)
    return f"'{escaped}'"


def cypher_literal(value: Any) -> str:
    """A Cypher literal for plain values: texts, numbers, None, and lists and maps of such."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {cypher_literal(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(cypher_literal, value)) + "]"
    return str(value)


def _escaped(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    return char if char.isprintable() else "".join(f"\\u{unit:04x}" for unit in _utf16(char))


def _utf16(char: str) -> list[int]:
    raw = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]
