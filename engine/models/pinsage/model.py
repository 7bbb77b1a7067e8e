"""The PinSage network: content layer, K convolutions, output head. Knows no graph server, no loss and no optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.embedding.bounds import Sensitivity
from engine.models.pinsage.config import PinSageConfig
from engine.models.pinsage.convolve import Convolve
from engine.models.pinsage.inputs import ContentBatch, ContentLayer


@dataclass(frozen=True, slots=True)
class Block:
    """One layer of a mini-batch: which rows of the layer below make each node.

    Attributes:
        own: int64 `[B]`, the nodes themselves among the rows below.
        neighbours: int64 `[B, T]`, their neighbours among the rows below; 0 where there is none.
        weight: float32 `[B, T]`, importance; 0 where there is no neighbour.
    """

    own: Tensor
    neighbours: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True)
class NodeBatch:
    """All that the network needs to embed B target nodes.

    Attributes:
        content: of the M nodes that the first layer draws on.
        blocks: one a layer, first layer first; the last one has B rows.
        order: int64 `[B]`, where each target is in `content`; only read where there is no layer.
    """

    content: ContentBatch
    blocks: Sequence[Block]
    order: Tensor


class PinSage(nn.Module):
    """PinSage (Ying et al., KDD'18, section 3): items from their content and their neighbourhoods.

    Args:
        config: the network's settings.
        vocabulary: number of content tokens.
        dense: width of the dense features.
        items: number of items that get a bias.

    `log_scale` is the logarithm of the learned inverse temperature of a softmax loss; the embeddings do not depend on it.

    Shapes:
        - NodeBatch of B targets -> `[B, dim]`, rows of length 1
    """

    def __init__(self, config: PinSageConfig, *, vocabulary: int, dense: int, items: int) -> None:
        super().__init__()
        self.config = config
        self.content = ContentLayer(vocabulary, dense, config.dim)
        layers = 0 if config.content_only else config.layers
        self.convolutions = nn.ModuleList(Convolve(config.dim, config.hidden) for _ in range(layers))
        self.head_in = nn.Linear(config.dim, config.hidden)
        self.head_out = nn.Linear(config.hidden, config.dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(items)) if config.item_bias else None
        self.log_scale = nn.Parameter(torch.zeros(()))

    @property
    def dim(self) -> int:
        """Width of h0, of every layer and of the embedding."""
        return self.config.dim

    @property
    def hidden(self) -> int:
        """Width of the messages."""
        return self.config.hidden

    @property
    def layers(self) -> list[Convolve]:
        """The convolutions in force, first layer first: none for content only."""
        return [layer for layer in self.convolutions if isinstance(layer, Convolve)]

    def inputs(self, content: ContentBatch) -> Tensor:
        """h0 of some items from their content, `[B, dim]`."""
        out: Tensor = self.content(content)
        return out

    def forward(self, batch: NodeBatch) -> Tensor:
        """Embed the targets of a mini-batch."""
        inputs = self.inputs(batch.content)
        hidden = inputs
        for convolve, block in zip(self.layers, batch.blocks, strict=True):
            hidden, inputs = convolve(hidden, block.own, block.neighbours, block.weight), inputs[block.own]
        out = self.head(hidden, inputs)
        return out if self.layers else out[batch.order]

    def head(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        """G2 ReLU(G1 h + g), plus h0 when residual, of length 1 (Algorithm 2, lines 15-17).

        Args:
            hidden: float `[B, dim]`, the last layer's output.
            inputs: float `[B, dim]`, the same nodes' h0.
        """
        return F.normalize(self.unscaled_head(hidden, inputs), dim=1)

    def unscaled_head(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        """What `head` brings to length 1."""
        out: Tensor = self.head_out(F.relu(self.head_in(hidden)))
        return out + inputs if self.config.residual else out

    @torch.no_grad()
    def sensitivity(self) -> Sensitivity:
        """How far the last layer and the head can carry a change, by the operator norms of their matrices."""

        def norm(matrix: Tensor) -> float:
            return float(torch.linalg.matrix_norm(matrix.double(), ord=2))

        dim, last = self.dim, self.layers[-1] if self.layers else None
        return Sensitivity(
            own=0.0 if last is None else norm(last.combine.weight[:, :dim]),
            pooled=0.0 if last is None else norm(last.combine.weight[:, dim:]),
            hidden=norm(self.head_out.weight) * norm(self.head_in.weight),
            inputs=1.0 if self.config.residual else 0.0,
        )
