"""Embed nodes that a trained model has not seen, from their own content and their neighbourhoods. Knows no model.

Nothing is retrained and no stored embedding changes: a new node draws on what the layers below hold of its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.embedding.layerwise import LayerwiseModel, pool
from engine.errors import InputError
from engine.types import FloatArray, IndexArray, Neighbourhoods

StoredInputs = Callable[[IndexArray], Tensor]
"""h0 of known nodes by row, float `[rows, dim]`."""
StoredNeighbours = Callable[[IndexArray], Neighbourhoods]
"""Neighbourhoods of known nodes by row."""


@torch.no_grad()
def embed_new(
    model: LayerwiseModel, own: Tensor, found: Neighbourhoods, inputs: StoredInputs, neighbours: StoredNeighbours
) -> FloatArray:
    """Embed new nodes as the whole graph would be embedded, had they been in it as nobody's neighbours.

    Args:
        own: float `[B, dim]`, the new nodes' h0.
        found: their neighbourhoods among known nodes, `[B, T]`.
        inputs: h0 of known nodes.
        neighbours: neighbourhoods of known nodes.

    Returns:
        float32 `[B, dim]`. A node without neighbours is embedded from its content alone.

    Raises:
        InputError: as many neighbourhoods as nodes are needed.
    """
    if len(own) != len(found):
        raise InputError(f"{len(own)} new nodes came with {len(found)} neighbourhoods")
    below, wanted = [], found
    for _ in model.layers:
        rows = np.unique(wanted.idx[wanted.weight > 0]).astype(np.int32)
        below.append(rows)
        wanted = neighbours(rows)
    new = own
    # Layer by layer upwards: the known nodes that are still needed shrink by one hop a layer.
    known_rows = _union(below)
    known = inputs(known_rows)
    for number, layer in enumerate(model.layers):
        table = layer.messages(known)
        new = layer.update_nodes(new, pool(table, _among(found, known_rows)))
        if number + 1 < len(model.layers):
            upper = _union(below[: len(model.layers) - 1 - number])
            at = np.searchsorted(known_rows, upper)
            known = layer.update_nodes(known[torch.from_numpy(at)], pool(table, _among(neighbours(upper), known_rows)))
            known_rows = upper
    return np.asarray(model.head(new, own).numpy(), dtype=np.float32)


def _union(parts: Sequence[IndexArray]) -> IndexArray:
    return np.unique(np.concatenate([np.empty(0, dtype=np.int32), *parts])).astype(np.int32)


def _among(found: Neighbourhoods, rows: IndexArray) -> Neighbourhoods:
    """Say neighbours by their position in `rows`, which holds all of them."""
    linked = found.weight > 0
    idx = np.full(found.idx.shape, -1, dtype=np.int32)
    idx[linked] = np.searchsorted(rows, found.idx[linked])
    return Neighbourhoods(idx, found.weight)
