"""Recent neighbours and friends before a time, asked of Neo4j, equal to those of a snapshot. Knows the queries, no model.

One round trip a question. The server cuts by time; ties and the cap on friends go by the keys of ids, which are settled
here: Cypher can neither hash an id nor mix bits, so all friends come over the wire.
A user's edges are found from the user, by the index of ids: an index of the edges' times would lead to everybody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import InputError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.queries import run
from engine.hashing import key64, keys64
from engine.sampling.friends import Friendship, check_friendship, directions, lowest
from engine.settings import GraphMapping


@dataclass(frozen=True, slots=True)
class LiveTimes:
    """Questions about who was connected to whom before a time.

    All raise UnknownNodeError for an id that is not there, and InputError for a limit below 1 or not one time for each id.
    """

    graph: Graph
    mapping: GraphMapping

    def recent_items(self, users: Sequence[str], before: Sequence[int], most: int) -> list[list[tuple[str, int]]]:
        """Each user's last items before a time (epoch ms), at most `most`, with their times, oldest first."""
        return self._recent("sample/recent_items", "user", users, before, most)

    def recent_users(self, items: Sequence[str], before: Sequence[int], most: int) -> list[list[tuple[str, int]]]:
        """Each item's last users before a time (epoch ms), at most `most`, with their times, oldest first."""
        return self._recent("sample/recent_users", "item", items, before, most)

    def friends(
        self, users: Sequence[str], before: Sequence[int], most: int, seed: int, friendship: Friendship = "following"
    ) -> list[list[str]]:
        """Each user's friends before a time (epoch ms), at most `most`, as the seed draws them; see `engine.sampling.friends`.

        Raises:
            UnknownNameError: no such friendship.
        """
        check_friendship(friendship)
        rows = self._ask("sample/friends", "user", users, before, most, **directions(friendship))
        found = [rows[place]["friends"] for place in range(len(users))]
        place = np.repeat(np.arange(len(users)), [len(friends) for friends in found])
        named = [friend for friends in found for friend in friends]
        kept = lowest(place, keys64(users)[place], keys64(named), most, seed)
        answers: list[list[str]] = [[] for _ in users]
        for at in kept.tolist():
            answers[place[at]].append(named[at])
        return answers

    def _recent(
        self, query: str, what: str, ids: Sequence[str], before: Sequence[int], most: int
    ) -> list[list[tuple[str, int]]]:
        rows = self._ask(query, what, ids, before, most, most=most)
        answers = []
        for place in range(len(ids)):
            pairs = zip(rows[place]["neighbours"], rows[place]["times"], strict=True)
            answers.append(sorted(pairs, key=lambda pair: (pair[1], key64(pair[0])))[-most:])
        return answers

    def _ask(
        self, query: str, what: str, ids: Sequence[str], before: Sequence[int], limit: int, **more: Any
    ) -> dict[int, dict[str, Any]]:
        if limit < 1 or len(ids) != len(before):
            raise InputError(
                f"most must be at least 1, and each {what} needs a time; got {limit}, {len(ids)} and {len(before)}"
            )
        found = run(self.graph, query, mapping=self.mapping, ids=list(ids), before=list(before), **more)
        rows = {row["place"]: row for row in found}
        for place, name in enumerate(ids):
            if place not in rows:
                raise UnknownNodeError(f"there is no {what} {name!r} in the graph")
        return rows
