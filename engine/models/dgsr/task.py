"""DGSR's side of the training loop: which targets a step learns from, and how good it is on items held out. Knows no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.graph.snapshot_csr import edge_rows
from engine.models.dgsr.config import DgsrSettings
from engine.models.dgsr.graph import PlacedGraph
from engine.models.dgsr.model import Dgsr, HopTensors
from engine.models.next_items import gain, step_size
from engine.models.sequences import newest
from engine.models.user_item import UserItemEdges
from engine.training.full_softmax import full_softmax
from engine.types import CSR, IndexArray, KeyOrder, OffsetArray, TimeArray


@dataclass(frozen=True, slots=True)
class HistoryBatch:
    """One step.

    Attributes:
        hops: as `Dgsr.forward` takes them.
        answer: int64 `[B]`, rows of the items' table.
        seed: of dropout.
    """

    hops: list[HopTensors]
    answer: Tensor
    seed: int


class DgsrTask:
    """Train a DGSR on every item after a user's first; see `engine.training.loop.Task`.

    Args:
        order: of the users' keys, so that steps do not depend on row numbers.
        held: what to validate on; None for nothing.
    """

    def __init__(
        self, model: Dgsr, graph: PlacedGraph, order: KeyOrder, held: UserItemEdges | None, settings: DgsrSettings
    ) -> None:
        self.model, self.graph, self.held, self.settings = model, graph, held, settings
        own = graph.timed.items_of
        user = edge_rows(own)
        place = np.arange(own.num_edges) - own.indptr[user]
        targets = np.flatnonzero(place > 0)
        targets = targets[np.argsort(order.ranks(user[targets]), kind="stable")]
        self.targets, self.user, self.place = targets, user, place
        self.size = step_size(settings.training.batch_size, len(targets))

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        return -(-len(self.targets) // self.size)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters())}]

    def batch(self, step: int) -> HistoryBatch:
        epoch, within = divmod(step, self.steps_an_epoch)
        seed, size = self.settings.loop.seed, self.size
        drawn = np.random.default_rng([seed, epoch, 1]).permutation(len(self.targets))
        edge = self.targets[drawn[within * size : (within + 1) * size]]
        own, user = self.graph.timed.items_of, self.user[edge]
        assert own.time is not None
        hops = self.graph.histories(user, self.place[edge], own.time[edge], self.settings.network)
        answer = torch.from_numpy(self.graph.item_row[own.indices[edge]])
        of_dropout = int(np.random.SeedSequence([seed, step, 2]).generate_state(1)[0])
        return HistoryBatch(hops, answer, of_dropout)

    def loss(self, batch: HistoryBatch) -> Tensor:
        """Mean cross-entropy of the item that came, over all items (equation 14)."""
        return full_softmax(self.model(batch.hops, batch.seed), self.model.answers, batch.answer)

    def validate(self) -> float | None:
        """NDCG@10 of the item that comes next, among all that the user does not have."""
        if self.held is None:
            return None
        total, own = 0.0, self.graph.timed.items_of
        for start in range(0, len(self.held), 256):
            some = self.held.only(np.arange(start, min(start + 256, len(self.held))))
            place = own.degrees()[some.user]
            scores = expected_next(self.model, self.graph, some.user, place, self._when(some)) @ self.model.answers.T
            taken = newest(own, some.user, max(1, int(place.max())))
            taken = CSR(taken.indptr, self.graph.item_row[taken.indices].astype(np.int32))
            total += gain(scores, torch.from_numpy(self.graph.item_row[some.item]), taken)
        return total / len(self.held)

    def _when(self, held: UserItemEdges) -> TimeArray:
        """When items held out are asked for: right before they came, or after everything where that is not known."""
        after_all = np.full(len(held), self.graph.now)
        return after_all if held.time is None else np.where(held.time < 0, after_all, held.time)


def expected_next(model: Dgsr, graph: PlacedGraph, users: IndexArray, place: OffsetArray, before: TimeArray) -> Tensor:
    """What users are expected to take up next, `[B, dim]`; arguments as of `engine.sampling.histories.histories`."""
    with torch.no_grad():
        return model(graph.histories(users, place, before, model.config))  # type: ignore[no-any-return]
