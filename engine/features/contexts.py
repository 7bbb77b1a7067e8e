"""What the contexts of an item say about it: the words of the boards that it is saved in. Knows fields and edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from engine.features.tokens import no_counts, token_counts, token_fields
from engine.features.word_counts import WordCounts
from engine.graph.snapshot_columns import NodeTable
from engine.graph.snapshot_csr import relation
from engine.types import IndexArray, ItemContextGraph, KeyArray

PREFIX = "context."


def context_counts(
    graph: ItemContextGraph, contexts: NodeTable | None, words: Mapping[str, WordCounts] | None = None
) -> tuple[list[str], sparse.csr_matrix]:
    """Count for each item the tokens of the contexts that hold it.

    Args:
        graph: the edges; an item without any gets no token.
        contexts: the contexts with their fields, or None.
        words: by "context.FIELD", what was counted of its texts already.

    Returns:
        The tokens "context.FIELD=VALUE", and float32 `[N, V]`.
    """
    if contexts is None or not token_fields(contexts.fields):
        return [], no_counts(graph.num_items)
    known = {name: words[PREFIX + name] for name in contexts.fields if PREFIX + name in words} if words else None
    tokens, counts = token_counts(contexts, words=known)
    return [PREFIX + token for token in tokens], (saved_in(graph) @ counts).tocsr()


def saved_in(graph: ItemContextGraph) -> sparse.csr_matrix:
    """float32 `[items, contexts]`, 1 where a context holds an item, however many parallel edges say so."""
    edges = graph.item_to_context
    # SciPy would sort the graph's own lists in place, whose order is that of creation.
    matrix = sparse.csr_matrix(
        (np.ones(edges.num_edges, dtype=np.float32), edges.indices.copy(), edges.indptr.copy()),
        shape=(graph.num_items, graph.num_contexts),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def context_items(
    contexts: Sequence[IndexArray], num_contexts: int, item_key: KeyArray, context_key: KeyArray
) -> ItemContextGraph:
    """The edges of a few items as a graph of their own, so that they can be encoded like any others.

    Args:
        contexts: for each item the rows of the contexts that hold it.
    """
    size = np.array([len(rows) for rows in contexts], dtype=np.int64)
    context = np.concatenate([np.empty(0, dtype=np.int32), *contexts]).astype(np.int32)
    edges = relation(num_contexts, len(contexts), context, np.repeat(np.arange(len(contexts)), size).astype(np.int32))
    return ItemContextGraph(edges.backward, edges.forward, item_key, context_key)
