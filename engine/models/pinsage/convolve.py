"""One importance-pooling convolution (PinSage, Algorithm 1). Knows no graph, no sampling and no loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import MessagePassing


class Convolve(MessagePassing):  # type: ignore[misc]
    r"""CONVOLVE of `"Graph Convolutional Neural Networks for Web-Scale Recommender Systems"
    <https://arxiv.org/abs/1806.01973>`_, Algorithm 1:

    .. math::
        n_u = \sum_{v \in N(u)} \alpha_{uv} \mathrm{ReLU}(Q h_v + q), \quad
        z_u = \mathrm{ReLU}(W [h_u \| n_u] + w), \quad z_u \leftarrow z_u / \|z_u\|_2

    The weights :math:`\alpha` of a node sum to 1, or are all 0 for a node without neighbours. A node whose ReLU gives
    all zeros stays zero.

    Args:
        channels: width of h and z.
        hidden: width of Q's output.

    Shapes:
        - inputs `[M, channels]`, `own` `[B]`, `neighbours` `[B, T]`, `weight` `[B, T]` -> `[B, channels]`
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(aggr="add")
        self.project = nn.Linear(channels, hidden)
        self.combine = nn.Linear(channels + hidden, channels)

    def forward(self, inputs: Tensor, own: Tensor, neighbours: Tensor, weight: Tensor) -> Tensor:
        """Convolve `B` nodes over rectangular neighbourhoods, fused: no `[B, T, hidden]` message is ever made.

        Args:
            inputs: float `[M, channels]`, the layer's inputs h of every node needed.
            own: int64 `[B]`, rows of `inputs` of the nodes themselves.
            neighbours: int64 `[B, T]`, rows of `inputs`; any valid row where there is no neighbour.
            weight: float `[B, T]`, importance; 0 where there is no neighbour.
        """
        return self.update_nodes(inputs[own], self.pool(self.messages(inputs), neighbours, weight))

    def messages(self, inputs: Tensor) -> Tensor:
        """ReLU(Q h + q), `[M, hidden]`: once a node, however many neighbourhoods it is in."""
        return F.relu(self.project(inputs))

    @staticmethod
    def pool(messages: Tensor, neighbours: Tensor, weight: Tensor) -> Tensor:
        """The weighted sums n, `[B, hidden]`."""
        return F.embedding_bag(neighbours, messages, mode="sum", per_sample_weights=weight)

    def update_nodes(self, own: Tensor, pooled: Tensor) -> Tensor:
        """ReLU(W [h || n] + w), normalised, `[B, channels]`."""
        return F.normalize(self.unscaled(own, pooled), dim=1)

    def unscaled(self, own: Tensor, pooled: Tensor) -> Tensor:
        """ReLU(W [h || n] + w), `[B, channels]`: what `update_nodes` brings to length 1."""
        return F.relu(self.combine(torch.cat([own, pooled], dim=1)))

    def over_edges(self, inputs: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        """The same convolution by PyG's own message passing, for graphs given as edges.

        Args:
            inputs: float `[M, channels]`.
            edge_index: int64 `[2, E]`, neighbour -> node.
            edge_weight: float `[E]`, importance.

        Returns:
            float `[M, channels]`, one row a node.
        """
        pooled = self.propagate(edge_index, x=self.messages(inputs), edge_weight=edge_weight)
        return self.update_nodes(inputs, pooled)

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        return x_j * edge_weight[:, None]
