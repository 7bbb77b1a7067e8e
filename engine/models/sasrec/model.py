"""The SASRec network. Knows tensors, no data and no loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.dropout import Dropout
from engine.models.sasrec.config import SasrecConfig


class Block(nn.Module):
    """Causal self-attention and a position-wise layer, each normalised before and added to what went in (section III.B)."""

    def __init__(self, config: SasrecConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.before_attention, self.before_layer = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.asked, self.joined = nn.Linear(config.dim, config.dim), nn.Linear(config.dim, config.dim)
        self.told = nn.Linear(config.dim, 2 * config.dim)
        self.inner, self.outer = nn.Linear(config.dim, config.dim), nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor, drop: Dropout) -> Tensor:
        asked = self.asked(self.before_attention(x))
        key, value = self.told(x).chunk(2, dim=-1)
        query, key, value = (self._split(part) for part in (asked, key, value))
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + drop(self.joined(seen.transpose(1, 2).flatten(2)))
        inner = drop(F.relu(self.inner(self.before_layer(x))))
        return x + drop(self.outer(inner))

    def weights(self, x: Tensor) -> Tensor:
        """What the last place of sequences attends to, `[B, heads, L]`: the weights that `forward` gives the values.

        Args:
            x: `[B, L, d]`, what goes in; every sequence is L long.
        """
        asked = self.asked(self.before_attention(x[:, -1:]))
        key, _ = self.told(x).chunk(2, dim=-1)
        query, key = self._split(asked), self._split(key)
        logit: Tensor = (query @ key.transpose(2, 3)) * query.shape[-1] ** -0.5
        return logit.softmax(dim=-1).squeeze(2)

    def _split(self, x: Tensor) -> Tensor:
        """`[B, L, d]` -> `[B, heads, L, d / heads]`."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Sasrec(nn.Module):
    """Self-attentive sequential recommendation (Kang and McAuley, 2018).

    A sequence stands at the front of its row, and what fills the row up comes after it, where attention that looks back
    never sees it. Items are scored with the embeddings that they enter with (section III.C, shared item embedding).

    Shapes:
        - items: `[items, dim]`; positions: `[length, dim]`, counted from the oldest item that is looked at
    """

    def __init__(self, config: SasrecConfig, num_items: int) -> None:
        super().__init__()
        self.config = config
        self.items = nn.Parameter(torch.empty(num_items, config.dim).normal_(std=config.dim**-0.5))
        self.positions = nn.Parameter(torch.empty(config.length, config.dim).normal_(std=0.02))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.last = nn.LayerNorm(config.dim)

    def forward(self, sequences: Tensor, seed: int | None = None) -> Tensor:
        """What is expected after each item, `[B, L, dim]`.

        Args:
            sequences: int64 `[B, L]`, L at most `length`; anything after a sequence's end.
            seed: of dropout; None drops nothing.
        """
        drop = Dropout(self.config.dropout, seed)
        x = drop(F.embedding(sequences, self.items) + self.positions[: sequences.shape[1]])
        for block in self.blocks:
            x = block(x, drop)
        return F.normalize(self.last(x), dim=-1) / self.config.temperature

    @property
    def answers(self) -> Tensor:
        """What `forward` is multiplied with: the items' vectors, each of length 1, `[items, dim]`."""
        return F.normalize(self.items, dim=1)

    def weights(self, sequence: Tensor) -> Tensor:
        """What the last place of one sequence attends to in each block, `[blocks, heads, L]`.

        Args:
            sequence: int64 `[L]`, L at most `length`.
        """
        drop = Dropout(0.0, None)
        x, found = (F.embedding(sequence, self.items) + self.positions[: len(sequence)])[None], []
        for block in self.blocks:
            found.append(block.weights(x)[0])  # type: ignore[operator]
            x = block(x, drop)
        return torch.stack(found)
