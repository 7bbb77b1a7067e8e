"""Plain walks: where a random walk of two item-context-item steps from the query ends, exactly, without sampling.

The strongest baseline that needs no training. What the samplers in `engine.sampling` estimate, this adds up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.compiled import compiled
from engine.models.base import RelatedData
from engine.types import FloatArray, IndexArray, ItemContextGraph, OffsetArray

STEPS = 2
"""Two-hop steps. One step only reaches items of the query's own contexts; two gave better Hit@k on citeulike-t and Last.fm."""


class WalkScorer:
    """Scores an item by the probability that the walk ends there."""

    name = "walks"

    def fit(self, data: RelatedData) -> None:
        """Keep the graph; there is nothing to learn."""
        self._graph = data.graph

    def score(self, queries: IndexArray) -> FloatArray:
        """float32 `[B, N]`; each row adds up to 1, or to 0 for an item without edges."""
        return walk_probabilities(self._graph, queries)

    def report(self) -> dict[str, Any]:
        return {"steps": STEPS}


def walk_probabilities(graph: ItemContextGraph, queries: IndexArray, steps: int = STEPS) -> FloatArray:
    """The exact distribution of a walk's end.

    Each step goes to one of the node's edges with equal chance, so parallel edges count as they stand.

    Args:
        queries: int32 `[B]`, rows of items.
        steps: two-hop steps.

    Returns:
        float32 `[B, N]`.
    """
    items, contexts = graph.item_to_context, graph.context_to_item
    return _walk(
        items.indptr,
        items.indices,
        contexts.indptr,
        contexts.indices,
        np.ascontiguousarray(queries, dtype=np.int32),
        steps,
    )


def walk_reach(graph: ItemContextGraph, query: int, ends: FloatArray, steps: int = STEPS) -> IndexArray:
    """`walk_probabilities` of one query, with the items that the walk reaches: few look-ups instead of a pass over all.

    Args:
        ends: float32 `[N]`, zeros; the walk's ends afterwards.

    Returns:
        int32 `[M]`, the rows where `ends` is above 0, each once in no particular order.
    """
    items, contexts = graph.item_to_context, graph.context_to_item
    # Made by NumPy, whose zeros cost nothing where nobody looks.
    at_context, mass = np.zeros(graph.num_contexts, np.float32), np.empty(graph.num_items, np.float32)
    reached, passed = np.empty(graph.num_items, np.int32), np.empty(graph.num_contexts, np.int32)
    count = _spread(
        items.indptr,
        items.indices,
        contexts.indptr,
        contexts.indices,
        query,
        steps,
        ends,
        at_context,
        reached,
        passed,
        mass,
    )
    return reached[:count]


@compiled
def _walk(
    item_ptr: OffsetArray,
    item_contexts: IndexArray,
    context_ptr: OffsetArray,
    context_items: IndexArray,
    queries: IndexArray,
    steps: int,
) -> FloatArray:
    """`_spread` from each query."""
    num_items, num_contexts = len(item_ptr) - 1, len(context_ptr) - 1
    ends = np.zeros((len(queries), num_items), dtype=np.float32)
    at_context = np.zeros(num_contexts, dtype=np.float32)
    reached = np.empty(num_items, dtype=np.int32)
    passed = np.empty(num_contexts, dtype=np.int32)
    mass = np.empty(num_items, dtype=np.float32)
    for row in range(len(queries)):
        _spread(
            item_ptr,
            item_contexts,
            context_ptr,
            context_items,
            int(queries[row]),
            steps,
            ends[row],
            at_context,
            reached,
            passed,
            mass,
        )
    return ends


@compiled
def _spread(
    item_ptr: OffsetArray,
    item_contexts: IndexArray,
    context_ptr: OffsetArray,
    context_items: IndexArray,
    query: int,
    steps: int,
    here: FloatArray,
    at_context: FloatArray,
    items: IndexArray,
    contexts: IndexArray,
    mass: FloatArray,
) -> int:
    """Push the probability mass outwards, step by step, over the nodes that hold any.

    Args:
        here: zeros `[N]`; the walk's ends afterwards.
        at_context: zeros, and zeros again afterwards.
        items: room for the items reached, which stand at its beginning afterwards.
        contexts, mass: room.

    Returns:
        How many items the walk reaches.
    """
    items[0] = query
    here[query] = 1.0
    count = 1
    for _ in range(steps):
        for i in range(count):
            mass[i] = here[items[i]]
            here[items[i]] = 0.0
        passed = 0
        for i in range(count):
            lo, hi = item_ptr[items[i]], item_ptr[items[i] + 1]
            for edge in range(lo, hi):
                context = item_contexts[edge]
                if at_context[context] == 0.0:
                    contexts[passed] = context
                    passed += 1
                at_context[context] += mass[i] / (hi - lo)
        count = 0
        for i in range(passed):
            lo, hi = context_ptr[contexts[i]], context_ptr[contexts[i] + 1]
            share = at_context[contexts[i]] / (hi - lo)
            at_context[contexts[i]] = 0.0
            for edge in range(lo, hi):
                item = context_items[edge]
                if here[item] == 0.0:
                    items[count] = item
                    count += 1
                here[item] += share
    return count
