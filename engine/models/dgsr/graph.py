"""The timed graph that DGSR reads, and histories out of it as tensors. Knows no loss and no server."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.graph.snapshot_csr import edge_rows, relation
from engine.models.attention.lists import Lists
from engine.models.dgsr.config import DgsrConfig
from engine.models.dgsr.model import ITEMS, HopTensors
from engine.models.happened import so_far
from engine.models.sequences import Takers
from engine.models.user_item import UserItemData, UserItemEdges
from engine.sampling.histories import TimedGraph, histories
from engine.sampling.recent import by_time
from engine.types import CSR, IndexArray, OffsetArray, TimeArray


@dataclass(frozen=True, slots=True)
class PlacedGraph:
    """A graph in the row numbers of some data, and where its nodes stand in a model's tables.

    Attributes:
        timed: edges of items that the model knows.
        user_row, item_row: int64, rows of the tables; -1 for a node of which nothing was learned.
        now: epoch ms, right after the last edge.
    """

    timed: TimedGraph
    user_row: NDArray[np.int64]
    item_row: NDArray[np.int64]
    now: int

    def known(self, users: IndexArray, before: TimeArray) -> OffsetArray:
        """How many of their own edges users have as of a time each, int64 `[B]`. Edges of that very time are among them: what
        comes next comes after them.

        Args:
            before: int64 `[B]` epoch ms.
        """
        own = self.timed.items_of
        assert own.time is not None
        lists = (own.time[own.indptr[user] : own.indptr[user + 1]] for user in np.asarray(users))
        found = [np.searchsorted(times, when, "right") for times, when in zip(lists, before, strict=True)]
        return np.array(found, np.int64)

    def histories(
        self, users: IndexArray, place: OffsetArray, before: TimeArray, config: DgsrConfig
    ) -> list[HopTensors]:
        """What predictions rest on, as `Dgsr.forward` takes it; arguments as of `engine.sampling.histories.histories`."""
        hops = []
        for number, hop in enumerate(histories(self.timed, users, place, before, config.most), start=1):
            rows = self.item_row if number % 2 == ITEMS else self.user_row
            hops.append(
                HopTensors(
                    nodes=torch.from_numpy(rows[hop.nodes]),
                    lists=Lists(hop.indptr, np.arange(len(hop.nodes))),
                    age=hop.age,
                    newest=torch.from_numpy(np.maximum(hop.indptr[1:] - 1, 0)),
                )
            )
        return hops


def placed_graph(
    data: UserItemData, edges: UserItemEdges, user_row: NDArray[np.int64], item_row: NDArray[np.int64]
) -> PlacedGraph:
    """The graph of some edges; those without a time, dated after now, or of an item that the model does not know, are left out.

    Raises:
        TrainingError: no edge has a time.
    """
    edges = so_far(edges)
    if not len(edges) or edges.time is None or (edges.time < 0).all():
        raise TrainingError("a dynamic graph needs edges with times", hint="Use item-knn or popularity.")
    kept = edges.only((edges.time >= 0) & (item_row[edges.item] >= 0))
    both = relation(data.num_users, data.num_items, kept.user, kept.item, time=kept.time)
    timed = TimedGraph(by_time(both.forward, data.items.order), by_time(both.backward, data.users.order))
    return PlacedGraph(timed, user_row, item_row, int(edges.time.max()) + 1)


def with_takers(users_of: CSR, takers: Takers, stranger: int) -> CSR:
    """Items' users, those of some items as they are known now.

    Args:
        stranger: the row that stands for a user who came after the data.
    """
    assert users_of.time is not None
    assert takers.lists.time is not None
    size = users_of.degrees()
    kept = np.ones(users_of.num_rows, np.bool_)
    kept[takers.items] = False
    old = np.repeat(kept, size)
    row = np.concatenate([edge_rows(users_of)[old], np.repeat(takers.items, takers.lists.degrees())])
    order = np.argsort(row, kind="stable")
    users = np.concatenate([users_of.indices[old], np.where(takers.lists.indices < 0, stranger, takers.lists.indices)])
    time = np.concatenate([users_of.time[old], takers.lists.time])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=users_of.num_rows))])
    return CSR(indptr.astype(np.int64), users[order].astype(np.int32), time[order])
