"""Steps of an epoch of GraphRec's training, beside the same network as it is usually written in PyG.

    python -m tests.benchmarks.bench_graphrec [--data DIR --steps 20 --threads 2]

The peer is given the lists that the engine drew, makes a sub-graph of each target of them in Python and collates those, as public
implementations do; then it gathers both ends of each edge, joins their vectors for a layer, takes PyG's softmax and scatters the
sums. Beside that stands its network on lists that the targets of a step share, as the engine's do. DIR is a data set folder with
ratings and follows, such as ciao converted; without it a graph of that size is drawn. All steps of an epoch have as many targets, so
the first ones tell what it takes; 0 steps time it whole. The bar: at least 2 x faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch as Collated
from torch_geometric.data import HeteroData
from torch_geometric.utils import scatter, softmax

from engine.models.attention.lists import Lists
from engine.models.graphrec.config import GraphrecSettings
from engine.models.graphrec.model import Graphrec, Opinions, Pooling, Sizes, bent
from engine.models.graphrec.neighbours import SocialGraph
from engine.models.graphrec.task import Batch, GraphrecTask
from engine.training.loop import train
from tests.benchmarks.beside import KEPT, FirstSteps, asked_for, beside, epoch
from tests.benchmarks.drawn_users import drawn, stored

RATED, FRIEND, RATER = ("rated", "by", "reader"), ("reader", "of", "asked"), ("rater", "of", "item")


@dataclass(frozen=True, slots=True)
class Read:
    """What the usual network reads: edges by where they come from and lead, rows of the tables, and what is predicted."""

    readers: Tensor
    asked: Tensor
    rated: tuple[Tensor, Tensor, Tensor]
    friends: tuple[Tensor, Tensor]
    items: Tensor
    raters: tuple[Tensor, Tensor, Tensor]
    pair: tuple[Tensor, Tensor]
    left: Tensor
    start: Tensor
    rating: Tensor


class Ours(FirstSteps, GraphrecTask):
    """The training, a few steps long."""


class Shared(Ours):
    """The usual network on lists that the targets share."""

    def batch(self, step: int) -> Read:
        batch, ratings = super().batch(step), self.graph.ratings

        def said(lists: Lists, other: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
            return tensors(other[lists.at], ratings.level[lists.at], lists.owner)

        return Read(
            *tensors(batch.users, batch.asked),
            said(batch.rated, ratings.item),
            tensors(batch.friends.at, batch.friends.owner),
            *tensors(batch.items),
            said(batch.raters, ratings.user),
            batch.pair,
            left_of(batch),
            batch.start,
            batch.rating,
        )

    def loss(self, read: Any) -> Tensor:
        model = self.model
        own = model.users[read.readers]
        histories = told(model.rated, model.items, own, *read.rated)
        source, to = read.friends
        friends = pooled(model.friends, histories[source], own[read.asked], to)
        users = bent(model.joined(torch.cat([histories[read.asked], friends], dim=1)))
        items = told(model.raters, model.users, model.items[read.items], *read.raters)
        rated, to = read.rated[0], read.rated[2]
        tastes, size = model.tastes, {"dim_size": len(own), "reduce": "sum"}
        says = scatter(read.left[:, None] * tastes.says[rated], to, **size)
        says = (says / (scatter(torch.ones(len(to)), to, **size) + tastes.damping)[:, None])[read.asked]
        found = read.start + model.rate(users[read.pair[0]], items[read.pair[1]])
        found = found + (says[read.pair[0]] * tastes.asked[read.items][read.pair[1]]).sum(1)
        return (found - read.rating).square().mean()


class Usual(Shared):
    """The same steps as they are usually written: a sub-graph for each target, collated."""

    def batch(self, step: int) -> Read:
        batch = Ours.batch(self, step)
        found = Collated.from_data_list(self.sub_graphs(batch))
        every = torch.arange(len(batch.rating))
        return Read(
            found["reader"].row,
            found["reader"].ptr[:-1],
            (found["rated"].row, found["rated"].level, found[RATED].edge_index[1]),
            (found[FRIEND].edge_index[0], found[FRIEND].edge_index[1]),
            found["item"].row,
            (found["rater"].row, found["rater"].level, found[RATER].edge_index[1]),
            (every, every),
            found["rated"].left,
            batch.start,
            batch.rating,
        )

    def sub_graphs(self, batch: Batch) -> list[HeteroData]:
        """A graph for each target: who is asked and their friends, what these rated, and who rated the item."""
        ratings, left, found = self.graph.ratings, left_of(batch).numpy(), []
        for user, item in zip(*(end.tolist() for end in batch.pair), strict=True):
            friends = entries(batch.friends, batch.friends.at, user)
            readers = [int(batch.asked[user]), *friends.tolist()]
            lists = [entries(batch.rated, batch.rated.at, reader) for reader in readers]
            rated, raters = np.concatenate(lists), entries(batch.raters, batch.raters.at, item)
            of = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
            made = HeteroData()
            made["reader"].row, *_ = tensors(batch.users[readers])
            made["rated"].row, made["rated"].level = tensors(ratings.item[rated], ratings.level[rated])
            (made["rated"].left,) = tensors(np.concatenate([entries(batch.rated, left, one) for one in readers]))
            made["rater"].row, made["rater"].level = tensors(ratings.user[raters], ratings.level[raters])
            made["item"].row, *_ = tensors(batch.items[[item]])
            for name, count in (("reader", len(readers)), ("rated", len(rated)), ("rater", len(raters))):
                made[name].num_nodes = count
            made["item"].num_nodes = made["asked"].num_nodes = 1
            made[RATED].edge_index, made[FRIEND].edge_index, made[RATER].edge_index = tensors(
                np.stack([np.arange(len(rated)), of]),
                np.stack([np.arange(1, len(readers)), np.zeros(len(friends), np.int64)]),
                np.stack([np.arange(len(raters)), np.zeros(len(raters), np.int64)]),
            )
            found.append(made)
        return found


def tensors(*arrays: np.ndarray) -> tuple[Tensor, ...]:
    """Arrays as tensors."""
    return tuple(torch.from_numpy(one) for one in arrays)


def left_of(batch: Batch) -> Tensor:
    """What each rating that a step reads leaves over of the biases."""
    assert batch.left is not None
    return batch.left


def entries(lists: Lists, of: np.ndarray, one: int) -> np.ndarray:
    """What an array has for the entries of one list."""
    return of[lists.indptr[one] : lists.indptr[one + 1]]


def told(ours: Opinions, table: Tensor, own: Tensor, other: Tensor, level: Tensor, to: Tensor) -> Tensor:
    """`Opinions` over gathered ends, with its weights."""
    weight = torch.cat([ours.of_vector.weight, ours.of_opinion.weight], dim=1)
    both = torch.cat([table[other], ours.opinion[level]], dim=1)
    value = bent(ours.second(bent(nn.functional.linear(both, weight, ours.of_vector.bias))))
    return pooled(ours.pooling, value, own, to)


def pooled(ours: Pooling, value: Tensor, own: Tensor, to: Tensor) -> Tensor:
    """`Pooling` over gathered ends, with its weights."""
    attention = ours.attention
    weight = torch.cat([attention.of_value.weight, attention.of_own.weight], dim=1)
    both = nn.functional.linear(torch.cat([value, own[to]], dim=1), weight, attention.of_value.bias)
    share = softmax(attention.score(bent(both)), to, num_nodes=len(own))
    return bent(ours.out(scatter(share * value, to, dim_size=len(own), reduce="sum")))


def main() -> None:
    """Print s a step of both, and of their networks alone on shared lists."""
    given = asked_for(__doc__)
    data = drawn(7_375, 106_797, 280_000, 110_000) if given.data is None else stored(given.data)
    settings = GraphrecSettings.from_flat({"epochs": 1})
    graph = SocialGraph.of(data, data.train, settings.network)
    sizes = Sizes(data.num_users, data.num_items, graph.ratings.num_levels)

    def task(kind: type[Ours]) -> Ours:
        torch.manual_seed(0)
        found = kind(Graphrec(settings.network, sizes, settings.training.dropout), graph, settings)
        found.steps = given.steps
        return found

    def whole(kind: type[Ours]) -> float:
        return train(task(kind), settings.loop).losses[-1]

    print(
        f"{data.num_users:,} users, {data.num_items:,} items, {len(data.train):,} ratings, "
        f"{len(graph.friends.at):,} follows, {settings.training.batch_size} targets a step"
    )
    whole(Ours)  # compiles
    both = task(Ours), task(Shared)
    took = beside("a step", lambda: whole(Ours), lambda: whole(Usual), per=both[0].steps_an_epoch)
    epoch(took, both[0].all_steps)
    batches = [[one.batch(step) for step in range(given.steps or KEPT)] for one in both]

    def network(side: int) -> float:
        torch.manual_seed(1)
        one = both[side]
        for batch in batches[side]:
            one.model.zero_grad()
            loss = one.loss(batch)
            loss.backward()
        return loss.item()

    beside(
        "a step of the networks alone, on shared lists", lambda: network(0), lambda: network(1), len(batches[0]), None
    )


if __name__ == "__main__":
    main()
