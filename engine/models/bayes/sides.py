"""What the model reads of users and of items, as matrices: who they are, their ratings' other ends, a user's friends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array, hstack

from engine.models.friends import followed
from engine.models.taught import Places
from engine.models.user_item import UserItemData
from engine.sampling.friends import Friendship
from engine.types import IndexArray

USERS, ITEMS, FOLLOWED = "users", "items", "followed"


@dataclass(frozen=True, slots=True)
class Side:
    """The features of one side.

    Attributes:
        matrix: float64 `[nodes, features]`, rows those of the data. The last column marks the nodes that have none of their own.
        groups: the columns of one kind, each with a prior of its own; the first are the nodes themselves.
    """

    matrix: csr_array
    groups: tuple[slice, ...]


def sides_of(data: UserItemData, ids: dict[str, tuple[str, ...]], friendship: Friendship) -> tuple[Side, Side]:
    """Both sides of some data.

    A list of n nodes has 1 / sqrt(n) in each of its columns (Koren, KDD'08). A node that is not among the ids is no feature.

    Args:
        ids: of the users and items that are features, and of the users who are one to those whose friends they are; none where that
            is empty.
    """
    known = data.known()
    users, items = (Places.of(ids[name], nodes) for name, nodes in ((USERS, data.users), (ITEMS, data.items)))
    of_users = [_own(users), _listed(known.user, known.item, items, data.num_users)]
    if ids[FOLLOWED]:
        source, target = followed(data, friendship).nonzero()
        of_users.append(_listed(source, target, Places.of(ids[FOLLOWED], data.users), data.num_users))
    of_items = [_own(items), _listed(known.item, known.user, users, data.num_items)]
    return _side(of_users, users), _side(of_items, items)


def _side(parts: list[csr_array], own: Places) -> Side:
    ends = np.cumsum([0, *(part.shape[1] for part in parts)]).tolist()
    groups = tuple(slice(start, stop) for start, stop in pairwise(ends))
    new = csr_array((own.column < 0).astype(np.float64)[:, None])
    return Side(csr_array(hstack([*parts, new])), groups)


def _own(places: Places) -> csr_array:
    rows = np.flatnonzero(places.taught)
    return csr_array(
        (np.ones(len(rows)), (rows, places.column[rows])),
        shape=(len(places.column), len(places.rows)),
        dtype=np.float64,
    )


def _listed(own: IndexArray, other: IndexArray, features: Places, count: int) -> csr_array:
    column = features.column[other]
    kept = column >= 0
    found = csr_array((np.ones(int(kept.sum())), (own[kept], column[kept])), shape=(count, len(features.rows)))
    found.sum_duplicates()
    found.data[:] = np.repeat(1 / np.sqrt(np.maximum(np.diff(found.indptr), 1)), np.diff(found.indptr))
    return found
