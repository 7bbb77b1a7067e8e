"""Whom each user follows, as the social models read it. Knows no model."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.graph.snapshot_csr import as_matrix, edge_rows
from engine.models.happened import follows_so_far
from engine.models.user_item import UserItemData
from engine.types import CSR, IndexArray


@runtime_checkable
class TellsRests(Protocol):
    """A method that reads friends beside ratings, and says which of them an answer rests on."""

    def rests_on(self, users: IndexArray) -> NDArray[np.str_]:
        """For each user "ratings and friends", "ratings", "friends" or "nothing"."""
        ...


def friends_of(data: UserItemData) -> CSR:
    """User -> the others they follow, each once; nobody is a friend of their own. Places in the order of the users' keys, ascending.

    A cycle of follows is as good as any other; one dated after now has not happened yet. Without a social graph nobody has a friend.
    """
    empty = np.empty(0, dtype=np.int64)
    source = target = empty
    if data.follows is not None:
        ranks, follows = data.users.order.ranks, follows_so_far(data.follows)
        source = np.asarray(ranks(edge_rows(follows)), dtype=np.int64)
        target = np.asarray(ranks(follows.indices), dtype=np.int64)
    pairs = np.unique((source * data.num_users + target)[source != target])
    source, target = np.divmod(pairs, max(data.num_users, 1))
    indptr = np.searchsorted(source, np.arange(data.num_users + 1)).astype(np.int64)
    return CSR(indptr, target.astype(np.int32))


def followed(data: UserItemData) -> csr_array:
    """float32 `[users, users]`: 1 where the user of the row follows that of the column; nobody follows themselves."""
    by_key = as_matrix(friends_of(data), data.num_users)
    place = np.asarray(data.users.order.ranks(np.arange(data.num_users)))
    return by_key[place][:, place]


def rests_on(data: UserItemData, speaks: NDArray[np.bool_]) -> NDArray[np.str_]:
    """On what an answer for each user rests, `[users]`: "ratings and friends", "ratings", "friends" or "nothing".

    Args:
        speaks: bool `[users]`, whom a model knows something of, as a friend of others. A friend who was deleted, or
            without anything known, is none to rest on.
    """
    rated = np.bincount(data.known().user, minlength=data.num_users) > 0
    followed = np.zeros(data.num_users, dtype=np.bool_)
    if data.follows is not None:
        follows = follows_so_far(data.follows)
        source, target = edge_rows(follows), follows.indices
        followed[source[(source != target) & speaks[target]]] = True
    return np.where(
        rated, np.where(followed, "ratings and friends", "ratings"), np.where(followed, "friends", "nothing")
    )


def told_of(rests: NDArray[np.str_]) -> dict[str, int]:
    """How many users rest on what."""
    return dict(zip(*(part.tolist() for part in np.unique(rests, return_counts=True)), strict=True))
