"""What a stock PyG `NodeLoader` needs to deliver importance weights. Knows no server and no model."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch_geometric.data import Data, HeteroData

Batch = TypeVar("Batch", Data, HeteroData)


def importance_weights(batch: Batch) -> Batch:
    """A `transform` for PyG's loaders: float32 `edge_attr` `[E]` out of the edge ids of `ConsistentWalkSampler`.

    Usage: `NodeLoader(..., node_sampler=ConsistentWalkSampler(...), transform=importance_weights)`.
    """
    stores: list[Any] = batch.edge_stores
    for store in stores:
        if "e_id" in store:
            store.edge_attr = store.e_id.to(torch.int32).view(torch.float32)
            del store.e_id
    return batch
