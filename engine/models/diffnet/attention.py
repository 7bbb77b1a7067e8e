"""What DiffNet++ attended to: a user's friends and items, who has an item, and what these attended to before. Knows no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.models.attention.lists import Lists
from engine.models.attention.weighed import Role, Weighed
from engine.models.diffnet.answers import Known, Reading
from engine.models.diffnet.model import Diffnet, Diffusion
from engine.models.row_embedder import SIDES, Side
from engine.types import FloatArray, IndexArray


@torch.no_grad()
def attention(model: Diffnet, known: Known, users: IndexArray, items: IndexArray) -> list[Weighed]:
    """The weights of the interest, influence and adoption attention of the last layer (Wu et al., TKDE'20, section 4.2), and how
    much interest and influence take.

    Args:
        users, items: rows of the data.
    """
    last = _Layer.of(model, known, len(model.layers) - 1, hop=1)
    found = last.of_users(_Reached(users))
    if len(items):
        found.append(last.of_items(_Reached(items), "raters"))
    return found


@torch.no_grad()
def attention_further(model: Diffnet, known: Known, users: IndexArray) -> list[Weighed]:
    """The same of the layers before the last: the layer before it weighs the neighbours of whom `attention` tells, and so on.

    Each node that is reached has one list, with the sum of all ways to it. What a node keeps of its own is not followed.

    Args:
        users: rows of the data.
    """
    found: list[Weighed] = []
    now = attention(model, known, users, np.empty(0, np.int32))
    for hop, number in enumerate(reversed(range(len(model.layers) - 1)), start=2):
        layer, near = _Layer.of(model, known, number, hop), now
        items = _Reached.by([part for part in near if part.role == "items"])
        others = _Reached.by([part for part in near if part.role != "items"])
        now = layer.of_users(others) if len(others.rows) else []
        if len(items.rows):
            now.append(layer.of_items(items, "takers"))
        found += now
    return found


@dataclass(frozen=True, slots=True)
class _Reached:
    """Some rows of one side, and the weight of the way to each; None for who asks."""

    rows: IndexArray
    way: FloatArray | None = None

    @staticmethod
    def by(parts: Sequence[Weighed]) -> _Reached:
        """Whom some attention leads to, each once."""
        rows = np.concatenate([np.empty(0, np.int32), *(part.rows for part in parts)])
        ways = [np.empty(0, np.float32)]
        for part in parts:
            lists = np.ones(len(part.indptr) - 1, np.float32)
            for factor in (part.way, part.share):
                lists = lists if factor is None else lists * factor
            ways.append(part.weight * np.repeat(lists, np.diff(part.indptr)))
        distinct, place = np.unique(rows, return_inverse=True)
        total = np.bincount(place, np.concatenate(ways), minlength=len(distinct))
        return _Reached(distinct.astype(np.int32), total.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer, and what it starts from.

    Attributes:
        before: of each side, the vectors of all layers before, side by side.
        hop: how far its neighbours are from who asks.
    """

    layer: Diffusion
    known: Known
    before: dict[Side, FloatArray]
    hop: int

    @staticmethod
    def of(model: Diffnet, known: Known, number: int, hop: int) -> _Layer:
        """The layer with this number, counted from 0."""
        layer: Diffusion = model.layers[number]  # type: ignore[assignment]
        width = (number + 1) * model.config.dim
        return _Layer(layer, known, {side: known.before[side][:, :width] for side in SIDES}, hop)

    def of_users(self, asked: _Reached) -> list[Weighed]:
        """What users gave their items and, where friends are read, their friends."""
        read = self.known.diffusing.reading("users", asked.rows, self.before)
        own, states, block = read.states.of(read.block.nodes).users, read.states, read.block
        weight = self.layer.interest.weights(own, states.items, block.interests)
        if not self.layer.social:
            return [self._weighed("interest attention", "items", block.interests, weight, read, asked)]
        friends, items = self.layer.shares(states, block).numpy().T
        found = self._weighed("interest attention", "items", block.interests, weight, read, asked, items)
        weight = self.layer.influence.weights(own, states.users, block.friends)
        return [found, self._weighed("influence attention", "friends", block.friends, weight, read, asked, friends)]

    def of_items(self, asked: _Reached, role: Role) -> Weighed:
        """What items gave their users."""
        read = self.known.diffusing.reading("items", asked.rows, self.before)
        own, block = read.states.of(read.block.nodes).items, read.block
        weight = self.layer.adoption.weights(own, read.states.users, block.adopters)
        return self._weighed("adoption attention", role, block.adopters, weight, read, asked)

    def _weighed(
        self,
        part: str,
        role: Role,
        lists: Lists,
        weight: FloatArray,
        read: Reading,
        asked: _Reached,
        share: FloatArray | None = None,
    ) -> Weighed:
        rows = read.rows["items" if role == "items" else "users"][lists.at].astype(np.int32)
        if share is not None:
            share = np.where(lists.sizes > 0, share, np.float32(0))
        return Weighed(part, role, self.hop, lists.indptr, rows, weight, asked.way, share)
