"""LightGCN's side of the training loop: which users a step is about, and the softmax over their items. Knows no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.models.gcmc.sparse import Pattern, matmul
from engine.models.lightgcn.config import LightGcnSettings
from engine.models.lightgcn.model import LightGcn
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class UserBatch:
    """One step.

    Attributes:
        users: int64 `[B]`.
        own: the items of each user; rows are those of `users`.
        share: float32 `[E]`, 1 / the user's number of items, by entry of `own`.
        weight: float32 `[B]`, what a user counts; adds up to 1.
        among: int64 `[n]`, the items that the softmax is over; None for all.
    """

    users: Tensor
    own: Pattern
    share: FloatArray
    weight: Tensor
    among: Tensor | None


class LightGcnTask:
    """Train a LightGCN; see `engine.training.loop.Task`.

    The loss is a softmax over cosines instead of the paper's BPR: against thousands of items at once it needs a few hundred
    steps instead of hundreds of thousands (Wu et al., TOIS'24, on sampled softmax for LightGCN). A step propagates the whole
    table once and takes thousands of users with all their items, whose terms need one product a user, as sum over i of
    z_u . z_i = z_u . (sum over i of z_i).
    """

    def __init__(self, model: LightGcn, edges: csr_array, settings: LightGcnSettings) -> None:
        self.model, self.edges, self.settings = model, edges, settings

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        return -(-int(self.edges.shape[0]) // self.settings.training.batch_size)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters())}]

    def validate(self) -> float | None:
        """None: the number of epochs is a setting, so that all known edges are learned from."""
        return None

    def batch(self, step: int) -> UserBatch:
        training, seed = self.settings.training, self.settings.loop.seed
        epoch, within = divmod(step, self.steps_an_epoch)
        order = np.random.default_rng([seed, epoch, 1]).permutation(self.edges.shape[0])
        users = np.sort(order[within * training.batch_size : (within + 1) * training.batch_size])
        own = self.edges[users]
        count = np.diff(own.indptr)
        row = np.repeat(np.arange(len(users)), count)
        weight = count.astype(np.float64) ** training.user_weight
        among, items = None, self.edges.shape[1]
        if 0 < training.negatives < items:
            drawn = np.random.default_rng([seed, step, 2]).choice(items, training.negatives, replace=False)
            among = torch.from_numpy(drawn)
        return UserBatch(
            users=torch.from_numpy(users),
            own=Pattern.of(row, own.indices, own.shape),
            share=(1 / count[row]).astype(np.float32),
            weight=torch.from_numpy((weight / weight.sum()).astype(np.float32)),
            among=among,
        )

    def loss(self, batch: UserBatch) -> Tensor:
        """Mean over edges of log sum_j exp(cos(u, j) / t) - cos(u, i) / t."""
        users, items = self.model()
        items = normalize(items)
        chosen = normalize(users[batch.users]) / self.settings.training.temperature
        others = items if batch.among is None else items[batch.among]
        everything = torch.logsumexp(chosen @ others.T, dim=1)
        own = (chosen * matmul(batch.own, batch.share, items)).sum(dim=1)
        return ((everything - own) * batch.weight).sum()
