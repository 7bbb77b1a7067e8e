"""SASRec's side of the training loop: which users a step learns from, and how good it is on items held out. Knows no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.next_items import gain, step_size
from engine.models.sasrec.config import SasrecSettings
from engine.models.sasrec.model import Sasrec
from engine.models.sequences import newest
from engine.training.full_softmax import full_softmax
from engine.types import CSR, IndexArray

POOL = 16
"""Users are drawn for so many batches together and shared out by length, so that rows of a batch are about equally long."""


@dataclass(frozen=True, slots=True)
class SequenceBatch:
    """One step.

    Attributes:
        sequences: int64 `[B, L]`, items, oldest first, zeros after the end.
        place: int64 `[T]`, positions in the flattened `sequences` after which an item came.
        answer: int64 `[T]`, those items.
        seed: of dropout.
    """

    sequences: Tensor
    place: Tensor
    answer: Tensor
    seed: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Items to look for after an epoch.

    Attributes:
        users: int32 `[V]`, rows of the sequences; item: int64 `[V]`, what came next.
    """

    users: IndexArray
    item: NDArray[np.int64]


class SasrecTask:
    """Train a SASRec on sequences; see `engine.training.loop.Task`.

    Args:
        lists: sequences of the model's items, users in an order that does not depend on row numbers.
        held: what to validate on; None for nothing.
    """

    def __init__(self, model: Sasrec, lists: CSR, held: HeldOut | None, settings: SasrecSettings) -> None:
        self.model, self.lists, self.held, self.settings = model, lists, held, settings
        self.users = np.flatnonzero(lists.degrees() > 1).astype(np.int32)
        self.size = step_size(settings.training.batch_size, len(self.users))

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        return -(-len(self.users) // self.size)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters())}]

    def batch(self, step: int) -> SequenceBatch:
        epoch, within = divmod(step, self.steps_an_epoch)
        users = self._order(epoch)[within]
        found = newest(self.lists, users, self.settings.network.length + 1)
        size = found.degrees()
        rows = padded(found, int(size.max()))
        has = np.arange(rows.shape[1] - 1) < (size - 1)[:, None]
        place = np.flatnonzero(has)
        answer = rows[:, 1:][has]
        seed = int(np.random.SeedSequence([self.settings.loop.seed, step, 2]).generate_state(1)[0])
        return SequenceBatch(
            torch.from_numpy(np.ascontiguousarray(rows[:, :-1])),
            torch.from_numpy(place),
            torch.from_numpy(answer),
            seed,
        )

    def loss(self, batch: SequenceBatch) -> Tensor:
        """Mean cross-entropy of what came next, over all items."""
        expected = self.model(batch.sequences, batch.seed).flatten(0, 1)
        return full_softmax(expected[batch.place], self.model.answers, batch.answer)

    def validate(self) -> float | None:
        """NDCG@10 of the item that comes next, among all that the user does not have."""
        if self.held is None:
            return None
        total = 0.0
        for start in range(0, len(self.held.users), 512):
            some = slice(start, start + 512)
            found = newest(self.lists, self.held.users[some], self.settings.network.length)
            scores = expected_next(self.model, found) @ self.model.answers.T
            total += gain(scores, torch.from_numpy(self.held.item[some]), found)
        return total / len(self.held.users)

    def _order(self, epoch: int) -> list[IndexArray]:
        """The users of each step of an epoch."""
        rng = np.random.default_rng([self.settings.loop.seed, epoch, 1])
        size, users = self.size, rng.permutation(self.users)
        length = self.lists.degrees()[users]
        pool = np.arange(len(users)) // (size * POOL)
        users = users[np.lexsort((length, pool))]
        steps = [users[start : start + size] for start in range(0, len(users), size)]
        return [steps[at] for at in rng.permutation(len(steps))]


def padded(lists: CSR, width: int) -> NDArray[np.int64]:
    """The rows at the front of a matrix int64 `[B, width]`, zeros after each."""
    rows = np.zeros((lists.num_rows, width), np.int64)
    rows[np.arange(width) < lists.degrees()[:, None]] = lists.indices
    return rows


def expected_next(model: Sasrec, lists: CSR) -> Tensor:
    """What is expected after the end of each sequence, `[B, dim]`; no sequence is empty."""
    with torch.no_grad():
        size = lists.degrees()
        x = model(torch.from_numpy(padded(lists, int(size.max(initial=1)))))
        return x[torch.arange(len(size)), torch.from_numpy(size - 1)]  # type: ignore[no-any-return]
