"""Which item comes next for users held out of training, and how well it is found. Knows no model and no server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional as F

from engine.graph.snapshot import NodeTable
from engine.models.happened import so_far
from engine.models.linear.spectrum import reached, spectral_start
from engine.models.user_item import UserItemData, UserItemEdges
from engine.training.checkpoint import Checkpoints
from engine.types import CSR, FloatArray

CUTOFF = 10
STEPS, SMALLEST = 100, 8


def next_items(data: UserItemData, lists: CSR, most: int) -> UserItemEdges | None:
    """The first validation edge of each user who has training items, of at most so many users, drawn; None without any.

    Args:
        lists: each user's training items.
    """
    valid = data.valid
    if not len(valid):
        return None
    user, item = data.users.order.ranks(valid.user), data.items.order.ranks(valid.item)
    order = np.lexsort((item, np.zeros(len(valid)) if valid.time is None else valid.time, user))
    _, first = np.unique(user[order], return_index=True)
    chosen = order[first]
    chosen = chosen[lists.degrees()[valid.user[chosen]] > 0]
    if len(chosen) > most:
        chosen = chosen[np.sort(np.random.default_rng([data.seed, 3]).choice(len(chosen), most, replace=False))]
    return valid.only(chosen) if len(chosen) else None


def checkpoints_of(data: UserItemData, everything: bool, digest: str) -> Checkpoints | None:
    """Where a training leaves its checkpoints; None without `data.workdir`.

    Args:
        everything: it learns from all that is known, and holds nothing back to validate on.
    """
    if data.workdir is None:
        return None
    return Checkpoints(data.workdir / ("checkpoints" if everything else "choosing"), digest)


def step_size(asked: int, targets: int) -> int:
    """How much of what there is to learn from a step takes, of what is asked for at most: so little that an epoch has `STEPS` steps, or a
    small data set would be over before more has been learned than what is popular; but not below `SMALLEST`.
    """
    return min(asked, max(SMALLEST, targets // STEPS))


@torch.no_grad()
def start_rows_from_spectrum(
    users: Tensor | None, items: Tensor, took: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]], seed: int
) -> None:
    """Let items that the same users took up begin close to each other, by the graph's largest singular vectors, each row of length 1.

    Drawn vectors of a small data set first learn what is popular and may never get past it. A row without an edge or in a part of the
    graph that the vectors do not reach, and columns that the graph has no singular vectors for, stay as they are.
    `engine.models.user_steps.start_from_spectrum` keeps the rows' lengths.

    Args:
        users, items: float32 `[users, dim]`, where the model has them, and `[items, dim]`, changed in place.
        took: `[E]` twice, a row of the users and a row of the items for each training edge; repeated pairs count once.
        seed: of the decomposition.
    """
    pairs = np.unique(took[0].astype(np.int64) * len(items) + took[1])
    (user, user_at), (item, item_at) = (np.unique(side, return_inverse=True) for side in np.divmod(pairs, len(items)))
    edges = csr_array((np.ones(len(pairs), np.float32), (user_at, item_at)), shape=(len(user), len(item)))
    starts = spectral_start(edges, items.shape[1], seed)
    for table, rows, start in zip((users, items), (user, item), starts, strict=True):
        if table is not None:
            there = reached(start)
            table[torch.from_numpy(rows[there]), : start.shape[1]] = F.normalize(torch.from_numpy(start[there]), dim=1)


def gain(scores: Tensor, answer: Tensor, taken: CSR) -> float:
    """The sum over users of NDCG@10 of one answer each, among all items that the user does not have.

    Args:
        scores: float `[B, N]`, changed in place.
        answer: int64 `[B]`, columns.
        taken: the columns of what each user has.
    """
    own = scores.gather(1, answer[:, None])
    rows = np.repeat(np.arange(taken.num_rows), taken.degrees())
    scores[torch.from_numpy(rows), torch.from_numpy(taken.indices.astype(np.int64))] = -torch.inf
    better = (scores > own).sum(1).numpy()
    return float((1 / np.log2(2 + better[better < CUTOFF])).sum())


def table_rows(nodes: NodeTable, ids: tuple[str, ...], taught: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each node of later data its row in a model's table, int64 `[nodes]`; -1 where nothing was learned of it.

    Args:
        ids: of the table, in order; taught: bool `[table]`, whether anything was learned of each.
    """
    place = nodes.index_of(list(ids))
    rows = np.full(len(nodes), -1, np.int64)
    known = (place >= 0) & taught
    rows[place[known]] = np.flatnonzero(known)
    return rows


def shares(data: UserItemData, row: NDArray[np.int64], taught: NDArray[np.bool_]) -> FloatArray:
    """How much of what all users are known to have each item of a table is, float32 `[table]`; 0 for one that is not taught.

    Args:
        row: int64 `[N]`, the table's row of each item; taught: bool `[table]`.
    """
    count = np.bincount(row[so_far(data.known()).item], minlength=len(taught)) * taught
    return np.asarray(count / count.sum(), dtype=np.float32)


def next_scores(
    row: NDArray[np.int64], share: FloatArray, table: Tensor, has: NDArray[np.bool_], expected: Callable[[], Tensor]
) -> FloatArray:
    """float32 `[B, N]`: the logits of a model's items; -inf for items that it does not know.

    Args:
        row: int64 `[N]`, see `table_rows`.
        share: float32 `[table]`, what one of whom nothing is known is answered by.
        table: float32 `[table, d]`, the items' vectors.
        has: bool `[B]`, of whom something is known.
        expected: float32 `[has.sum(), d]`, the vector that the next item of each should have; asked for where there is one.
    """
    found = np.full((len(has), len(row)), -np.inf, np.float32)
    told = np.flatnonzero(row >= 0)
    rows = row[told]
    scores = np.broadcast_to(share[rows], (len(has), len(rows))).copy()
    if has.any():
        scores[has] = (expected() @ table.detach()[torch.from_numpy(rows)].T).numpy()
    found[:, told] = scores
    return found
