"""What a training step of a model of users' and items' vectors is about: some users with all their items, and what these cost
against items that they have not. Knows no network.

A step takes users, not edges, so that one pass along the graph serves many edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional as F

from engine.models.gcmc.sparse import Pattern, edge_dots, matmul
from engine.models.linear.spectrum import reached, spectral_start
from engine.types import FloatArray

Ints = NDArray[np.int64]
REDRAWS = 8
"""A drawn item that the user has is drawn anew so often, and then left out."""


@dataclass(frozen=True, slots=True)
class UserStep:
    """Some users and their items.

    Attributes:
        users: int64 `[B]`, rows, ascending.
        owner: int64 `[E]`, for each item of theirs the place in `users`, ascending.
        item: int64 `[E]`, rows.
        share: float32 `[E]`, 1 / the user's number of items.
        weight: float32 `[B]`, what a user counts; adds up to 1.
    """

    users: Ints
    owner: Ints
    item: Ints
    share: FloatArray
    weight: Tensor

    @property
    def edge_weight(self) -> Tensor:
        """float32 `[E]`, what an edge counts; adds up to 1."""
        return torch.from_numpy(self.share) * self.weight[torch.from_numpy(self.owner)]

    @staticmethod
    def of(edges: csr_array, step: int, batch_size: int, user_weight: float, seed: int) -> UserStep:
        """The step with this number: each user is in one of an epoch, in an order drawn for it.

        Args:
            edges: `[users, items]`, sorted by user; a user without any weighs nothing.
            user_weight: a user counts as much as its number of edges to this power.
        """
        epoch, within = divmod(step, steps_an_epoch(edges, batch_size))
        order = np.random.default_rng([seed, epoch, 1]).permutation(edges.shape[0])
        users = np.sort(order[within * batch_size : (within + 1) * batch_size])
        own = edges[users]
        count = np.diff(own.indptr)
        owner = np.repeat(np.arange(len(users)), count)
        weight = np.where(count > 0, count.astype(np.float64) ** user_weight, 0.0)
        return UserStep(
            users=users,
            owner=owner,
            item=own.indices.astype(np.int64),
            share=(1 / count[owner]).astype(np.float32),
            weight=torch.from_numpy((weight / max(weight.sum(), 1e-12)).astype(np.float32)),
        )


@torch.no_grad()
def start_from_spectrum(users: Tensor, items: Tensor, edges: csr_array, seed: int) -> None:
    """Begin training with the graph's largest singular vectors instead of drawn numbers, of which it takes hundreds of steps to make
    something as good; see `spectral_start`. Where the graph has too few, and in a part of it that they do not reach, the other numbers
    stay as they are.

    Args:
        users, items: float32 `[users, dim]` and `[items, dim]`, changed in place.
        edges: `[users, items]`, entries 1; each has at least one.
        seed: of the decomposition.
    """
    for table, start in zip((users, items), spectral_start(edges, users.shape[1], seed), strict=True):
        there = reached(start)
        table[torch.from_numpy(there), : start.shape[1]] = torch.from_numpy(start[there])


def steps_an_epoch(edges: csr_array, batch_size: int) -> int:
    """How many steps all users make."""
    return -(-int(edges.shape[0]) // batch_size)


def drawn_items(items: int, most: int, seed: int, step: int) -> Ints | None:
    """Different items drawn evenly for all users of a step, int64 `[most]`; None where `most` is 0 or takes all."""
    if not 0 < most < items:
        return None
    return np.random.default_rng([seed, step, 2]).choice(items, most, replace=False).astype(np.int64)


def drawn_pairs(step: UserStep, edges: csr_array, each: int, seed: int, number: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Items that the users of a step have not, drawn evenly.

    Returns:
        int64 `[E, each]`, rows; and which of them count: a user may have nearly all items.
    """
    rng = np.random.default_rng([seed, number, 3])
    items = edges.shape[1]
    own, user = step.owner * items + step.item, np.repeat(step.owner * items, each)
    drawn = rng.integers(0, items, len(user))
    had = _among(user + drawn, own)
    for _ in range(REDRAWS):
        if not had.any():
            break
        drawn[had] = rng.integers(0, items, int(had.sum()))
        had[had] = _among(user[had] + drawn[had], own)
    return drawn.reshape(-1, each), ~had.reshape(-1, each)


