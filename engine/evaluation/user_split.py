"""Split the edges of users and items into training, validation and test, so that nothing in training gives a test edge away.

Every drawn choice hashes the seed with the external ids' keys: the same data gives the same split however its rows are
ordered. Repeated edges of one pair go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError, UnknownNameError
from engine.evaluation.draws import draw
from engine.evaluation.user_world import UserItemWorld
from engine.graph.snapshot_csr import NO_TIME, cut, edge_rows
from engine.models.user_item import UserItemData, UserItemEdges, joined
from engine.types import CSR, KeyArray, TimeArray

Mask = NDArray[np.bool_]
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class UserItemSplit:
    """One seed's split.

    Attributes:
        world: what was split.
        training: all that methods may see.
        test: what they are asked for.
    """

    world: UserItemWorld
    training: UserItemData
    test: UserItemEdges

    def facts(self) -> dict[str, int]:
        """Sizes worth printing beside the figures."""
        known = self.training.known()
        return {
            "training_edges": len(self.training.train),
            "validation_edges": len(self.training.valid),
            "test_edges": len(self.test),
            "test_users": len(np.unique(self.test.user)),
            "test_users_unseen": len(np.setdiff1d(self.test.user, known.user)),
            "test_items_unseen": len(np.setdiff1d(self.test.item, known.item)),
        }


@dataclass(frozen=True, slots=True)
class Parts:
    """The edges of a split before anything is checked; `valid` is None where it is still to be carved out of `train`.

    Attributes:
        until: int64 `[users]` epoch ms, from when on what each user does is not known; None where the split goes by no time.
    """

    train: UserItemEdges
    test: UserItemEdges
    valid: UserItemEdges | None = None
    until: TimeArray | None = None


def make_split(
    world: UserItemWorld, parts: Parts, seed: int, valid_share: float, levels: tuple[float, ...] = ()
) -> UserItemSplit:
    """Carve validation where it is missing, look for leaks, and put together what methods see.

    Args:
        levels: the ratings that can be given; empty takes those of the training edges.

    Raises:
        DataError: no training or no test edge is left, or the split leaks.
    """
    train, valid, test = parts.train, parts.valid, parts.test
    if valid is None:
        chosen = pair_draw(world, train, seed, "valid") < _threshold(valid_share)
        train, valid = train.only(~chosen), train.only(chosen)
    for what, edges in (("training", train), ("test", test)):
        if not len(edges):
            raise DataError(f"the split has no {what} edges", hint="Give the protocol another share, or the data more.")
    follows = world.follows
    if follows is not None:
        follows = cut(follows, ~_late_follows(follows, parts.until))
    check_no_leak(world, train, valid, test, follows, parts.until)
    rated = joined(train, valid).rating
    if not levels and rated is not None:
        levels = tuple(float(level) for level in np.unique(rated[~np.isnan(rated)]))
    training = UserItemData(train, world.users, world.items, valid, levels, follows, seed)
    return UserItemSplit(world, training, test)


def check_no_leak(
    world: UserItemWorld,
    train: UserItemEdges,
    valid: UserItemEdges,
    test: UserItemEdges,
    follows: CSR | None = None,
    until: TimeArray | None = None,
) -> None:
    """Look for a held-out pair that the training graph still connects, and for a follow that came too late for it.

    Args:
        follows: what is left of those of the world.
        until: see `Parts`.

    Raises:
        DataError: a test or validation pair is among the edges before it, the user's own boards hold the item, or a user
            follows somebody since a time from when on nothing is known of them.
    """
    if follows is not None and (late := _late_follows(follows, until)).any():
        user = world.users.ids[int(edge_rows(follows)[late][0])]
        raise DataError(
            f"the split leaks: user {user!r} is asked before they follow somebody whom training has them follow "
            f"({late.sum():,} such follows)",
            hint="Take the later follows out of the training part.",
        )
    for what, held, known in (
        ("test", test, joined(train, valid)),
        ("validation", valid, train),
    ):
        pairs = world.pairs(held)
        for how, reachable in (("as an edge", world.pairs(known)), ("in a board of theirs", world.boards)):
            leaked = pairs[np.isin(pairs, reachable)] if what == "test" or how == "as an edge" else pairs[:0]
            if len(leaked):
                raise DataError(
                    f"the split leaks: {world.named(leaked[0])} are a {what} pair, and training has them {how} "
                    f"({len(np.unique(leaked)):,} such pairs)",
                    hint="Take the held-out pairs out of the training part.",
                )


def tuning_split(split: UserItemSplit, valid_share: float) -> UserItemSplit:
    """The split of a search: its test edges are the validation edges, and training is carved anew. Test plays no part.

    Raises:
        DataError: there are no validation edges.
    """
    data = split.training
    if not len(data.valid):
        raise DataError("there are no validation edges to tune on", hint="Give the protocol a valid_share above 0.")
    chosen = pair_draw(split.world, data.train, data.seed, "tune") < _threshold(valid_share)
    train, valid = data.train.only(~chosen), data.train.only(chosen)
    return UserItemSplit(split.world, replace(data, train=train, valid=valid), data.valid)


def pair_draw(world: UserItemWorld, edges: UserItemEdges, seed: int, purpose: str) -> KeyArray:
    """A random uint64 for each edge, the same for edges of one pair."""
    return draw(seed, purpose, world.users.key[edges.user], world.items.key[edges.item])


def at_random(world: UserItemWorld, share: float, seed: int) -> Parts:
    """Each pair becomes a test pair with the chance `share`."""
    chosen = pair_draw(world, world.edges, seed, "test") < _threshold(share)
    return _parted(world, chosen & _free(world))


def by_user(world: UserItemWorld, share: float, seed: int) -> Parts:
    """Of each user's items a share, rounded down, and never all."""
    edges = world.edges
    pairs, first, back = np.unique(world.pairs(edges), return_index=True, return_inverse=True)
    user = edges.user[first]
    order = np.lexsort((pair_draw(world, edges, seed, "test")[first], user))
    size = np.bincount(user, minlength=len(world.users))
    place = np.empty(len(pairs), np.int64)
    place[order] = np.arange(len(pairs)) - np.repeat(np.cumsum(size) - size, size)
    chosen = place < np.floor(share * size[user] + 1e-9)
    return _parted(world, chosen[back] & _free(world))


