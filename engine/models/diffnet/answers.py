"""What a trained DiffNet++ says of the nodes of some data: those of training, and later ones from their first edges.

All neighbours are read, nothing is drawn, layer by layer. A node that came after training has no vector of its own: it receives
from those of training that it is joined to now, and sends nothing. Knows no training.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.models.attention.lists import Ints, Lists
from engine.models.diffnet.files import Trained
from engine.models.diffnet.graph import Block, Nodes, Roots
from engine.models.diffnet.model import Vectors
from engine.models.friends import rests_on
from engine.models.gcmc.fields import sparse_rows
from engine.models.row_embedder import SIDES, Joined, Outputs, Side, embed_all
from engine.models.standing import standing_of
from engine.models.taught import Places
from engine.models.user_item import UserItemData
from engine.models.vectors import VectorAnswers
from engine.types import FloatArray, IndexArray


class Diffusing:
    """A `RowEmbedder`: the vectors after the layers 0 .. K side by side, of which each layer reads the last.

    Where the loss was over cosines, users' vectors have length 1, an item's its number of users to the power `popularity`.
    """

    def __init__(self, trained: Trained, joined: Joined) -> None:
        network = trained.settings.network
        self.layers = network.layers + 1
        self.reads: Mapping[Side, tuple[Side, ...]] = {
            "users": ("items", "users") if network.social else ("items",),
            "items": ("users",),
        }
        self.reads_fields = trained.fields is not None
        self._trained, self._joined = trained, joined
        self._places = {side: Places.of(ids, joined.nodes[side]) for side, ids in zip(SIDES, trained.ids, strict=True)}

    @torch.no_grad()
    def embed(self, layer: int, side: Side, rows: IndexArray, before: Outputs) -> FloatArray:
        """See `RowEmbedder`."""
        if layer == 0:
            return self._start(side, rows)
        read = self.reading(side, rows, before)
        found = np.concatenate([before[side][rows], self._after(layer - 1, side, read)], axis=1)
        if layer + 1 == self.layers and self._trained.settings.training.loss == "softmax":
            found = found / np.maximum(np.sqrt((found**2).sum(axis=1, keepdims=True)), 1e-12)
            if side == "items":
                count = np.maximum(read.block.adopters.sizes, 1)
                found *= (count**self._trained.settings.network.popularity)[:, None]
        return np.asarray(found, dtype=np.float32)

    def taught(self, side: Side) -> NDArray[np.bool_]:
        """See `engine.models.standing.TellsTaught`."""
        return self._places[side].taught

    def _start(self, side: Side, rows: IndexArray) -> FloatArray:
        """The first vectors; 0 for one that nothing was learned of."""
        model, number = self._trained.model, SIDES.index(side)
        own = self._places[side].take((model.users, model.items)[number].numpy(), rows)
        if self._trained.fields is not None:
            own += model.of_fields(number, sparse_rows(self._fields[side][rows])).numpy()
        return own

    @functools.cached_property
    def _fields(self) -> Mapping[Side, csr_matrix]:
        """The columns of all nodes, by row."""
        assert self._trained.fields is not None
        found = {}
        for number, side in enumerate(SIDES):
            nodes = self._joined.nodes[side]
            by_key = self._trained.fields.rows_of(number, nodes)
            found[side] = by_key[np.asarray(nodes.order.ranks(np.arange(len(nodes))))]
        return found

    def reading(self, side: Side, rows: IndexArray, before: Outputs) -> Reading:
        """What a layer reads for some rows of one side.

        Args:
            before: of the layer before; its last vectors are read.
        """
        asked = {name: rows.astype(np.int64) if name == side else np.empty(0, np.int64) for name in SIDES}
        interests = self._heard("users", "items", asked["users"])
        friends = self._heard("users", "users", asked["users"])
        adopters = self._heard("items", "users", asked["items"])
        users = _Compact.of(len(self._places["users"].column), asked["users"], friends.at, adopters.at)
        items = _Compact.of(len(self._places["items"].column), asked["items"], interests.at)
        block = Block(
            Nodes(users.place[asked["users"]], items.place[asked["items"]]),
            Roots.counted(interests.sizes, friends.sizes, adopters.sizes),
            self._sent(users.rows, items.rows),
            interests.to(items.place[interests.at]),
            friends.to(users.place[friends.at]),
            adopters.to(users.place[adopters.at]),
        )
        dim = self._trained.settings.network.dim
        states = Vectors(
            torch.from_numpy(before["users"][users.rows, -dim:]), torch.from_numpy(before["items"][items.rows, -dim:])
        )
        return Reading(block, states, {"users": users.rows, "items": items.rows})

    def _sent(self, users: Ints, items: Ints) -> Roots:
        """As in training; of a node that came later it means nothing, as it sends nothing."""
        sent, places = self._trained.sent, self._places
        interests, social = (places["users"].take(part, users) for part in (sent.interests, sent.social))
        adopters = places["items"].take(sent.adopters, items)
        return Roots(*(np.maximum(part, 1) for part in (interests, social, adopters)))

    def _after(self, number: int, side: Side, read: Reading) -> FloatArray:
        """The vectors of what is read for, after the layer with this number."""
        found = self._trained.model.layer(number, read.states, read.block)
        after: FloatArray = (found.users if side == "users" else found.items).numpy()
        return after

    def _heard(self, side: Side, other: Side, rows: Ints) -> Lists:
        """Who of training is in the lists of some rows."""
        found = self._joined.rows_of(side, other, rows).tocoo()
        row, column = found.coords
        kept = self._places[other].column[column] >= 0
        if other not in self.reads[side]:
            kept[:] = False
        row, column, weight = row[kept], column[kept], found.data[kept]
        order = np.lexsort((column, row))
        indptr = np.searchsorted(row[order], np.arange(len(rows) + 1))
        lists = Lists(indptr.astype(np.int64), column[order].astype(np.int64))
        return lists.weighed(weight[order]) if side == other and self._trained.settings.network.weighted else lists


@dataclass(frozen=True, slots=True)
class Reading:
    """Some nodes, their neighbours, and the vectors that a layer starts from, laid out without gaps.

    Attributes:
        block: places among the vectors.
        states: the vectors.
        rows: of each side, the rows of the data at those places.
    """

    block: Block
    states: Vectors
    rows: Mapping[Side, Ints]


@dataclass(frozen=True, slots=True)
class _Compact:
    """Some rows of a table, without gaps.

    Attributes:
        rows: int64, ascending.
        place: int64 `[N]`, where each row is among them.
    """

    rows: Ints
    place: Ints

    @staticmethod
    def of(count: int, *parts: Ints) -> _Compact:
        there = np.zeros(count, np.bool_)
        for part in parts:
            there[part] = True
        return _Compact(np.flatnonzero(there), np.cumsum(there) - 1)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the nodes of some data.

    Attributes:
        vectors: as they are published.
        standing: of each side, "trained", "folded in" or "cold".
        rests: on what an answer for each user rests.
        diffusing, before: what they were made by, and what its last layer starts from.
    """

    vectors: VectorAnswers
    standing: Mapping[Side, NDArray[np.str_]]
    rests: NDArray[np.str_]
    diffusing: Diffusing
    before: Outputs


def known(trained: Trained, data: UserItemData) -> Known:
    """One pass over all that is known of some data."""
    network = trained.settings.network
    joined = Joined.in_data(data, network.friendship)
    diffusing = Diffusing(trained, joined)
    *_, before, vectors = embed_all(diffusing, joined)
    standing = {side: standing_of(diffusing.taught(side), np.asarray(vectors[side].any(axis=1))) for side in SIDES}
    return Known(
        VectorAnswers(vectors["users"], vectors["items"]),
        standing,
        rests_on(data, (standing["users"] == "trained") & network.social, network.friendship),
        diffusing,
        before,
    )
