"""LightGCN's side of the training loop: which users a step is about, and what their items cost. Knows no server."""

from __future__ import annotations

from typing import Any

import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from engine.models.gcmc.sparse import Pattern
from engine.models.lightgcn.config import LightGcnSettings
from engine.models.lightgcn.model import LightGcn
from engine.models.user_steps import AgainstMany, AgainstPairs, UserStep, drawn_items, drawn_pairs, steps_an_epoch


class LightGcnTask:
    """Train a LightGCN; see `engine.training.loop.Task`.

    The loss is a softmax over cosines, or the paper's BPR; a step propagates the whole table once.
    """

    def __init__(self, model: LightGcn, edges: csr_array, settings: LightGcnSettings) -> None:
        self.model, self.edges, self.settings = model, edges, settings

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        return steps_an_epoch(self.edges, self.settings.training.batch_size)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters())}]

    def validate(self) -> float | None:
        """None: the number of epochs is a setting, so that all known edges are learned from."""
        return None

    def batch(self, step: int) -> tuple[Tensor, AgainstMany | AgainstPairs]:
        """The users, int64 `[B]`, and what their items are against."""
        how, seed = self.settings.training, self.settings.loop.seed
        about = UserStep.of(self.edges, step, how.batch_size, how.user_weight, seed)
        users = torch.from_numpy(about.users)
        if how.loss == "bpr":
            pairs, counts = drawn_pairs(about, self.edges, 1, seed, step)
            return users, AgainstPairs.of(about, pairs, counts, self.edges.shape[1], squared=False)
        drawn = drawn_items(self.edges.shape[1], how.negatives, seed, step)
        own = Pattern.of(about.owner, about.item, (len(about.users), self.edges.shape[1]))
        among = None if drawn is None else torch.from_numpy(drawn)
        return users, AgainstMany(own, about.share, about.weight, among, how.temperature)

    def loss(self, batch: tuple[Tensor, AgainstMany | AgainstPairs]) -> Tensor:
        """What the final embeddings of the step's users and of all items cost."""
        users, items = self.model()
        chosen, against = batch
        return against.loss(users[chosen], items)