def by_time(world: UserItemWorld, share: float, seed: int) -> Parts:
    """The latest edges of all; a pair that came before is no test pair again. Follows of their time are not known.

    Raises:
        DataError: no edge has a time.
    """
    del seed
    time = _times(world)
    late = time > np.quantile(time, 1 - share)
    edges = world.edges
    fresh = ~np.isin(world.pairs(edges), world.pairs(edges.only(~late)))
    until = np.full(len(world.users), time[late].min(initial=NEVER))
    return Parts(edges.only(~late), edges.only(late & fresh & _free(world)), until=until)


DRAWN: dict[str, Callable[[UserItemWorld, float, int], Parts]] = {"random": at_random, "time": by_time, "user": by_user}
"""Splits that need no files."""


def drawn(world: UserItemWorld, how: str, share: float, seed: int) -> Parts:
    """Split by name.

    Raises:
        UnknownNameError: no such way to split.
        DataError: the data has not what the split needs.
    """
    if how not in DRAWN:
        raise UnknownNameError(f"there is no split {how!r}", hint=f"Splits without files: {', '.join(DRAWN)}.")
    return DRAWN[how](world, share, seed)


def last_out(world: UserItemWorld, min_edges: int) -> Parts:
    """Each user's last item is for test, the one before for validation. An item that a user had before is no answer. Whom they
    follow since that last item or later is not known.

    Raises:
        DataError: no edge has a time.
    """
    edges = world.edges
    order = np.lexsort((world.items.key[edges.item], _times(world), edges.user))
    edges = edges.only(order)
    _, first = np.unique(world.pairs(edges), return_index=True)
    edges = edges.only(np.sort(first))  # what comes again adds nothing
    size = np.bincount(edges.user, minlength=len(world.users))
    left = np.repeat(np.cumsum(size), size)[: len(edges)] - np.arange(len(edges))
    enough = size[edges.user] >= min_edges
    free = _free(replace(world, edges=edges))
    test, valid = enough & (left == 1) & free, enough & (left == 2)
    until, last = np.full(len(world.users), NEVER), edges.only(test)
    assert last.time is not None
    until[last.user] = np.where(last.time == NO_TIME, NEVER, last.time)
    return Parts(edges.only(~test & ~valid), last, edges.only(valid), until)


