"""Attention of a node over its neighbours. Knows no graph and no model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.models.attention.lists import Lists
from engine.models.attention.segments import attend, pair_logits, softmax_of
from engine.types import FloatArray


class Attention(nn.Module):
    """sum_a alpha_a x_a over the neighbours a of each node, alpha the softmax of w^T relu(W1 [x_a || own] + b1).

    The layer over two joined vectors is the sum of a layer over each, so each vector goes through it once, not once an edge.

    Args:
        dim: width of the vectors.
        weighs: learn the weights; otherwise all neighbours count alike.
    """

    def __init__(self, dim: int, weighs: bool = True) -> None:
        super().__init__()
        self.weighs = weighs
        if weighs:
            self.of_value, self.of_own = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
            self.score = nn.Linear(dim, 1, bias=False)

    def logits(self, own: Tensor, table: Tensor, lists: Lists) -> Tensor:
        """float `[E]`, what the softmax of each list is taken of."""
        found = self._learned(own, table, lists)
        return found if lists.prior is None else found + torch.from_numpy(lists.prior)

    def _learned(self, own: Tensor, table: Tensor, lists: Lists) -> Tensor:
        if not self.weighs:
            return table.new_zeros(len(lists.at))
        weight: Tensor = self.score.weight
        return pair_logits(self.of_own(own), self.of_value(table), weight[0], lists)

    def weights(self, own: Tensor, table: Tensor, lists: Lists) -> FloatArray:
        """float32 `[E]`, what `forward` weighs the entries by."""
        return softmax_of(self.logits(own, table, lists).detach().numpy(), lists)

    def forward(self, own: Tensor, table: Tensor, lists: Lists) -> Tensor:
        """float `[S, D]`; 0 for a node without neighbours.

        Args:
            own: float `[S, D]`, the nodes.
            table: float `[N, D]`, what the lists' entries are rows of.
        """
        return attend(self.logits(own, table, lists), table, lists)
