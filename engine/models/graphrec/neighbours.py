"""Whose ratings a step reads: histories of users and items, and friends, in packed lists. Knows no network.

Users and items are places in the order of their keys. A friend without a rating has nothing to say and is left out: one who
was deleted, or who never rated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models.attention.lists import Ints, Lists, Mask, rows_of
from engine.models.friends import friends_of
from engine.models.gcmc.graph import RatingGraph, rating_graph
from engine.models.graphrec.config import GraphrecConfig
from engine.models.user_item import UserItemData, UserItemEdges

TURNS = 10
"""How often biases of users and items take turns; they hardly move after that."""


@dataclass(frozen=True, slots=True)
class Start:
    """The mean of the ratings, and how far users and items are above it, damped: float64 `[users]` and `[items]`."""

    mean: float
    users: NDArray[np.float64]
    items: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SocialGraph:
    """Ratings by user and by item, and friends.

    Attributes:
        ratings: sorted by user, then item.
        user_indptr: int64 `[users + 1]`, the ratings of each user.
        item_indptr, item_order: int64 `[items + 1]` and `[E]`, the positions of the ratings of each item.
        pair: int64 `[E]`, the same for repeated ratings of one item by one user.
        friends: the friends of each user who rated something.
    """

    ratings: RatingGraph
    user_indptr: Ints
    item_indptr: Ints
    item_order: Ints
    pair: Ints
    friends: Lists

    @staticmethod
    def of(data: UserItemData, edges: UserItemEdges, config: GraphrecConfig) -> SocialGraph:
        """Lay out some of the edges of some data, and the friends.

        Raises:
            TrainingError: there are no edges, or no ratings or levels.
            DataError: a rating that is none of the levels, naming user and item.
        """
        found = rating_graph(data, edges, "graphrec")
        item_order = np.argsort(found.item, kind="stable")
        new = np.ones(len(found), dtype=np.bool_)
        new[1:] = (np.diff(found.user) != 0) | (np.diff(found.item) != 0)
        user_indptr = np.searchsorted(found.user, np.arange(found.num_users + 1))
        all_friends = friends_of(data, config.friendship)
        speaks = np.diff(user_indptr)[all_friends.indices] > 0
        friends = Lists(all_friends.indptr, all_friends.indices.astype(np.int64)).only(speaks)
        if config.weighted:
            assert all_friends.value is not None
            friends = friends.weighed(all_friends.value[speaks])
        return SocialGraph(
            ratings=found,
            user_indptr=user_indptr,
            item_indptr=np.searchsorted(found.item[item_order], np.arange(found.num_items + 1)),
            item_order=item_order,
            pair=np.cumsum(new) - 1,
            friends=friends,
        )

    def without(self, targets: Ints) -> Mask:
        """bool `[E]`, the ratings that may be read while some are predicted: all but those of the same pairs."""
        asked = np.zeros(self.pair[-1] + 1, dtype=np.bool_)
        asked[self.pair[targets]] = True
        return ~asked[self.pair]

    def of_users(self, users: Ints) -> Lists:
        """The positions of the ratings of some users."""
        return rows_of(self.user_indptr, None, users)

    def of_items(self, items: Ints) -> Lists:
        """The positions of the ratings of some items."""
        return rows_of(self.item_indptr, self.item_order, items)

    def friends_of(self, users: Ints) -> Lists:
        """The friends of some users."""
        return self.friends.rows(users)

    def start(self, config: GraphrecConfig, read: Mask | None = None) -> Start:
        """What predictions start from, by all ratings or by some, bool `[E]`."""
        graph, some = self.ratings, slice(None) if read is None else read
        user, item = graph.user[some], graph.item[some]
        above = graph.levels[graph.level[some]].astype(np.float64)
        mean = float(above.mean()) if len(above) else 0.0
        above -= mean
        user_bias, item_bias = np.zeros(graph.num_users), np.zeros(graph.num_items)
        rated = np.bincount(user, minlength=graph.num_users) + config.user_damping
        raters = np.bincount(item, minlength=graph.num_items) + config.item_damping
        for _ in range(TURNS if config.biases else 0):
            item_bias = np.bincount(item, above - user_bias[user], minlength=graph.num_items) / raters
            user_bias = np.bincount(user, above - item_bias[item], minlength=graph.num_users) / rated
        return Start(mean, user_bias, item_bias)

    def left(self, start: Start, at: Ints) -> Tensor:
        """What some ratings leave over of what a prediction starts from, float32 `[len(at)]`."""
        graph = self.ratings
        known = start.mean + start.users[graph.user[at]] + start.items[graph.item[at]]
        return torch.from_numpy((graph.levels[graph.level[at]] - known).astype(np.float32))
