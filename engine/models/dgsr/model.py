"""The DGSR network. Knows tensors, no data and no loss."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.attention.dots import Attended, Marks, attend_by_dots
from engine.models.attention.lists import Ints, Lists
from engine.models.dgsr.config import DgsrConfig
from engine.models.dropout import Dropout
from engine.types import FloatArray

USERS, ITEMS = 0, 1
NOBODY = -1
"""The row of a user of whom nothing was learned."""


@dataclass(frozen=True, slots=True)
class HopTensors:
    """A hop of histories (see `engine.sampling.histories.Hop`): M neighbours of the N nodes of the hop before.

    Attributes:
        nodes: int64 `[M]`, rows of the model's tables.
        lists: the neighbours of each of the N, as places among the M.
        age: int64 `[M]`, how many neighbours of the same node are newer: 0 for the newest.
        newest: int64 `[N]`, the newest neighbour of each; any, for one that has none.
    """

    nodes: Tensor
    lists: Lists
    age: Ints
    newest: Tensor


Watch = Callable[[int, int, str, FloatArray], None]
"""Is told what was weighed: layer and hop, both from 1, "long-term" or "short-term", and the weights `[M]` of the hop."""


class Update(nn.Module):
    """What its neighbours add to a node (equations 5 to 12), for one side and one layer.

    What is linear in the neighbours goes through the sums, and through the products with what a node asks: q . (W x) is
    (W^T q) . x. So matrices are multiplied once a node, and not once a neighbour.

    Shapes:
        - itself: `[N, dim]`; neighbours: `[M, dim]`
        - key_order, value_order: `[most, dim]`, by how many neighbours are newer

    Args:
        most: neighbours that a node has.
        asks: False for nodes that are 0 still: nothing in them could ask, so long-term attention is even.
    """

    def __init__(self, config: DgsrConfig, most: int, *, asks: bool = True) -> None:
        super().__init__()
        self.config, self.asks = config, asks
        self.parts = 1 + config.long_term + config.short_term
        dim = config.dim
        if config.long_term:
            self.told = nn.Linear(dim, dim, bias=False)
            if asks:
                self.asked = nn.Linear(dim, dim, bias=False)
            if config.order and asks:
                self.key_order = nn.Parameter(torch.empty(most, dim).normal_(std=0.1))
            if config.order:
                self.value_order = nn.Parameter(torch.empty(most, dim).normal_(std=0.1))
        if config.short_term:
            self.newest, self.others = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.joined = nn.Linear(self.parts * dim, dim, bias=False)

    def forward(
        self,
        itself: Tensor,
        neighbours: Tensor,
        hop: HopTensors,
        told_of: Callable[[str, FloatArray], None] | None = None,
    ) -> Tensor:
        parts, attended = [], {}
        scale = self.config.dim**-0.5
        if self.config.long_term:
            asked = self.asked(itself) * scale if self.asks else itself
            found = attended["long-term"] = self._long_term(asked, neighbours, hop)
            value = self.told(found.sums)
            parts.append(value + found.marks @ self.value_order if self.config.order else value)
        if self.config.short_term and len(neighbours):
            asked = self.newest(neighbours[hop.newest]) * scale
            found = attended["short-term"] = attend_by_dots(asked @ self.others.weight, neighbours, hop.lists)
            parts.append(found.sums)
        elif self.config.short_term:
            parts.append(torch.zeros_like(itself))
        if told_of is not None:
            for name, found in attended.items():
                told_of(name, found.weight)
        return itself + torch.tanh(self.joined(torch.cat([*parts, itself], dim=1)))

    def _long_term(self, asked: Tensor, neighbours: Tensor, hop: HopTensors) -> Attended:
        marks = None
        if self.config.order:
            drawn = asked @ self.key_order.T if self.asks else asked.new_zeros(len(asked), len(self.value_order))
            marks = Marks(hop.age, drawn)
        return attend_by_dots(asked @ self.told.weight if self.asks else asked, neighbours, hop.lists, marks)


def _newest(neighbours: Tensor, hop: HopTensors) -> Tensor:
    """The newest neighbour of each node of the hop before, `[N, dim]`; 0 for one that has none."""
    if not len(neighbours):
        return neighbours.new_zeros(len(hop.newest), neighbours.shape[1])
    return neighbours[hop.newest] * torch.from_numpy(hop.lists.sizes > 0)[:, None]


class Dgsr(nn.Module):
    """Dynamic graph neural network for sequential recommendation (Zhang et al., 2021).

    A node at a prediction time is computed from its latest neighbours before that time, layer by layer; a user is scored
    against an item by [h^1 || ... || h^L] W_P e_i (equation 13). Apart from the paper:

    - A prediction does not start from its user's own embedding, which remembers what they took up rather than tells what
      they will, but from 0; so the first layer weighs all their items alike. Users whom a history leads to have embeddings,
      and for the same reason the user asked about is not among them.
    - Beside the user's own states stand those of their newest item: attention alone would have to learn anew that it matters most.
    - A layer adds to what a node was, and scores are cosines over a temperature.

    Shapes:
        - users: `[users, dim]`; items: `[items, dim]`
    """

    def __init__(self, config: DgsrConfig, num_users: int, num_items: int) -> None:
        super().__init__()
        self.config = config
        self.users = nn.Parameter(torch.empty(num_users, config.dim).normal_(std=config.dim**-0.5))
        self.items = nn.Parameter(torch.empty(num_items, config.dim).normal_(std=config.dim**-0.5))
        self.layers = nn.ModuleList(
            nn.ModuleList(
                Update(config, (config.length, config.users)[side], asks=layer > 0 or side != USERS)
                for side in range(min(2, config.hops - layer))
            )
            for layer in range(config.hops)
        )
        self.project = nn.Linear(2 * config.hops * config.dim, config.dim, bias=False)

    def forward(self, hops: Sequence[HopTensors], seed: int | None = None, watch: Watch | None = None) -> Tensor:
        """What each user is expected to take up next, `[B, dim]`, to be multiplied with `answers`.

        Args:
            hops: the items of the users, the users of those, and so on.
            seed: of dropout; None drops nothing.
            watch: is told what was weighed.
        """
        drop = Dropout(self.config.dropout, seed)
        tables = self.users, self.items
        states = [self.items.new_zeros(len(hops[0].lists), self.config.dim)]
        states += [drop.rows(tables[number % 2], hop.nodes) for number, hop in enumerate(hops, start=1)]
        found = [_newest(states[1], hops[0])]
        for depth, layer in enumerate(self.layers, start=1):
            states = [
                layer[number % 2](  # type: ignore[index]
                    states[number],
                    states[number + 1],
                    hops[number],
                    None if watch is None else functools.partial(watch, depth, number + 1),
                )
                for number in range(len(states) - 1)
            ]
            found.append(states[0])
            if depth < self.config.hops:
                found.append(_newest(states[1], hops[0]))
        return F.normalize(self.project(torch.cat(found, dim=1)), dim=1) / self.config.temperature

    @property
    def answers(self) -> Tensor:
        """What `forward` is multiplied with: the items' vectors, each of length 1, `[items, dim]`."""
        return F.normalize(self.items, dim=1)
