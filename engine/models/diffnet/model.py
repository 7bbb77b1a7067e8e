"""The network: first vectors of users and items, and layers of diffusion. Knows tensors, no data and no loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.attention.lists import Ints, Lists
from engine.models.attention.node import Attention
from engine.models.attention.segments import SLOPE, attend
from engine.models.diffnet.config import DiffnetConfig
from engine.models.diffnet.graph import Block, Nodes, Reading
from engine.models.gcmc.model import SparseRows
from engine.models.gcmc.sparse import matmul
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of some users and items: float `[users, d]` and `[items, d]`."""

    users: Tensor
    items: Tensor

    def of(self, nodes: Nodes) -> Vectors:
        """Those of some of them."""
        return Vectors(_taken(self.users, nodes.users), _taken(self.items, nodes.items))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the parameters' shapes depend on.

    Attributes:
        users, items: how many have a vector of their own.
        features: width of the users' fields, of the items'.
    """

    users: int
    items: int
    features: tuple[int, int] = (0, 0)


class Between(nn.Module):
    """gamma_1 p + gamma_2 q, gamma the softmax of w^T relu(W [own || part] + b) over the two parts.

    A part without neighbours takes no share.

    Args:
        weighs: learn the weights; otherwise the parts count alike.
        adds: even weights add the parts up instead of taking their mean.
    """

    def __init__(self, dim: int, weighs: bool, adds: bool) -> None:
        super().__init__()
        self.weighs, self.adds = weighs, adds
        if weighs:
            self.of_own, self.of_part = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)
            self.score = nn.Linear(dim, 1, bias=False)

    def forward(self, own: Tensor, parts: tuple[Tensor, Tensor], lists: tuple[Lists, Lists]) -> Tensor:
        """float `[S, D]` from the users, the two parts, all `[S, D]`, and what they were pooled from."""
        share = self.shares(own, parts, lists)
        if self.adds:
            share = share * _there(lists).sum(dim=1, keepdim=True)
        return share[:, :1] * parts[0] + share[:, 1:] * parts[1]

    def shares(self, own: Tensor, parts: tuple[Tensor, Tensor], lists: tuple[Lists, Lists]) -> Tensor:
        """gamma, float `[S, 2]`, from what `forward` takes; it means nothing of a user without neighbours."""
        there = _there(lists)
        logits = torch.zeros(there.shape)
        if self.weighs:
            mine = self.of_own(own)
            logits = torch.cat([self.score(F.leaky_relu(mine + self.of_part(part), SLOPE)) for part in parts], dim=1)
        return torch.where(there, logits, logits.detach() - 1e9).softmax(dim=1)


def _there(lists: tuple[Lists, Lists]) -> Tensor:
    """bool `[S, 2]`, which lists have somebody in them."""
    return torch.stack([torch.from_numpy(each.sizes > 0) for each in lists], dim=1)


class Diffusion(nn.Module):
    """One layer.

    Users: u' = u + gamma_1 sum_b alpha_ub b + gamma_2 sum_i beta_ui v_i over friends b and items i;
    items: v' = v + sum_a eta_ia u_a over the users who have them. Where it is symmetric, what n neighbours send is divided by
    the root of each one's own number of neighbours and multiplied by that of n, which with even weights is LightGCN's layer; and
    what friends say then comes on top of what items say.
    """

    def __init__(self, config: DiffnetConfig) -> None:
        super().__init__()
        self.adoption = Attention(config.dim, config.attention)
        self.interest = Attention(config.dim, config.attention)
        self.social, self.symmetric = config.social, config.normalisation == "symmetric"
        if config.social:
            self.influence = Attention(config.dim, config.attention)
            self.between = Between(config.dim, config.graph_attention, self.symmetric)

    def forward(self, before: Vectors, block: Block) -> Vectors:
        """The next vectors of the block's nodes."""
        own, to, sent = before.of(block.nodes), block.own, block.sent
        gained = self._pooled(self.adoption, own.items, before.users, block.adopters, to.adopters, sent.interests)
        items = own.items + gained
        gained = self._from_items(own.users, before, block)
        if self.social:
            friends = self._from_friends(own.users, before, block)
            gained = self.between(own.users, (friends, gained), (block.friends, block.interests))
        return Vectors(own.users + gained, items)

    def shares(self, before: Vectors, block: Block) -> Tensor:
        """gamma, float `[S, 2]`: how much friends and items take of what each of the block's users gains; see `Between.shares`."""
        own = before.of(block.nodes).users
        parts = self._from_friends(own, before, block), self._from_items(own, before, block)
        return self.between.shares(own, parts, (block.friends, block.interests))

    def _from_items(self, own: Tensor, before: Vectors, block: Block) -> Tensor:
        lists, to, sent = block.interests, block.own.interests, block.sent.adopters
        return self._pooled(self.interest, own, before.items, lists, to, sent)

    def _from_friends(self, own: Tensor, before: Vectors, block: Block) -> Tensor:
        lists, to, sent = block.friends, block.own.social, block.sent.social
        return self._pooled(self.influence, own, before.users, lists, to, sent)

    def _pooled(
        self, attention: Attention, own: Tensor, table: Tensor, lists: Lists, to: FloatArray, sent: FloatArray
    ) -> Tensor:
        """What nodes gain from their neighbours, float `[S, D]`; `to` and `sent` are the roots of both sides' degrees."""
        if not self.symmetric:
            even: Tensor = attention(own, table, lists)
            return even
        scaled = table / torch.from_numpy(sent)[:, None]
        return attend(attention.logits(own, table, lists), scaled, lists) * torch.from_numpy(to)[:, None]


