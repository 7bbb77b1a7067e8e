"""The network of GraphRec: what is aggregated, and how two vectors become a rating. Knows no data and no loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.models.attention.lists import Ints, Lists
from engine.models.attention.node import Attention
from engine.models.attention.segments import SLOPE
from engine.models.graphrec.config import GraphrecConfig
from engine.types import FloatArray

START = 0.1
"""Deviation of the numbers that tastes begin with."""


def bent(value: Tensor) -> Tensor:
    """The nonlinearity: relu with a small slope below 0. Seven plain ones in a row die at the first steps."""
    return nn.functional.leaky_relu(value, SLOPE)


class Pooling(nn.Module):
    """relu(W sum_a alpha_a x_a + b), alpha by attention (equations 4 to 6)."""

    def __init__(self, dim: int, attention: bool) -> None:
        super().__init__()
        self.attention = Attention(dim, attention)
        self.out = nn.Linear(dim, dim)

    def forward(self, value: Tensor, own: Tensor, lists: Lists) -> Tensor:
        """float `[S, D]` from values `[E, D]` and the vectors `[S, D]` of whom the lists belong to."""
        pooled: Tensor = bent(self.out(self.attention(own, value, lists.to(np.arange(len(value))))))
        return pooled

    def weights(self, value: Tensor, own: Tensor, lists: Lists) -> FloatArray:
        """float32 `[E]`, what each value counts in its list."""
        return self.attention.weights(own, value, lists.to(np.arange(len(value))))


class Opinions(nn.Module):
    """x = MLP [vector || opinion] for each rating in some lists, pooled (equations 1 to 6 and 14 to 18)."""

    def __init__(self, dim: int, levels: int, attention: bool) -> None:
        super().__init__()
        self.opinion = nn.Parameter(torch.randn(levels, dim))
        self.of_vector, self.of_opinion = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.second = nn.Linear(dim, dim)
        self.pooling = Pooling(dim, attention)

    def forward(self, table: Tensor, own: Tensor, lists: Lists, other: Ints, level: Ints) -> Tensor:
        """float `[S, D]`.

        Args:
            table: float `[N, D]`, vectors of those at the other end of a rating.
            own: float `[S, D]`.
            other, level: int64 `[E]`, rows of `table` and of the opinions, for each entry of the lists.
        """
        pooled: Tensor = self.pooling(self._said(table, other, level), own, lists)
        return pooled

    def weights(self, table: Tensor, own: Tensor, lists: Lists, other: Ints, level: Ints) -> FloatArray:
        """float32 `[E]`, what each rating counts in its list; arguments as of `forward`."""
        return self.pooling.weights(self._said(table, other, level), own, lists)

    def _said(self, table: Tensor, other: Ints, level: Ints) -> Tensor:
        vectors = self.of_vector(table).index_select(0, torch.from_numpy(other))
        joined = vectors + self.of_opinion(self.opinion).index_select(0, torch.from_numpy(level))
        return bent(self.second(bent(joined)))


class Tastes(nn.Module):
    """What ratings say of other items directly: q_i . sum_a (r_a - b_a) x_a / (n + damping), over a user's n ratings.

    That is the first sum of Asymmetric-SVD (Koren, KDD'08, equation 13), divided as a damped mean is.
    """

    def __init__(self, config: GraphrecConfig, items: int) -> None:
        super().__init__()
        self.damping = config.user_damping
        self.says, self.asked = (nn.Parameter(START * torch.randn(items, config.dim)) for _ in range(2))

    def forward(self, table: Tensor, lists: Lists, item: Ints, left: Tensor) -> Tensor:
        """The sums, float `[S, D]`.

        Args:
            table: float `[N, D]`, what a rating of each item says.
            item: int64 `[E]`, rows of the table; left: float32 `[E]`, what the ratings leave over of the biases.
        """
        count = torch.from_numpy(lists.sizes)[:, None] + self.damping
        at, first = torch.from_numpy(item), torch.from_numpy(lists.indptr[:-1])
        return nn.functional.embedding_bag(at, table, first, mode="sum", per_sample_weights=left) / count


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many users and items have a vector, and how many levels there are."""

    users: int
    items: int
    levels: int


class Graphrec(nn.Module):
    """Vectors of users and items, and the three aggregations."""

    def __init__(self, config: GraphrecConfig, sizes: Sizes, dropout: float) -> None:
        super().__init__()
        self.config, self.sizes = config, sizes
        dim = config.dim
        self.users, self.items = (nn.Parameter(torch.randn(count, dim)) for count in (sizes.users, sizes.items))
        self.rated = Opinions(dim, sizes.levels, config.attention)
        self.raters = Opinions(dim, sizes.levels, config.attention)
        if config.social:
            self.friends = Pooling(dim, config.attention)
        if config.tastes:
            self.tastes = Tastes(config, sizes.items)
        self.joined = nn.Linear((2 if config.social else 1) * dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.pair, self.deep, self.rating = nn.Linear(3 * dim, dim), nn.Linear(dim, dim), nn.Linear(dim, 1)

    def user(self, histories: Tensor, friends: tuple[Tensor, Tensor, Lists] | None) -> Tensor:
        """h_u = MLP [h_I || h_S], float `[S, D]` (equations 10 to 13).

        Args:
            histories: float `[S, D]`, h_I of the users.
            friends: h_I of their friends `[E, D]`, vectors of the users `[S, D]`, and the lists; None where not read.
        """
        parts = [histories] if friends is None else [histories, self.friends(*friends)]
        found: Tensor = bent(self.joined(torch.cat(parts, dim=1)))
        return found

    def rate(self, users: Tensor, items: Tensor) -> Tensor:
        """What pairs of vectors `[P, D]` are rated, float `[P]` (equations 19 to 22).

        Their product stands beside them, which the paper has not: without it tastes are learned many times later.
        """
        first = self.dropout(bent(self.pair(torch.cat([users, items, users * items], dim=1))))
        found: Tensor = self.rating(self.dropout(bent(self.deep(first)))).squeeze(1)
        return found
