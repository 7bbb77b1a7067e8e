"""Which nodes the last layer embeds again, and which it leaves by how much: the error accounts. Embeds nothing itself.

How far a node's pooled messages moved is computed exactly: the old weights times the changes of the messages of those
neighbours that have changed, and, where the neighbourhood is another one, the current messages pooled with the new weights
less those pooled with the old. `bounds` carries that, and what the node's own inputs moved, through the layer and the head.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.embedding.bounds import ACCOUNT, APART, carried
from engine.embedding.kept import Change, FollowedModel, Kept, Limits, Moved, ScaledLayer
from engine.embedding.layerwise import BLOCK
from engine.embedding.messages import MessageTable, messages_of
from engine.embedding.reach import mark_neighbours, moved_sums
from engine.types import FloatArray, IndexArray, Neighbourhoods


@dataclass(frozen=True, slots=True)
class Shares:
    """What becomes of the nodes that a change reaches.

    Attributes:
        first: those to embed whatever the limits: never embedded before.
        then: those to embed as far as the budget goes, the most pressing first.
        reached, after: all that were reached, and the accounts `[len(reached), 3]` they have where they stay as they are;
            no rows where nothing may be left.
        left: those that stay as they are in any case.
    """

    first: IndexArray
    then: IndexArray
    reached: IndexArray
    after: FloatArray
    left: IndexArray


def share_out(
    model: FollowedModel,
    kept: Kept,
    change: Change,
    content: Moved,
    moved: Moved,
    reached: IndexArray,
    limits: Limits,
) -> Shares:
    """Share out the nodes that a change reaches.

    Args:
        content, moved: what changed of h0 and of the last layer's inputs.
        reached: int32, increasing.
    """
    none: IndexArray = np.empty(0, dtype=np.int32)
    if limits.exact:
        return Shares(reached, none, none, np.empty((0, 3), dtype=np.float32), none)
    before = kept.accounts[reached]
    after = _accounts(model, kept, change, content, moved, reached)
    wanted = np.flatnonzero(after[:, ACCOUNT] > limits.epsilon)
    new = np.isinf(before[wanted, ACCOUNT])
    first, rest = wanted[new], wanted[~new]
    owed = before[rest, ACCOUNT] > limits.epsilon
    rest = rest[np.lexsort((-after[rest, ACCOUNT], ~owed))]
    room = len(rest) if limits.max_nodes is None else max(0, limits.max_nodes - len(first))
    left = np.setdiff1d(np.arange(len(reached)), np.concatenate([first, rest[:room]]))
    return Shares(reached[first], reached[rest[:room]], reached, after, reached[left])


def take_leave(kept: Kept, shares: Shares, pending: IndexArray) -> IndexArray:
    """Write down the accounts of nodes that stay as they are.

    Args:
        pending: those of `shares.then` that the budget did not reach.

    Returns:
        The nodes whose accounts changed.
    """
    rows = np.union1d(shares.left, pending).astype(np.int32)
    after = shares.after[np.searchsorted(shares.reached, rows)]
    differs = (after != kept.accounts[rows]).any(axis=1)
    kept.accounts[rows[differs]] = after[differs]
    changed: IndexArray = rows[differs]
    return changed


def _accounts(
    model: FollowedModel, kept: Kept, change: Change, content: Moved, moved: Moved, reached: IndexArray
) -> FloatArray:
    """The accounts of nodes should they stay as they are, float32 `[len(reached), 3]`."""
    before = kept.accounts[reached]
    if not model.layers:
        # Nothing is pooled, so that nothing is saved by leaving a node.
        before[:, ACCOUNT] = np.maximum(before[:, ACCOUNT], APART)
        return before
    own = _distances(kept.hidden[-1], moved)[reached]
    inputs = _distances(kept.hidden[0], content)[reached]
    pooled = np.empty(len(reached), dtype=np.float64)
    for part, sums in _pooled_moves(model.layers[-1], kept, change, moved, reached):
        pooled[part] = np.linalg.norm(sums.astype(np.float64), axis=1)
    return carried(before, model.sensitivity(), own, pooled, inputs)


def _distances(array: FloatArray, moved: Moved) -> NDArray[np.float64]:
    """How far each row of an array moved, float64 `[N]`."""
    out = np.zeros(len(array), dtype=np.float64)
    for at in range(0, len(moved.rows), BLOCK):
        rows = moved.rows[at : at + BLOCK]
        out[rows] = np.linalg.norm(array[rows].astype(np.float64) - moved.before[at : at + BLOCK], axis=1)
    return out


def _pooled_moves(
    layer: ScaledLayer, kept: Kept, change: Change, moved: Moved, reached: IndexArray
) -> Iterator[tuple[slice, FloatArray]]:
    """How the pooled messages of nodes changed, block by block of `reached`, float32 `[B, hidden]`."""
    inputs, around = kept.hidden[-1], change.around
    moves = (
        messages_of(layer, inputs, moved.rows) - messages_of(layer, moved.before, np.arange(len(moved.rows)))
    ).numpy()
    place = np.full(len(inputs), -1, dtype=np.int32)
    place[moved.rows] = np.arange(len(moved.rows), dtype=np.int32)
    needed = np.zeros(len(inputs), dtype=bool)
    mark_neighbours(kept.idx, kept.weight, around, needed)
    mark_neighbours(change.before.idx, change.before.weight, np.arange(len(around), dtype=np.int32), needed)
    table = MessageTable.of(layer, inputs, needed)
    for begin in range(0, len(reached), BLOCK):
        rows = reached[begin : begin + BLOCK]
        now = kept.around(rows)
        was = Neighbourhoods(now.idx.copy(), now.weight.copy())
        other, at = _places(rows, around)
        was.idx[other], was.weight[other] = change.before.idx[at], change.before.weight[at]
        sums = np.zeros((len(rows), moves.shape[1]), dtype=np.float32)
        moved_sums(was.idx, was.weight, place, moves, sums)
        if len(other):
            gained = table.pooled(Neighbourhoods(now.idx[other], now.weight[other]))
            lost = table.pooled(Neighbourhoods(was.idx[other], was.weight[other]))
            sums[other] += (gained - lost).numpy()
        yield slice(begin, begin + len(rows)), sums


def _places(rows: IndexArray, among: IndexArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of `rows` are in `among`, and where there; both increasing."""
    at = np.searchsorted(among, rows)
    here = np.flatnonzero((at < len(among)) & (among[np.minimum(at, len(among) - 1)] == rows)) if len(among) else at[:0]
    return here.astype(np.int64), at[here].astype(np.int64)
