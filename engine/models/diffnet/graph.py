"""Who is read for whom: users' items, items' users and users' friends, layer by layer. Knows no network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.models.attention.lists import Ints, Lists
from engine.types import FloatArray


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
class Roots:
    """Roots of numbers of neighbours, at least 1; float32.

    Attributes:
        interests: `[users]`, of a user's items.
        social: `[users]`, of a user's friends, or of those whose friend a user is.
        adopters: `[items]`, of an item's users.
    """

    interests: FloatArray
    social: FloatArray
    adopters: FloatArray

    @staticmethod
    def counted(interests: Ints, social: Ints, adopters: Ints) -> Roots:
        """Of some numbers."""
        return Roots(_root(interests), _root(social), _root(adopters))

    def of(self, nodes: Nodes) -> Roots:
        """Those of some nodes."""
        return Roots(self.interests[nodes.users], self.social[nodes.users], self.adopters[nodes.items])


@dataclass(frozen=True, slots=True)
class Block:
    """What a layer reads for some nodes; all rows are those of the vectors that the layer starts from.

    Attributes:
        nodes: whose next vectors are worked out.
        own: of these nodes; social is of their friends.
        sent: of the nodes that the layer starts from; social is of those whose friends they are.
        interests: the items of each user among them.
        friends: the friends of each user among them.
        adopters: the users of each item among them.
    """

    nodes: Nodes
    own: Roots
    sent: Roots
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
        friends: user -> their friends, never themselves.
        adopters: item -> the users who have it.
        sent: by how much less what a node sends counts, as many receive it; social is whose friend a user is.
    """

    interests: Lists
    friends: Lists
    adopters: Lists
    sent: Roots

    @staticmethod
    def of(edges: csr_array, follows: csr_array, weighted: bool = False) -> DiffusionGraph:
        """Lay edges `[users, items]` and ties `[users, users]` out, which count by their weights where that is asked for."""
        interests, friends, adopters = _lists(edges), _lists(follows), _lists(edges.T.tocsr())
        if weighted:
            friends = friends.weighed(follows.data)
        followers = np.bincount(friends.at, minlength=len(friends))
        sent = Roots.counted(interests.sizes, followers, adopters.sizes)
        return DiffusionGraph(interests, friends, adopters, sent)

    def without(self, hidden: NDArray[np.bool_]) -> DiffusionGraph:
        """Some edges left out.

        Args:
            hidden: bool `[E]`, in the order of `interests`, which is that of the users.
        """
        turned = np.lexsort((self.interests.owner, self.interests.at))  # the order of `adopters`
        return replace(self, interests=self.interests.only(~hidden), adopters=self.adopters.only(~hidden[turned]))

    @property
    def nodes(self) -> Nodes:
        """All of them."""
        return Nodes(np.arange(len(self.interests)), np.arange(len(self.adopters)))

    def block(self, nodes: Nodes) -> Block:
        """All neighbours of some nodes, for a layer that starts from the vectors of all."""
        interests, friends = self.interests.rows(nodes.users), self.friends.rows(nodes.users)
        adopters = self.adopters.rows(nodes.items)
        own = Roots.counted(interests.sizes, friends.sizes, adopters.sizes)
        return Block(nodes, own, self.sent, interests, friends, adopters)

    def everything(self, asked: Nodes, layers: int) -> Reading:
        """Read the whole graph."""
        return Reading(self.nodes, (self.block(self.nodes),) * layers, (asked,) * (layers + 1))

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
                block.own,
                self.sent.of(before),
                interests.to(np.searchsorted(before.items, interests.at)),
                friends.to(np.searchsorted(before.users, friends.at)),
                adopters.to(np.searchsorted(before.users, adopters.at)),
            )
            reached, blocks = [before, *reached], [placed, *blocks]
        return Reading(reached[0], tuple(blocks), tuple(asked.within(nodes) for nodes in reached))


def _root(count: Ints) -> FloatArray:
    return np.sqrt(np.maximum(count, 1)).astype(np.float32)


def _lists(edges: csr_array) -> Lists:
    edges.sort_indices()
    return Lists(edges.indptr.astype(np.int64), edges.indices.astype(np.int64))
