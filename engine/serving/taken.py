"""What the graph as it stands knows of one user or one item, and the model's data with it. Knows no method and no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.graph.snapshot import NodeTable
from engine.graph.snapshot_columns import FieldColumn
from engine.models.user_graph import OwnFollows, with_item, with_user
from engine.models.user_item import UserItemData
from engine.sampling.friends import Friendship
from engine.serving.embed_new import field_columns, plain_fields

MOST = 1000
"""So many of the users who have an item are read."""


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


@dataclass(frozen=True, slots=True)
class TakenBy:
    """Who has an item.

    Attributes:
        users: ids of those who took it up first, at most `MOST`, in the order in which their edges were written.
        ratings: what they gave it; NaN where they gave none.
        times: when, epoch ms; -1 where that is not known.
        count: how many edges it has in all.
        properties: the item's own.
    """

    users: tuple[str, ...]
    ratings: tuple[float, ...]
    times: tuple[int, ...]
    count: int
    properties: Mapping[str, Any]

    def added_to(self, data: UserItemData, item: str, *, unrated: bool, but: str | None = None) -> UserItemData:
        """Data in which these users have the item, as far as it knows them: in a row without an edge where it knows none.

        Args:
            data: no edge of the item is known in it.
            unrated: take edges without a rating too.
            but: a user whose own edge is left out.

        Raises:
            InputError: a field of the item holds what is not of its kind.
        """
        rows, ratings = data.users.index_of(list(self.users)), np.array(self.ratings, np.float32)
        known = (rows >= 0) & (unrated | ~np.isnan(ratings)) & np.array([user != but for user in self.users], np.bool_)
        fields: Mapping[str, FieldColumn] = {}
        if int(data.items.index_of([item])[0]) < 0:
            fields = field_columns(plain_fields(self.properties, data.items.fields), data.items.fields)
        times = np.array(self.times, np.int64)
        return with_item(data, item, rows[known].astype(np.int32), ratings[known], times[known], fields)

    def told(self, used: int) -> str:
        """How much it is, in words.

        Args:
            used: how many of these edges the data could take in.
        """
        if not self.count:
            return "no ratings of the item"
        read = f"{used:,}" if used == self.count else f"{used:,} of {self.count:,}"
        return f"{read} ratings of the item"


FindTakers = Callable[[list[str], int, int], list[list[tuple[str, int]]]]
"""Looks up in the graph as it stands who took up items last: their ids, before which epoch ms, how many of each. Users' ids and
times, oldest first, for each item."""

FindTaken = Callable[[str, str, int, Friendship], Taken | None]
"""Looks up in the graph as it stands who has items: id, "interactions" or, for a context, "saves", before which epoch ms, and who is a
friend; None where there is no such node."""

FindTakenBy = Callable[[str, str], TakenBy | None]
"""The same of who has one item: its id, and "interactions" or "saves"."""
