"""PinSage's side of the training loop: batches of pairs, their loss, validation. Knows the training graph, no server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.features.encoder import Content, FeatureEncoder
from engine.models.base import RelatedData, RelatedPairs
from engine.models.pinsage.batches import bared, node_batch
from engine.models.pinsage.bias import answer_bias
from engine.models.pinsage.config import PinSageSettings
from engine.models.pinsage.embed import embed_content, score_items, walked
from engine.models.pinsage.inputs import without_some
from engine.models.pinsage.model import NodeBatch, PinSage
from engine.models.ranking import stand_all
from engine.training.losses import collisions, max_margin, sampled_softmax
from engine.training.negatives import HardNegatives
from engine.training.positives import Fold, find_positives, hold_out
from engine.types import Neighbourhoods

MINUTE_MS = 60_000
COLD_WORTH = 0.3
"""Of a cold validation pair, against one whose answer has edges."""


@dataclass(frozen=True, slots=True)
class PairBatch:
    """One batch.

    Attributes:
        nodes: layout of all targets: B queries, B answers, M shared negatives, then B x H hard ones.
        pairs: B.
        candidates: int64 `[B + M]`, rows of the answers and of the shared negatives.
        same: bool `[B, B + M]`, candidates that do not count for a query.
        log_expected: float32 `[B + M]`, log of how often a batch is expected to hold each candidate.
    """

    nodes: NodeBatch
    pairs: int
    candidates: Tensor
    same: Tensor
    log_expected: Tensor


@dataclass(frozen=True, slots=True)
class _Fold:
    """What the batches of a fold share: the saves held out, the walks and the content of what is left, chances of answers."""

    number: int
    fold: Fold
    neighbours: Neighbourhoods
    content: Content
    answer_chance: NDArray[np.float64]


class PinSageTask:
    """Train a PinSage on a `RelatedData`; see `engine.training.loop.Task`.

    Raises:
        TrainingError: there are no positive pairs.
    """

    def __init__(self, model: PinSage, data: RelatedData, encoder: FeatureEncoder, settings: PinSageSettings) -> None:
        self.model, self.data, self.encoder, self.settings = model, data, encoder, settings
        how = settings.training
        self.positives = find_positives(data.graph, window_ms=round(how.window_minutes * MINUTE_MS))
        self.connected = np.flatnonzero(data.graph.item_to_context.degrees() > 0).astype(np.int32)
        self.hard = None
        if how.loss == "max-margin" and how.hard_negatives:
            self.hard = HardNegatives(data.graph, how.hard_rank_low, how.hard_rank_high, how.hard_most, data.seed)
        self.content = encoder.content(data.items, data.graph, data.contexts)
        self.neighbours = walked(data.graph, np.arange(data.num_items), settings.network, threads=1)
        self._fold: _Fold | None = None

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        """One pair a save and epoch."""
        return max(1, round(self.data.graph.item_to_context.num_edges / self.settings.training.batch_size))

    def parameter_groups(self) -> list[dict[str, Any]]:
        how, tokens = self.settings.training, self.model.content.tokens
        rest = [value for name, value in self.model.named_parameters() if name not in ("bias", "content.tokens")]
        groups: list[dict[str, Any]] = [{"params": rest}, {"params": [tokens], "share": how.token_rate}]
        if self.model.bias is not None:
            groups.append({"params": [self.model.bias], "share": how.bias_rate, "weight_decay": 0.0})
        return groups

    def batch(self, step: int) -> PairBatch:
        """Draw pairs and negatives and lay out what embedding them takes."""
        how = self.settings.training
        epoch = step // self.steps_an_epoch
        prepared = self._prepare(step * how.folds // self.steps_an_epoch)
        rng = np.random.default_rng([self.data.seed, 1, step])
        query, answer = prepared.fold.sample(how.batch_size, rng)
        shared = self.connected[rng.integers(0, len(self.connected), how.negatives)]
        parts = [query, answer, shared]
        if self.hard is not None and epoch > 0:
            found = self.hard.of(query, min(epoch, how.hard_most))
            anything = self.connected[rng.integers(0, len(self.connected), found.shape)]
            parts.append(np.where(found >= 0, found, anything).astype(np.int32).ravel())
        targets = np.concatenate(parts)

        def thin(found: Neighbourhoods) -> Neighbourhoods:
            return bared(found, how.neighbour_dropout, rng)

        top = thin(Neighbourhoods(prepared.neighbours.idx[targets], prepared.neighbours.weight[targets]))
        layers = len(self.model.layers)
        candidates = torch.from_numpy(np.concatenate([answer, shared]).astype(np.int64))
        expected = how.batch_size * prepared.answer_chance + how.negatives / len(self.connected)
        nodes = node_batch(targets, top, prepared.neighbours, prepared.content, layers, thin)
        return PairBatch(
            nodes=replace(nodes, content=without_some(nodes.content, how.token_dropout, rng)),
            pairs=len(query),
            candidates=candidates,
            same=collisions(
                torch.from_numpy(query.astype(np.int64)), torch.from_numpy(answer.astype(np.int64)), candidates
            ),
            log_expected=torch.from_numpy(np.log(expected[candidates.numpy()]).astype(np.float32)),
        )

    def loss(self, batch: PairBatch) -> Tensor:
        how = self.settings.training
        out = self.model(batch.nodes)
        count, shared = batch.pairs, len(batch.candidates)
        query, candidates, hard = out[:count], out[count : count + shared], out[count + shared :]
        if how.loss == "max-margin":
            own = hard.view(count, -1, hard.shape[1]) if len(hard) else None
            return max_margin(query, candidates[:count], candidates[count:], how.margin, own_negatives=own)
        bias = None if self.model.bias is None else self.model.bias[batch.candidates]
        return sampled_softmax(
            query,
            candidates,
            scale=self.model.log_scale.exp(),
            log_expected=batch.log_expected,
            same=batch.same,
            bias=bias,
        )

    def validate(self) -> float | None:
        """Mean discounted gain of the validation pairs, plus `COLD_WORTH` times that of the cold ones.

        Cold pairs go on gaining long after the network has learned the training edges by heart, so they must not decide alone.
        """
        data = self.data
        worth = [(1.0, data.validation), (COLD_WORTH, data.validation_cold)]
        if not any(len(pairs) for _, pairs in worth):
            return None
        vectors = embed_content(self.model, self.content, self.neighbours)
        bias = answer_bias(self.model, data.graph)
        scale = float(self.model.log_scale.exp())

        def gain(pairs: RelatedPairs) -> float:
            return float(stand_all(lambda q: score_items(vectors, q, scale, bias), pairs).discounted().mean())

        return sum(share * gain(pairs) for share, pairs in worth if len(pairs))

    def _prepare(self, number: int) -> _Fold:
        """A fold; kept, since its batches come one after the other."""
        if self._fold is None or self._fold.number != number:
            data, how = self.data, self.settings.training
            fold = hold_out(
                data.graph,
                self.positives,
                how.held_out,
                np.random.default_rng([data.seed, 0, number]),
                size_power=how.group_power,
            )
            content = self.content
            if data.contexts is not None:  # an item's words from contexts change with its saves
                content = self.encoder.content(data.items, fold.graph, data.contexts)
            every = walked(fold.graph, np.arange(data.num_items), self.settings.network, threads=1)
            self._fold = _Fold(number, fold, every, content, fold.answer_chance())
        return self._fold