def _among(wanted: Ints, ascending: Ints) -> NDArray[np.bool_]:
    place = np.searchsorted(ascending, wanted).clip(max=len(ascending) - 1)
    return np.asarray(ascending[place] == wanted)


@dataclass(frozen=True, slots=True)
class AgainstMany:
    """A softmax over cosines, against thousands of items at once: it needs a few hundred steps where single pairs need
    hundreds of thousands (Wu et al., TOIS'24, on sampled softmax for LightGCN). A user needs one product for all their
    items, as sum over i of z_u . z_i = z_u . (sum over i of z_i).

    Attributes:
        own: the items of each user; columns are rows of the items' vectors.
        share, weight: as in `UserStep`.
        among: int64 `[n]`, rows that the softmax is over; None for all.
        temperature: of the softmax.
    """

    own: Pattern
    share: FloatArray
    weight: Tensor
    among: Tensor | None
    temperature: float

    def loss(self, users: Tensor, items: Tensor) -> Tensor:
        """Mean over edges of log sum_j exp(cos(u, j) / t) - cos(u, i) / t.

        Args:
            users: float `[B, d]`.
            items: float `[N, d]`.
        """
        items = F.normalize(items)
        chosen = F.normalize(users) / self.temperature
        others = items if self.among is None else items[self.among]
        everything = torch.logsumexp(chosen @ others.T, dim=1)
        own = (chosen * matmul(self.own, self.share, items)).sum(dim=1)
        return ((everything - own) * self.weight).sum()


@dataclass(frozen=True, slots=True)
class AgainstPairs:
    """Each item of a user against a few that the user has not.

    Attributes:
        pairs: for each user their edges one after the other: first the item of the edge, then those drawn for it.
        counts: float32 `[E, n]`, 1 / n for a drawn item that counts, else 0.
        weight: float32 `[E]`, what an edge counts.
        squared: (1 - s(x_ui))^2 + n mean_j s(x_uj)^2 with the sigmoid s, as DiffNet++'s code has it; otherwise
            -mean_j ln s(x_ui - x_uj) (BPR; Rendle et al., UAI'09).
    """

    pairs: Pattern
    counts: Tensor
    weight: Tensor
    squared: bool

    @staticmethod
    def of(about: UserStep, drawn: Ints, counts: NDArray[np.bool_], items: int, *, squared: bool) -> AgainstPairs:
        """What a step is about against drawn items.

        Args:
            drawn, counts: `[E, n]`, as `drawn_pairs` has them; the item of each edge is `about.item`.
            items: how many rows the items' vectors have.
        """
        each = drawn.shape[1]
        both = np.concatenate([about.item[:, None], drawn], axis=1)
        return AgainstPairs(
            Pattern.of(np.repeat(about.owner, 1 + each), both.ravel(), (len(about.users), items)),
            torch.from_numpy((counts / each).astype(np.float32)),
            about.edge_weight,
            squared,
        )

    def loss(self, users: Tensor, items: Tensor) -> Tensor:
        """The weighed mean over edges.

        Args:
            users: float `[B, d]`.
            items: float `[N, d]`.
        """
        each = self.counts.shape[1]
        scores = edge_dots(self.pairs, users[None], items).view(-1, 1 + each)
        positive, negative = scores[:, :1], scores[:, 1:]
        if self.squared:
            lost = (1 - positive.sigmoid()).square() + each * (self.counts * negative.sigmoid().square()).sum(1, True)
        else:
            lost = -(self.counts * F.logsigmoid(positive - negative)).sum(1, True)
        return (lost[:, 0] * self.weight).sum()
