"""Who is read for whom: users' items, items' users and users' friends, layer by layer. Knows no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from engine.models.attention.lists import Ints, Lists
from engine.models.friends import friends_of
from engine.models.user_item import UserItemData


@dataclass(frozen=True, slots=True)
class Nodes:
    """Some users and some items.

    Attributes:
        users, items: int64, rows, ascending.
    """

    users: Ints
    items: Ints

    def within(self, others: Nodes) -> Nodes:
        """Where they stand among others that hold them all."""
        return Nodes(np.searchsorted(others.users, self.users), np.searchsorted(others.items, self.items))


@dataclass(frozen=True, slots=True)
class Block:
    """What a layer reads for some nodes; all rows are those of the vectors that the layer starts from.

    Attributes:
        nodes: whose next vectors are worked out.
        interests: the items of each user among them.
        friends: whom each user among them follows.
        adopters: the users of each item among them.
    """

    nodes: Nodes
    interests: Lists
    friends: Lists
    adopters: Lists


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read to work out all vectors of some nodes.

    Attributes:
        start: the nodes whose first vectors are read.
        blocks: one a layer.
        asked: where the nodes stand among those that each of the layers 0 .. K ends with.
    """

    start: Nodes
    blocks: tuple[Block, ...]
    asked: tuple[Nodes, ...]


@dataclass(frozen=True, slots=True)
class DiffusionGraph:
    """Neighbours of all nodes.

    Attributes:
        interests: user -> the items they have.
        friends: user -> the users they follow, never themselves.
        adopters: item -> the users who have it.
    """

    interests: Lists
    friends: Lists
    adopters: Lists

    @staticmethod
    def of(edges: csr_array, follows: csr_array) -> DiffusionGraph:
        """Lay edges `[users, items]` and follows `[users, users]` out."""
        return DiffusionGraph(_lists(edges), _lists(follows), _lists(edges.T.tocsr()))

    @property
    def nodes(self) -> Nodes:
        """All of them."""
        return Nodes(np.arange(len(self.interests)), np.arange(len(self.adopters)))

    def block(self, nodes: Nodes) -> Block:
        """All neighbours of some nodes, for a layer that starts from the vectors of all."""
        return Block(
            nodes, self.interests.rows(nodes.users), self.friends.rows(nodes.users), self.adopters.rows(nodes.items)
        )

    def everything(self, asked: Nodes, layers: int) -> Reading:
        """Read the whole graph."""
        whole = Block(self.nodes, self.interests, self.friends, self.adopters)
        return Reading(self.nodes, (whole,) * layers, (asked,) * (layers + 1))

    def sampled(self, asked: Nodes, layers: int, most: int, rng: np.random.Generator) -> Reading:
        """Read at most so many neighbours of each kind of a node, drawn for each layer."""
        reached: list[Nodes] = [asked]
        blocks: list[Block] = []
        for _ in range(layers):
            now = reached[0]
            block = self.block(now)
            interests, friends, adopters = (
                lists.capped(most, rng) for lists in (block.interests, block.friends, block.adopters)
            )
            before = Nodes(
                np.unique(np.concatenate([now.users, friends.at, adopters.at])),
                np.unique(np.concatenate([now.items, interests.at])),
            )
            placed = Block(
                now.within(before),
                Lists(interests.indptr, np.searchsorted(before.items, interests.at)),
                Lists(friends.indptr, np.searchsorted(before.users, friends.at)),
                Lists(adopters.indptr, np.searchsorted(before.users, adopters.at)),
            )
            reached, blocks = [before, *reached], [placed, *blocks]
        return Reading(reached[0], tuple(blocks), tuple(asked.within(nodes) for nodes in reached))


def followed(data: UserItemData) -> csr_array:
    """float32 `[users, users]`: 1 where the user of the row follows that of the column; nobody follows themselves."""
    friends = friends_of(data)
    ones = np.ones(friends.num_edges, np.float32)
    shape = (data.num_users, data.num_users)
    by_key = csr_array((ones, friends.indices, friends.indptr), shape=shape)
    place = np.asarray(data.users.order.ranks(np.arange(data.num_users)))
    return by_key[place][:, place]


def _lists(edges: csr_array) -> Lists:
    edges.sort_indices()
    return Lists(edges.indptr.astype(np.int64), edges.indices.astype(np.int64))
