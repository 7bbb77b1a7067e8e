"""DiffNet++'s side of the training loop: which users a step is about, what it reads, and what that costs. Knows no server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from engine.models.attention.lists import Ints
from engine.models.diffnet.config import DiffnetSettings
from engine.models.diffnet.graph import DiffusionGraph, Nodes, Reading
from engine.models.diffnet.model import Diffnet
from engine.models.gcmc.model import SparseRows
from engine.models.gcmc.sparse import Pattern
from engine.models.user_steps import AgainstMany, AgainstPairs, UserStep, drawn_items, drawn_pairs, steps_an_epoch

WEIGHTS_RATE = 0.1
"""The learning rate of the attentions as a share of that of the vectors, which get a gradient of few edges each."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: what is read, and what the vectors of the asked users and items cost."""

    reading: Reading
    against: AgainstMany | AgainstPairs


class DiffnetTask:
    """Train a DiffNet++; see `engine.training.loop.Task`.

    Args:
        edges: float32 `[users, items]`, entries 1; each user and each item has at least one.
        follows: float32 `[users, users]`, the ties; not read where the network is not social.
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
        network = settings.network
        follows = follows if network.social else csr_array(follows.shape, dtype=np.float32)
        self.graph = DiffusionGraph.of(edges, follows, network.weighted)

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        return steps_an_epoch(self.edges, self.settings.training.batch_size)

    def parameter_groups(self) -> list[dict[str, Any]]:
        tables = [self.model.users, self.model.items, *self.model.fields]
        return [{"params": tables}, {"params": list(self.model.layers.parameters()), "share": WEIGHTS_RATE}]

    def validate(self) -> float | None:
        """None: the number of epochs is a setting, so that all known edges are learned from."""
        return None

    def batch(self, step: int) -> Batch:
        how, seed = self.settings.training, self.settings.loop.seed
        graph, predicted = self.graph, self.edges
        if how.hidden:
            hidden = np.random.default_rng([seed, step, 5]).random(self.edges.nnz) < how.hidden
            graph, predicted = self.graph.without(hidden), only(self.edges, hidden)
        about = UserStep.of(predicted, step, how.batch_size, how.user_weight, seed)
        if how.loss == "softmax":
            return self._against_many(step, about, graph)
        return self._against_pairs(step, about, graph)

    def loss(self, batch: Batch) -> Tensor:
        """What the batch is against."""
        found = self.model(self.model.start(self.columns), batch.reading)
        return batch.against.loss(found.users, found.items)

    def _against_many(self, step: int, about: UserStep, graph: DiffusionGraph) -> Batch:
        how, count = self.settings.training, self.edges.shape[1]
        drawn = drawn_items(count, how.candidates, self.settings.loop.seed, step)
        items = np.arange(count) if drawn is None else np.unique(np.concatenate([about.item, drawn]))
        own = Pattern.of(about.owner, np.searchsorted(items, about.item), (len(about.users), len(items)))
        among = None if drawn is None else torch.from_numpy(np.searchsorted(items, drawn))
        against = AgainstMany(own, about.share, about.weight, among, how.temperature)
        return Batch(self._reading(step, graph, about.users, items), against)

    def _against_pairs(self, step: int, about: UserStep, graph: DiffusionGraph) -> Batch:
        how = self.settings.training
        drawn, counts = drawn_pairs(about, self.edges, how.negatives, self.settings.loop.seed, step)
        items = np.unique(np.concatenate([about.item, drawn.ravel()]))
        among = replace(about, item=np.searchsorted(items, about.item))
        against = AgainstPairs.of(
            among, np.searchsorted(items, drawn), counts, len(items), squared=how.loss == "squared"
        )
        return Batch(self._reading(step, graph, about.users, items), against)

    def _reading(self, step: int, graph: DiffusionGraph, users: Ints, items: Ints) -> Reading:
        asked, layers, most = Nodes(users, items), self.settings.network.layers, self.settings.training.neighbours
        if not most:
            return graph.everything(asked, layers)
        return graph.sampled(asked, layers, most, np.random.default_rng([self.settings.loop.seed, step, 4]))


def only(edges: csr_array, kept: NDArray[np.bool_]) -> csr_array:
    """Some of the entries of a matrix, in their order."""
    count = np.concatenate([[0], np.cumsum(kept)])
    return csr_array((edges.data[kept], edges.indices[kept], count[edges.indptr]), shape=edges.shape)
