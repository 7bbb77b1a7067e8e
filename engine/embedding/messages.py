"""The messages of a layer for those nodes that somebody needs. Knows no model but its layers' shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.embedding.kept import ScaledLayer
from engine.embedding.layerwise import BLOCK, pool
from engine.types import FloatArray, IndexArray, Neighbourhoods


@dataclass(frozen=True, slots=True)
class MessageTable:
    """Messages of M nodes of N.

    Attributes:
        place: int32 `[N]`, where each node's message is; 0 for all others.
        messages: float `[M, hidden]`.
    """

    place: IndexArray
    messages: Tensor

    @staticmethod
    def of(layer: ScaledLayer, inputs: FloatArray, needed: NDArray[np.bool_]) -> MessageTable:
        """Compute them.

        Args:
            inputs: float32 `[N, dim]`, the layer's.
            needed: bool `[N]`.
        """
        rows = np.flatnonzero(needed)
        place = np.zeros(len(inputs), dtype=np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        return MessageTable(place, messages_of(layer, inputs, rows))

    def pooled(self, found: Neighbourhoods) -> Tensor:
        """The weighted sum of each node's neighbours' messages, `[B, hidden]`."""
        return pool(self.messages, Neighbourhoods(self.place[found.idx], found.weight))


def messages_of(layer: ScaledLayer, inputs: FloatArray, rows: NDArray[np.integer]) -> Tensor:
    """The messages of some nodes, float `[len(rows), hidden]`, computed in blocks."""
    first = layer.messages(torch.from_numpy(inputs[rows[:BLOCK]]))
    out = torch.empty(len(rows), first.shape[1])
    out[: len(first)] = first
    for at in range(BLOCK, len(rows), BLOCK):
        out[at : at + BLOCK] = layer.messages(torch.from_numpy(inputs[rows[at : at + BLOCK]]))
    return out
