"""Random writes through the client's writer, for properties that hold of any sequence of changes."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st

from engine.errors import UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.write import GraphWriter
from engine.settings import EdgeMapping, GraphMapping, ItemMapping, NodeMapping

PLAIN = GraphMapping()
FOREIGN = GraphMapping(
    items=ItemMapping(label="Pin", id="pin id", corpus_labels={"organic": "Pin", "ads": "The `Ad`"}),
    contexts=NodeMapping(label="Bôard", id="näme"),
    saves=EdgeMapping(type="PINNED TO", reverse=True, time="at"),
    interactions=EdgeMapping(type="CLICKED", value="stars"),
    owns=EdgeMapping(type="OWNED_BY", reverse=True),
)

ITEM, CONTEXT, USER = (
    st.sampled_from([f"{kind}{n}" for n in range(count)]) for kind, count in (("i", 5), ("c", 3), ("u", 3))
)
TIME = st.sampled_from([None, 5, 6])
EDGE_OPS = {
    "saves": st.fixed_dictionaries({"context_id": CONTEXT, "item_id": ITEM, "time": TIME}),
    "interactions": st.fixed_dictionaries(
        {"user_id": USER, "item_id": ITEM, "time": TIME, "rating": st.sampled_from([None, 1.0, 2.0])}
    ),
    "follows": st.fixed_dictionaries(
        {"user_id": USER, "followed_id": USER, "time": TIME, "weight": st.sampled_from([None, 0.5, 0.0])}
    ),
}
ITEM_ROW = st.fixed_dictionaries(
    {
        "item_id": ITEM,
        "title": st.sampled_from([None, "x", "y"]),
        "price": st.sampled_from([None, 1.0, 2.0]),
        "tags": st.sampled_from([None, ["a"], ["a", "b"]]),
        "visual": st.sampled_from([None, [1.0, 2.0]]),
    }
)
OPERATIONS = st.one_of(
    ITEM_ROW.map(lambda row: ("add_items", row)),
    st.fixed_dictionaries({"context_id": CONTEXT, "owner_id": st.none() | USER, "name": st.sampled_from(["x", "y"])}).map(
        lambda row: ("add_contexts", row)
    ),
    st.fixed_dictionaries({"user_id": USER}).map(lambda row: ("add_users", row)),
    *(rows.map(lambda row, kind=kind: (f"add_{kind}", row)) for kind, rows in EDGE_OPS.items()),
    *(rows.map(lambda row, kind=kind: (f"add_{kind}", row)) for kind, rows in EDGE_OPS.items()),
    *(rows.map(lambda row, kind=kind: (f"remove_{kind}", row)) for kind, rows in EDGE_OPS.items()),
    ITEM.map(lambda node_id: ("remove_items", node_id)),
    CONTEXT.map(lambda node_id: ("remove_contexts", node_id)),
    USER.map(lambda node_id: ("remove_users", node_id)),
)  # fmt: skip


def start_over(graph: Graph, mapping: GraphMapping) -> GraphWriter:
    """A small graph with every field, in a database that keeps its counter, so that no watermark comes twice."""
    graph.write("MATCH (n) WHERE NOT n:_EngineState AND NOT n:_EngineMigration DETACH DELETE n")
    writer = GraphWriter(graph, mapping)
    whole = {"title": "x", "price": 1.0, "tags": ["a"], "visual": [3.0, 4.0]}
    writer.add_items([{"item_id": "i0", **whole}, {"item_id": "i1", **whole, "title": "y"}, {"item_id": "i2"}])
    writer.add_users([{"user_id": "u0"}, {"user_id": "u1"}])
    writer.add_contexts([{"context_id": "c0", "owner_id": "u0", "name": "x"}, {"context_id": "c1"}])
    writer.add_saves(
        [{"context_id": c, "item_id": i, "time": t} for c in ("c0", "c1") for i in ("i0", "i1") for t in (5, None)]
    )
    writer.add_interactions([{"user_id": "u0", "item_id": "i0", "rating": 1.0}])
    return writer


def perform(writer: GraphWriter, operation: tuple[str, Any]) -> None:
    name, argument = operation
    if name.startswith("remove_") and isinstance(argument, dict):
        argument = {key: value for key, value in argument.items() if key not in ("rating", "weight")}
    with contextlib.suppress(UnknownNodeError):
        getattr(writer, name)([argument])
