"""What led up to an interaction: a user's last items, their last users, and so on, hop by hop. Knows no model and no server.

The user's own items go by their order in the user's list; everybody else's edges must be strictly before the prediction time. So
nothing that came at or after it is reachable, and of the user's own only what stands before the target (DGSR, section 4.2). Apart
from the paper, the user is not among the users of any item: who else has it is what their own list does not tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.sampling.recent import recent
from engine.types import CSR, IndexArray, OffsetArray, TimeArray


@dataclass(frozen=True, slots=True)
class TimedGraph:
    """Interactions as `engine.sampling.recent.by_time` orders them.

    Attributes:
        items_of: users' items.
        users_of: items' users.
    """

    items_of: CSR
    users_of: CSR


@dataclass(frozen=True, slots=True)
class Hop:
    """The neighbours of the nodes of the hop before.

    Attributes:
        indptr: int64 `[N + 1]`, where those of each of the N nodes of the hop before begin.
        nodes: int32 `[M]`, rows of items in odd hops (the first is 1) and of users in even ones, oldest edge first.
        age: int64 `[M]`, how many neighbours of the same node are newer: 0 for the newest.
    """

    indptr: OffsetArray
    nodes: IndexArray
    age: OffsetArray

    @staticmethod
    def of(lists: CSR) -> Hop:
        """The hop that some lists are."""
        age = np.repeat(lists.indptr[1:], lists.degrees()) - 1 - np.arange(lists.num_edges)
        return Hop(lists.indptr, lists.indices, age)


def histories(
    graph: TimedGraph, users: IndexArray, place: OffsetArray, before: TimeArray, most: Sequence[int]
) -> list[Hop]:
    """The sub-graphs that predictions rest on, side by side.

    Args:
        users: int32 `[B]`.
        place: int64 `[B]`, how many of the user's own edges came before.
        before: int64 `[B]` epoch ms, the prediction times.
        most: for each hop, how many of a node's most recent edges are followed; one to the user of the prediction counts as one.

    Raises:
        InputError: no hop, a limit below 1, or not one place and time for each user.
    """
    if not most or min(most) < 1 or not len(users) == len(place) == len(before):
        raise InputError("histories need hops of at least 1 edge, and a place and a time for each user")
    own = graph.items_of
    end = own.indptr[users] + place
    size = np.minimum(place, most[0])
    indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    at = np.arange(indptr[-1]) + np.repeat(end - indptr[1:], size)
    found = CSR(indptr, own.indices[at])
    hops, when, whose = [Hop.of(found)], np.repeat(before, size), np.repeat(users, size)
    for number, limit in enumerate(most[1:], start=2):
        found = recent(graph.items_of if number % 2 else graph.users_of, found.indices, when, limit)
        size = found.degrees()
        when, whose = np.repeat(when, size), np.repeat(whose, size)
        if number % 2 == 0:
            others = found.indices != whose
            found = CSR(np.concatenate([[0], np.cumsum(others)])[found.indptr], found.indices[others])
            when, whose = when[others], whose[others]
        hops.append(Hop.of(found))
    return hops
