"""Who is a friend of whom, and how strong the tie is, as the social models read it. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.errors import ConfigError
from engine.graph.snapshot_csr import edge_rows
from engine.models.happened import follows_so_far
from engine.models.user_item import UserItemData
from engine.sampling.friends import Friendship, weights
from engine.types import CSR, IndexArray


@runtime_checkable
class TellsRests(Protocol):
    """A method that reads friends beside ratings, and says which of them an answer rests on."""

    def rests_on(self, users: IndexArray) -> NDArray[np.str_]:
        """For each user "ratings and friends", "ratings", "friends" or "nothing"."""
        ...


def check_setting(model: str, friendship: str) -> None:
    """Raise ConfigError for a friendship that there is not, set for some model."""
    if friendship not in get_args(Friendship):
        raise ConfigError(f"{model}: friendship must be {', '.join(get_args(Friendship))}, not {friendship!r}")


def friendship_in(settings: Mapping[str, Any]) -> Friendship:
    """Whom a method of these settings has as a user's friends; "both" where the parts of an ensemble differ."""
    if "friendship" in settings:
        found: Friendship = settings["friendship"]
        return found
    named = {"following", *(friendship_in(part) for part in settings.get("settings", {}).values())}
    return "following" if len(named) == 1 else "both"


def ties(follows: CSR, friendship: Friendship = "following") -> csr_array:
    """float32 `[users, users]`, sorted: the weight of each user's tie to each friend, that of the strongest follow between them.

    A follow whose weight is not above 0 is no tie, one without a weight counts as 1, and nobody is a friend of their own.

    Args:
        follows: user -> the users they follow.
        friendship: who is a friend: whom a user follows, who follows them, or both, which is the undirected graph.
    """
    users, weight = follows.num_rows, weights(follows)
    kept = (weight > 0) & (edge_rows(follows) != follows.indices)
    found = _matrix(weight[kept], follows.indices[kept], _places(kept)[follows.indptr], users)
    found.sort_indices()
    row = np.repeat(np.arange(users), np.diff(found.indptr))
    first = np.ones(found.nnz, np.bool_)
    first[1:] = (row[1:] != row[:-1]) | (found.indices[1:] != found.indices[:-1])
    strongest = np.maximum.reduceat(found.data, np.flatnonzero(first))
    found = _matrix(strongest, found.indices[first], _places(first)[found.indptr], users)
    if friendship == "following":
        return found
    back = found.T.tocsr()
    return back if friendship == "followers" else csr_array(found.maximum(back))


def followed(data: UserItemData, friendship: Friendship = "following") -> csr_array:
    """The same of some data; a follow dated after now has not happened yet, and without a social graph nobody has a friend."""
    if data.follows is None:
        return csr_array((data.num_users, data.num_users), dtype=np.float32)
    return ties(follows_so_far(data.follows), friendship)


def friends_of(data: UserItemData, friendship: Friendship = "following") -> CSR:
    """User -> their friends, each once, with the weight of the tie. Places in the order of the users' keys, ascending.

    A cycle of follows is as good as any other.
    """
    by_key = followed(data, friendship)[data.users.rows_by_key][:, data.users.rows_by_key]
    by_key.sort_indices()
    return CSR(by_key.indptr.astype(np.int64), by_key.indices.astype(np.int32), value=by_key.data)


def rests_on(data: UserItemData, speaks: NDArray[np.bool_], friendship: Friendship = "following") -> NDArray[np.str_]:
    """On what an answer for each user rests, `[users]`: "ratings and friends", "ratings", "friends" or "nothing".

    Args:
        speaks: bool `[users]`, whom a model knows something of, as a friend of others. A friend who was deleted, or
            without anything known, is none to rest on.
    """
    rated = np.bincount(data.known().user, minlength=data.num_users) > 0
    heard = followed(data, friendship) @ speaks.astype(np.float32) > 0
    return np.where(rated, np.where(heard, "ratings and friends", "ratings"), np.where(heard, "friends", "nothing"))


def told_of(rests: NDArray[np.str_]) -> dict[str, int]:
    """How many users rest on what."""
    return dict(zip(*(part.tolist() for part in np.unique(rests, return_counts=True)), strict=True))


def _matrix(weight: NDArray[np.float32], friend: IndexArray, indptr: NDArray[np.int64], users: int) -> csr_array:
    return csr_array((weight, friend, indptr), shape=(users, users))


def _places(kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 `[E + 1]`, how many entries before each are kept."""
    return np.concatenate([[0], np.cumsum(kept)])
