"""What the graph as it stands knows of one user, and the model's data with it. Knows no method and no server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.graph.snapshot import NodeTable
from engine.models.user_graph import OwnFollows, with_user
from engine.models.user_item import UserItemData
from engine.sampling.friends import Friendship


@dataclass(frozen=True, slots=True)
class Taken:
    """What a user has and who their friends are.

    Attributes:
        items: ids of the items they have, in the order in which they were written.
        ratings: what they gave them; NaN where they gave none.
        times: when, epoch ms; -1 where that is not known.
        friends: ids of the users they follow, or who follow them; one who does both may be there twice.
        ties: the weight of each tie, above 0.
        outward: whether it is they who follow the friend.
    """

    items: tuple[str, ...]
    ratings: tuple[float, ...]
    times: tuple[int, ...]
    friends: tuple[str, ...]
    ties: tuple[float, ...]
    outward: tuple[bool, ...]

    def rows(self, items: NodeTable) -> NDArray[np.int64]:
        """The rows of the items that there are, increasing, each once."""
        rows = items.index_of(list(self.items)).astype(np.int64)
        return np.unique(rows[rows >= 0])

    def told(self) -> str:
        """How much it is, in words."""
        found = [f"{len(self.items):,} items"] if self.items else []
        return " and ".join([*found, *([f"{len(set(self.friends)):,} friends"] if self.friends else [])])

    def added_to(self, data: UserItemData, user: str, *, unrated: bool) -> UserItemData | None:
        """Data in which the user has these items and friends, as far as it knows them; None where it knows none.

        Args:
            data: nothing is known of the user in it.
            unrated: take items without a rating too.
        """
        rows, ratings = data.items.index_of(list(self.items)), np.array(self.ratings, np.float32)
        known = (rows >= 0) & (unrated | ~np.isnan(ratings))
        friends = data.users.index_of(list(self.friends))
        there = friends >= 0
        if not known.any() and not there.any():
            return None
        follows = OwnFollows(
            friends[there], np.array(self.ties, np.float32)[there], np.array(self.outward, np.bool_)[there]
        )
        times = np.array(self.times, np.int64)
        return with_user(data, user, rows[known], ratings[known], times[known], follows)


FindTakers = Callable[[list[str], int, int], list[list[tuple[str, int]]]]
"""Looks up in the graph as it stands who took up items last: their ids, before which epoch ms, how many of each. Users' ids and
times, oldest first, for each item."""

FindTaken = Callable[[str, str, int, Friendship], Taken | None]
"""Looks up in the graph as it stands who has items: id, "interactions" or, for a context, "saves", before which epoch ms, and who is a
friend; None where there is no such node."""