class Diffnet(nn.Module):
    """First vectors, u_0 = p + W x with the fields x where they are read, and the layers (Wu et al., TKDE'20, section 4)."""

    def __init__(self, config: DiffnetConfig, sizes: Sizes) -> None:
        super().__init__()
        self.config, self.sizes = config, sizes
        self.users, self.items = (
            nn.Parameter(torch.randn(count, config.dim) * 0.1) for count in (sizes.users, sizes.items)
        )
        self.fields = nn.ParameterList(
            nn.Parameter(torch.randn(width, config.dim) * 0.1) for width in (sizes.features if config.features else ())
        )
        self.layers = nn.ModuleList(Diffusion(config) for _ in range(config.layers))

    def of_fields(self, side: int, columns: SparseRows) -> Tensor:
        """W x of some users (side 0) or items (side 1)."""
        return matmul(columns.pattern, columns.weight, self.fields[side])

    def start(self, columns: tuple[SparseRows, SparseRows] | None) -> Vectors:
        """The first vectors of all users and items that have one of their own."""
        if columns is None:
            return Vectors(self.users, self.items)
        users, items = (self.of_fields(side, rows) for side, rows in enumerate(columns))
        return Vectors(self.users + users, self.items + items)

    def layer(self, number: int, before: Vectors, block: Block) -> Vectors:
        """The vectors of a block's nodes after the layer with this number, counted from 0.

        Args:
            before: the vectors that all layers before it end with, of all nodes that the block reads.
        """
        found: Vectors = self.layers[number](before, block)
        return found

    def forward(self, start: Vectors, reading: Reading) -> Vectors:
        """The vectors of all layers side by side, `[asked, (layers + 1) dim]`: their inner product is the score.

        Args:
            start: of all nodes.
        """
        now = start.of(reading.start)
        found = [now.of(reading.asked[0])]
        for number, (block, asked) in enumerate(zip(reading.blocks, reading.asked[1:], strict=True)):
            now = self.layer(number, now, block)
            found.append(now.of(asked))
        return beside(found)


def beside(states: list[Vectors]) -> Vectors:
    """Vectors of one set of nodes, side by side."""
    return Vectors(torch.cat([one.users for one in states], dim=1), torch.cat([one.items for one in states], dim=1))


def _taken(table: Tensor, rows: Ints) -> Tensor:
    if len(rows) == len(table):  # all of them, as rows ascend
        return table
    return table.index_select(0, torch.from_numpy(rows))
