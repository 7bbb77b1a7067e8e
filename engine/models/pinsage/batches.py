"""Mini-batches: which nodes each layer needs, each of them once (PinSage, sections 3.2 and 3.3). Knows no network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from engine.features.encoder import Content
from engine.models.pinsage.config import PinSageConfig
from engine.models.pinsage.inputs import take_content
from engine.models.pinsage.model import Block, NodeBatch
from engine.types import FloatArray, IndexArray, Neighbourhoods

Thin = Callable[[Neighbourhoods], Neighbourhoods]


def node_batch(
    targets: IndexArray,
    top: Neighbourhoods,
    every: Neighbourhoods,
    content: Content,
    layers: int,
    thin: Thin = lambda found: found,
) -> NodeBatch:
    """Lay out the layers below some targets; below the top each node is there once, whoever needs it.

    Args:
        targets: int32 `[B]` item rows; a row may come twice, with other neighbours.
        top: the targets' neighbourhoods in the last layer, `[B, T]`.
        every: the neighbourhoods of all items, for the layers below.
        layers: convolutions; 0 for content alone.
        thin: drops neighbours of the lower layers while training.
    """
    wanted, neighbourhood = targets, top
    blocks: list[Block] = []
    for below in range(layers - 1, -1, -1):
        linked = neighbourhood.weight > 0
        nodes, position = np.unique(np.concatenate([wanted, neighbourhood.idx[linked]]), return_inverse=True)
        neighbours = np.zeros(linked.shape, dtype=np.int64)
        neighbours[linked] = position[len(wanted) :]
        blocks.append(
            Block(
                own=torch.from_numpy(position[: len(wanted)].astype(np.int64)),
                neighbours=torch.from_numpy(neighbours),
                weight=torch.from_numpy(neighbourhood.weight),
            )
        )
        wanted = nodes.astype(np.int32)
        if below:
            neighbourhood = thin(Neighbourhoods(every.idx[wanted], every.weight[wanted]))
    order = np.empty(0, dtype=np.int64)
    if not layers:
        wanted, order = np.unique(targets, return_inverse=True)
    return NodeBatch(take_content(content, wanted), blocks[::-1], torch.from_numpy(order.astype(np.int64)))


def pooled(found: Neighbourhoods, config: PinSageConfig) -> Neighbourhoods:
    """Apply the pooling of the configuration: visit counts as they are, or all neighbours of a node alike."""
    if config.pooling == "importance":
        return found
    return normalised(found.idx, (found.weight > 0).astype(np.float32))


def normalised(idx: IndexArray, weight: FloatArray) -> Neighbourhoods:
    """Scale each row's weights to a sum of 1; a row of zeros stays."""
    total = weight.sum(axis=1, keepdims=True)
    scaled: FloatArray = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return Neighbourhoods(idx, scaled)


def bared(found: Neighbourhoods, chance: float, rng: np.random.Generator) -> Neighbourhoods:
    """Take all neighbours from some nodes, so that the network learns to do without, as it must for cold items."""
    keep: NDArray[np.bool_] = rng.random((len(found), 1), dtype=np.float32) >= chance
    return Neighbourhoods(found.idx, found.weight * keep)