def cold_users(world: UserItemWorld, share: float, valid_share: float, given: int, seed: int) -> Parts:
    """A share of the users keeps its `given` first items (by time, else drawn) in training; the rest is for test."""
    edges = world.edges
    has = np.unique(edges.user)
    order = has[np.argsort(draw(seed, "cold users", world.users.key[has]), kind="stable")]
    when = edges.time if edges.time is not None else np.zeros(len(edges), np.int64)
    rank = np.lexsort((pair_draw(world, edges, seed, "kept"), when))
    pairs = world.pairs(edges)[rank]
    _, first = np.unique(pairs, return_index=True)
    distinct = rank[np.sort(first)]
    distinct = distinct[np.argsort(edges.user[distinct], kind="stable")]
    size = np.bincount(edges.user[distinct], minlength=len(world.users))
    place = np.arange(len(distinct)) - np.repeat(np.cumsum(size) - size, size)
    later = np.isin(world.pairs(edges), world.pairs(edges.only(distinct[place >= given])))
    return _cold(world, order, edges.user, share, valid_share, later)


def cold_items(world: UserItemWorld, share: float, valid_share: float, seed: int) -> Parts:
    """A share of the items loses all of its edges."""
    has = np.unique(world.edges.item)
    order = has[np.argsort(draw(seed, "cold items", world.items.key[has]), kind="stable")]
    return _cold(world, order, world.edges.item, share, valid_share, np.ones(len(world.edges), bool))


def _cold(
    world: UserItemWorld,
    order: NDArray[np.integer],
    node: NDArray[np.integer],
    share: float,
    valid_share: float,
    held: Mask,
) -> Parts:
    """Nodes in drawn order: the first for test, the next for validation."""
    first = max(1, round(share * len(order)))
    second = first + round(valid_share * (len(order) - first))
    test, valid = (held & np.isin(node, order[lo:hi]) for lo, hi in ((0, first), (first, second)))
    edges = world.edges
    return Parts(edges.only(~test & ~valid), edges.only(test & _free(world)), edges.only(valid))


def _parted(world: UserItemWorld, test: Mask) -> Parts:
    return Parts(world.edges.only(~test), world.edges.only(test))


def _late_follows(follows: CSR, until: TimeArray | None) -> Mask:
    """The follows of users from when on nothing is known of them. One without a time was always there."""
    if follows.time is None or until is None:
        return np.zeros(follows.num_edges, np.bool_)
    late: Mask = (follows.time != NO_TIME) & (follows.time >= until[edge_rows(follows)])
    return late


def _free(world: UserItemWorld) -> Mask:
    """Edges whose pair the user's boards do not hold: the others cannot be held out."""
    return ~np.isin(world.pairs(world.edges), world.boards)


def _times(world: UserItemWorld) -> NDArray[np.int64]:
    if world.edges.time is None:
        raise DataError(f"{world.name} has no times, which this split goes by", hint="Use a split of another kind.")
    return world.edges.time


def _threshold(share: float) -> np.uint64:
    return np.uint64(int(share * 2**64)) if share > 0 else np.uint64(0)
