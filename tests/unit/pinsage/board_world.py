"""A small world of boards with known topics, for the model's tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.graph.snapshot_columns import NodeTable, field_column, node_table
from engine.graph.snapshot_csr import relation
from engine.models.base import RelatedData, RelatedPairs
from engine.types import ItemContextGraph

TOPICS, ITEMS, BOARDS = 4, 80, 60


def world(seed: int = 0, *, prefix: str = "i", order: np.ndarray[Any, Any] | None = None, cold: int = 4) -> RelatedData:
    """Items of four topics with tags, a price and boards of one topic each; the last `cold` items are in no board.

    Args:
        order: the order in which the items are handed over; their rows are sorted by key whatever it is.
    """
    rng = np.random.default_rng(7)
    topic = np.arange(ITEMS) % TOPICS
    boards = [rng.choice(np.flatnonzero(topic[: ITEMS - cold] == b % TOPICS), 8, replace=False) for b in range(BOARDS)]
    price = [None if n % 5 == 0 else float(topic[n]) for n in range(ITEMS)]
    tags = [[] if n % 11 == 0 else [f"topic{topic[n]}", f"any{n % 7}"] for n in range(ITEMS)]
    given = np.arange(ITEMS) if order is None else order
    items = item_table([f"{prefix}{n}" for n in given], [tags[n] for n in given], [price[n] for n in given])
    contexts, board_row = node_table([f"b{n}" for n in range(BOARDS)])
    row = items.index_of([f"{prefix}{n}" for n in range(ITEMS)])
    pairs = [(b, n) for b, members in enumerate(boards) for n in members[1:]]
    edges = relation(
        BOARDS, ITEMS, board_row[[b for b, _ in pairs]], row[np.array([n for _, n in pairs])].astype(np.int32)
    )
    query, answer = row[[m[1] for m in boards]], row[[m[0] for m in boards]]
    return RelatedData(
        graph=ItemContextGraph(edges.backward, edges.forward, items.key, contexts.key),
        items=items,
        validation=RelatedPairs(query.astype(np.int32), answer.astype(np.int32)),
        seed=seed,
    )


def item_table(ids: list[str], tags: list[list[str]], price: list[float | None]) -> NodeTable:
    """Items with tags and a price."""
    fields = {
        "tags": field_column("categorical", tags, name="tags"),
        "price": field_column("numeric", price, name="price"),
    }
    return node_table(ids, fields=fields)[0]


SMALL: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 64,
    "negatives": 32,
    "dim": 16,
    "hidden": 16,
    "components": 16,
    "top_t": 8,
    "num_walks": 30,
    "hard_rank_low": 10,
    "hard_rank_high": 40,
    "learning_rate": 0.01,
}
"""Settings for a training of a second."""
