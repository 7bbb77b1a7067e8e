"""DiffNet++'s side of the training loop: which users a step is about, what it reads, and what that costs. Knows no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from engine.models.attention.lists import Ints
from engine.models.diffnet.config import DiffnetSettings
from engine.models.diffnet.graph import DiffusionGraph, Nodes, Reading
from engine.models.diffnet.model import Diffnet
from engine.models.gcmc.model import SparseRows
from engine.models.gcmc.sparse import Pattern
from engine.models.user_steps import AgainstMany, AgainstPairs, UserStep, drawn_items, drawn_pairs, steps_an_epoch


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: what is read, and what the vectors of the asked users and items cost."""

    reading: Reading
    against: AgainstMany | AgainstPairs


class DiffnetTask:
    """Train a DiffNet++; see `engine.training.loop.Task`.

    Args:
        edges: float32 `[users, items]`, entries 1; each user and each item has at least one.
        follows: float32 `[users, users]`; not read where the network is not social.
        columns: the fields of users and of items; None where they are not read.
    """

    def __init__(
        self,
        model: Diffnet,
        edges: csr_array,
        follows: csr_array,
        settings: DiffnetSettings,
        columns: tuple[SparseRows, SparseRows] | None = None,
    ) -> None:
        self.model, self.edges, self.settings, self.columns = model, edges, settings, columns
        self.graph = DiffusionGraph.of(edges, follows if settings.network.social else csr_array(follows.shape))

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

    def batch(self, step: int) -> Batch:
        how, seed = self.settings.training, self.settings.loop.seed
        about = UserStep.of(self.edges, step, how.batch_size, how.user_weight, seed)
        if how.loss == "softmax":
            return self._against_many(step, about, seed)
        return self._against_pairs(step, about, seed)

    def loss(self, batch: Batch) -> Tensor:
        """What the batch is against."""
        found = self.model(self.model.start(self.columns), batch.reading)
        return batch.against.loss(found.users, found.items)

    def _against_many(self, step: int, about: UserStep, seed: int) -> Batch:
        how, count = self.settings.training, self.edges.shape[1]
        drawn = drawn_items(count, how.candidates, seed, step)
        items = np.arange(count) if drawn is None else np.unique(np.concatenate([about.item, drawn]))
        own = Pattern.of(about.owner, np.searchsorted(items, about.item), (len(about.users), len(items)))
        among = None if drawn is None else torch.from_numpy(np.searchsorted(items, drawn))
        against = AgainstMany(own, about.share, about.weight, among, how.temperature)
        return Batch(self._reading(step, about.users, items), against)

    def _against_pairs(self, step: int, about: UserStep, seed: int) -> Batch:
        how = self.settings.training
        drawn, counts = drawn_pairs(about, self.edges, how.negatives, seed, step)
        both = np.concatenate([about.item[:, None], drawn], axis=1)
        items, column = np.unique(both, return_inverse=True)
        row = np.repeat(about.owner, both.shape[1])
        against = AgainstPairs(
            Pattern.of(row, column.ravel(), (len(about.users), len(items))),
            torch.from_numpy((counts / how.negatives).astype(np.float32)),
            about.edge_weight,
            how.loss == "squared",
        )
        return Batch(self._reading(step, about.users, items), against)

    def _reading(self, step: int, users: Ints, items: Ints) -> Reading:
        asked, layers, most = Nodes(users, items), self.settings.network.layers, self.settings.training.neighbours
        if not most:
            return self.graph.everything(asked, layers)
        return self.graph.sampled(asked, layers, most, np.random.default_rng([self.settings.loop.seed, step, 4]))
