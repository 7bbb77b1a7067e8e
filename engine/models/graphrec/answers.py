"""What a trained GraphRec says about a graph: that of training, or a later one with new nodes, ratings and follows.

All that is known of a node's neighbours is read, nothing is drawn. A node that came after training has no vector of its own, and is
answered from what its neighbours say. Knows no training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import InputError
from engine.graph.snapshot_columns import NodeTable
from engine.models.attention.lists import Ints, Lists
from engine.models.friends import rests_on
from engine.models.graphrec.files import Trained
from engine.models.graphrec.model import Graphrec
from engine.models.graphrec.neighbours import SocialGraph, Start
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray

CHUNK = 50_000
"""Neighbours read at once; a node that has more is read alone."""
PAIRS = 65_536
"""Pairs rated at once."""


@dataclass(frozen=True, slots=True)
class Read:
    """What the pass forward read; users and items are places in the order of their keys.

    Attributes:
        graph: ratings and friends.
        users, items: float32 `[users, D]` and `[items, D]`, what was learned of each.
        histories: float32 `[users, D]`, what each user's ratings say.
        place: the place of each row of the data's users, and of its items.
    """

    graph: SocialGraph
    users: Tensor
    items: Tensor
    histories: Tensor
    place: tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything that a pair's answer needs; rows are those of the data's tables.

    Attributes:
        model: rates two vectors.
        users, items: float32 `[users, D]` and `[items, D]`.
        tastes: float32 `[users, D]` and `[items, D]`, whose products are added; None where they are not asked for.
        start: what predictions start from.
        bounds: the lowest and the highest level.
        rests: on what an answer for each user rests.
        read: what they were made of.
    """

    model: Graphrec
    users: Tensor
    items: Tensor
    tastes: tuple[Tensor, Tensor] | None
    start: Start
    bounds: tuple[float, float]
    rests: NDArray[np.str_]
    read: Read

    @torch.no_grad()
    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`, within the bounds."""
        found = self.start.mean + self.start.users[users] + self.start.items[items]
        for first in range(0, len(users), PAIRS):
            part = slice(first, first + PAIRS)
            user, item = (torch.from_numpy(np.asarray(rows[part], dtype=np.int64)) for rows in (users, items))
            found[part] += self.model.rate(self.users[user], self.items[item]).numpy()
            if self.tastes is not None:
                found[part] += (self.tastes[0][user] * self.tastes[1][item]).sum(1).numpy()
        return np.asarray(np.clip(found, *self.bounds), dtype=np.float32)


@torch.no_grad()
def answers(trained: Trained, data: UserItemData) -> Answers:
    """One pass forward over all that is known of some data.

    Raises:
        InputError: other levels than in training.
        TrainingError: the data has no ratings.
        DataError: a rating that is none of the levels.
    """
    if tuple(data.levels) != trained.levels:
        raise InputError(f"graphrec: trained on the levels {trained.levels}, not on {tuple(data.levels)}")
    model, config = trained.model.eval(), trained.model.config
    graph = SocialGraph.of(data, data.known(), config)
    ratings = graph.ratings
    user_table, item_table = (
        _on(table, nodes, ids)
        for table, nodes, ids in zip((model.users, model.items), (data.users, data.items), trained.ids, strict=True)
    )
    histories = torch.cat(
        [
            model.rated(item_table, user_table[rows], lists, ratings.item[lists.at], ratings.level[lists.at])
            for rows, lists in _chunks(graph.user_indptr, graph.of_users)
        ]
    )
    users = torch.cat(
        [
            model.user(histories[rows], (histories[lists.at], user_table[rows], lists) if config.social else None)
            for rows, lists in _chunks(graph.friends.indptr, graph.friends_of)
        ]
    )
    items = torch.cat(
        [
            model.raters(user_table, item_table[rows], lists, ratings.user[lists.at], ratings.level[lists.at])
            for rows, lists in _chunks(graph.item_indptr, graph.of_items)
        ]
    )
    start = graph.start(config)
    user_row, item_row = (
        np.asarray(nodes.order.ranks(np.arange(len(nodes))), dtype=np.int64) for nodes in (data.users, data.items)
    )
    tastes = None
    if config.tastes:
        says, asked = (_on(one, data.items, trained.ids[1]) for one in (model.tastes.says, model.tastes.asked))
        all_of = graph.of_users(np.arange(ratings.num_users))
        of_users = model.tastes(says, all_of, ratings.item, graph.left(start, all_of.at))
        tastes = of_users[torch.from_numpy(user_row)], asked[torch.from_numpy(item_row)]
    speaks = np.diff(graph.user_indptr)[user_row] > 0
    rests = rests_on(data, speaks if config.social else np.zeros_like(speaks), config.friendship)
    return Answers(
        model=model,
        users=users[torch.from_numpy(user_row)],
        items=items[torch.from_numpy(item_row)],
        tastes=tastes,
        start=Start(start.mean, start.users[user_row], start.items[item_row]),
        bounds=(trained.levels[0], trained.levels[-1]),
        rests=rests,
        read=Read(graph, user_table, item_table, histories, (user_row, item_row)),
    )


def _chunks(indptr: Ints, read: Callable[[Ints], Lists]) -> Iterator[tuple[Ints, Lists]]:
    """All rows in order, about `CHUNK` neighbours at once."""
    first, count = 0, len(indptr) - 1
    while first < count:
        stop = int(np.searchsorted(indptr, indptr[first] + CHUNK, side="right")) - 1
        stop = min(max(stop, first + 1), first + CHUNK, count)
        rows = np.arange(first, stop)
        yield rows, read(rows)
        first = stop


def _on(table: Tensor, nodes: NodeTable, ids: tuple[str, ...]) -> Tensor:
    """Vectors of some nodes in the order of their keys; 0 for those that training had not."""
    rows = nodes.index_of(ids)
    known = np.flatnonzero(rows >= 0)
    found = torch.zeros(len(nodes), table.shape[1])
    place = np.asarray(nodes.order.ranks(rows[known]), dtype=np.int64)
    found[torch.from_numpy(place)] = table[torch.from_numpy(known)]
    return found
