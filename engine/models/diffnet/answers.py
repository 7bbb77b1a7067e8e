"""What a trained DiffNet++ says of the nodes of some data: those of training, and later ones from their first edges.

All neighbours are read, nothing is drawn, layer by layer. A node that came after training has no vector of its own: it receives
from those of training that it is joined to now, and sends nothing. Knows no training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models.diffnet.files import Trained
from engine.models.diffnet.graph import DiffusionGraph, Nodes, followed, only_from
from engine.models.diffnet.model import Vectors, beside
from engine.models.friends import rests_on
from engine.models.gcmc.fields import sparse_rows
from engine.models.taught import Places
from engine.models.user_item import UserItemData
from engine.models.vectors import VectorAnswers
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class Layers:
    """A trained network over some data; rows are those of the data's tables.

    Attributes:
        trained: the network.
        graph: of the data, without what sends nothing.
        start: the first vectors of all nodes; 0 for one that nothing was learned of.
    """

    trained: Trained
    graph: DiffusionGraph
    start: Vectors

    @staticmethod
    @torch.no_grad()
    def of(trained: Trained, data: UserItemData) -> Layers:
        """Lay some data out for a network."""
        users, items = _places(trained, data)
        edges = data.seen(data.known())
        follows = only_from(followed(data), users.column >= 0)
        if not trained.settings.network.social:
            follows = only_from(follows, np.zeros(data.num_users, np.bool_))
        graph = DiffusionGraph.of(only_from(edges, items.column >= 0), follows)
        received = DiffusionGraph.of(only_from(edges.T.tocsr(), users.column >= 0), follows)
        start = Vectors(
            *(
                torch.from_numpy(places.spread(table.detach().numpy(), 0))
                for places, table in ((users, trained.model.users), (items, trained.model.items))
            )
        )
        if trained.fields is not None:
            by_key = trained.fields.matrices(data)
            ranks = (nodes.order.ranks(np.arange(len(nodes))) for nodes in (data.users, data.items))
            columns = [sparse_rows(rows[np.asarray(rank)]) for rows, rank in zip(by_key, ranks, strict=True)]
            fields = trained.model.of_fields((columns[0], columns[1]))
            start = Vectors(start.users + fields.users, start.items + fields.items)
        return Layers(trained, DiffusionGraph(graph.interests, graph.friends, received.interests), start)

    @property
    def count(self) -> int:
        """How many layers there are."""
        return self.trained.settings.network.layers

    @torch.no_grad()
    def layer(self, number: int, before: Vectors, nodes: Nodes) -> Vectors:
        """The vectors of some nodes after the layer with this number, counted from 0.

        Args:
            before: what all layers before it end with, of all nodes; for layer 0, `start`.
        """
        return self.trained.model.layer(number, before, self.graph.block(nodes))

    def all(self) -> list[Vectors]:
        """The vectors of all nodes, of each of the layers 0 .. K."""
        found = [self.start]
        for number in range(self.count):
            found.append(self.layer(number, found[-1], self.graph.nodes))
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the nodes of some data.

    Attributes:
        vectors: as they are published: of length 1 where the loss was over cosines.
        standing: of the users and of the items, "trained", "folded in" or "cold".
        rests: on what an answer for each user rests.
    """

    vectors: VectorAnswers
    standing: tuple[NDArray[np.str_], NDArray[np.str_]]
    rests: NDArray[np.str_]


def known(trained: Trained, data: UserItemData) -> Known:
    """One pass over all that is known of some data."""
    both = beside(Layers.of(trained, data).all())
    users, items = _published(trained, both.users), _published(trained, both.items)
    places = _places(trained, data)
    standing = tuple(
        np.where(where.column >= 0, "trained", np.where(vectors.any(axis=1), "folded in", "cold"))
        for where, vectors in zip(places, (users, items), strict=True)
    )
    social = trained.settings.network.social
    return Known(
        VectorAnswers(users, items, standing[0] != "cold", standing[1] != "cold"),
        (standing[0], standing[1]),
        rests_on(data, (places[0].column >= 0) & social),
    )


def _published(trained: Trained, vectors: torch.Tensor) -> FloatArray:
    found: FloatArray = vectors.numpy()
    if trained.settings.training.loss == "softmax":
        found = found / np.maximum(np.sqrt((found**2).sum(axis=1, keepdims=True)), 1e-12)
    return np.asarray(found, dtype=np.float32)


def _places(trained: Trained, data: UserItemData) -> tuple[Places, Places]:
    return Places.of(trained.ids[0], data.users), Places.of(trained.ids[1], data.items)
