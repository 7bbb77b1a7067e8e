"""GC-MC's side of the training loop: which ratings a step predicts, and what is dropped in it. Knows no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from engine.models.gcmc.config import GcmcSettings
from engine.models.gcmc.fields import sparse_rows
from engine.models.gcmc.graph import RatingGraph, messages
from engine.models.gcmc.model import Gcmc, SparseRows
from engine.models.gcmc.sparse import Pattern
from engine.types import FloatArray

Fields = tuple[sparse.csr_matrix, sparse.csr_matrix]


@dataclass(frozen=True, slots=True)
class SideBatch:
    """The users, or the items, of a step.

    Attributes:
        nodes: int64 `[n]`, their rows among all nodes.
        fields: their fields; None where none are read.
        keep: float32 `[n, joined]`, what enters the dense layer: 0 for what is dropped.
    """

    nodes: Tensor
    fields: SparseRows | None
    keep: Tensor


@dataclass(frozen=True, slots=True)
class RatingBatch:
    """One step.

    Attributes:
        weight: float32 `[2E]`, the messages' factors; 0 for those that are not sent.
        sides: users and items.
        pairs: the ratings to predict: rows are users of the batch, columns items.
        pair: int64 `[B]` twice, the rows that each rating joins, for the biases.
        given: float32 `[levels, B]`, 1 at the level that each got.
    """

    weight: FloatArray
    sides: tuple[SideBatch, SideBatch]
    pairs: Pattern
    pair: tuple[Tensor, Tensor]
    given: Tensor


class GcmcTask:
    """Train a GC-MC on a rating graph; see `engine.training.loop.Task`.

    Args:
        fields: the columns of users and items; None where none are read.
    """

    def __init__(self, model: Gcmc, graph: RatingGraph, fields: Fields | None, settings: GcmcSettings) -> None:
        self.model, self.graph, self.fields, self.settings = model, graph, fields, settings
        self.messages = messages(graph, model.config)
        self.all = self._layout(np.arange(len(graph)))

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        size = self.settings.training.batch_size
        return -(-len(self.graph) // size) if size else 1

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters())}]

    def validate(self) -> float | None:
        """None: the number of epochs is a setting, as in the paper."""
        return None

    def batch(self, step: int) -> RatingBatch:
        rng = np.random.default_rng([self.settings.loop.seed, step])
        layout = self.all if self.steps_an_epoch == 1 else self._layout(self._targets(step))
        sides, pairs, pair, given = layout
        dropout = self.settings.training.dropout
        keep = _kept(rng, (self.graph.num_nodes,), dropout)
        weight = self.messages.share * keep[self.messages.sender]
        if self.steps_an_epoch > 1:
            needed = np.zeros(self.graph.num_nodes, dtype=np.bool_)
            for side in sides:
                needed[side.nodes.numpy()] = True
            weight *= needed[self.messages.receiver]
        dropped = tuple(
            SideBatch(side.nodes, side.fields, torch.from_numpy(_kept(rng, side.keep.shape, dropout))) for side in sides
        )
        return RatingBatch(weight, (dropped[0], dropped[1]), pairs, pair, given)

    def loss(self, batch: RatingBatch) -> Tensor:
        """Mean negative log likelihood of the ratings (equation 6)."""
        model = self.model
        received = model.receive(self.messages.pattern, batch.weight)
        users, items = (
            model.embed(number, model.joined(number, received[side.nodes], side.fields) * side.keep)
            for number, side in enumerate(batch.sides)
        )
        logits = model.logits(batch.pairs, users, items)
        for bias, rows in zip(model.biases, batch.pair, strict=False):
            logits = logits + bias[rows].T
        # Levels in the first dimension: ten times as fast as `cross_entropy` over a last one of five.
        return -(logits.log_softmax(0) * batch.given).sum() / batch.given.shape[1]

    def _targets(self, step: int) -> NDArray[np.int64]:
        """The ratings of a step: each once an epoch, in an order drawn for it."""
        epoch, within = divmod(step, self.steps_an_epoch)
        size = self.settings.training.batch_size
        order = np.random.default_rng([self.settings.loop.seed, epoch, 1]).permutation(len(self.graph))
        return np.sort(order[within * size : (within + 1) * size])

    def _layout(
        self, targets: NDArray[np.int64]
    ) -> tuple[tuple[SideBatch, SideBatch], Pattern, tuple[Tensor, Tensor], Tensor]:
        """What a step needs to predict some ratings, given in order."""
        ends = (self.graph.user[targets], self.graph.item[targets])
        sides, places = [], []
        for number, end in enumerate(ends):
            chosen, place = np.unique(end, return_inverse=True)
            fields = None
            if self.fields is not None and self.model.sizes.features[number]:
                fields = sparse_rows(self.fields[number][chosen])
            nodes = torch.from_numpy(chosen + number * self.graph.num_users)
            width = self.model.hidden + (self.model.config.feature_hidden if fields else 0)
            sides.append(SideBatch(nodes, fields, torch.empty(len(chosen), width)))
            places.append(place)
        pairs = Pattern.of(places[0], places[1], (len(sides[0].nodes), len(sides[1].nodes)))
        pair = (torch.from_numpy(ends[0]), torch.from_numpy(ends[1]))
        given = torch.zeros(self.graph.num_levels, len(targets))
        given[torch.from_numpy(self.graph.level[targets]), torch.arange(len(targets))] = 1
        return (sides[0], sides[1]), pairs, pair, given


def _kept(rng: np.random.Generator, shape: tuple[int, ...], dropout: float) -> FloatArray:
    """0 with the chance of `dropout`, and what makes up for it in expectation elsewhere."""
    kept = rng.random(shape, dtype=np.float32) >= dropout
    return np.asarray(kept * np.float32(1 / (1 - dropout)), dtype=np.float32)
