"""Pairs of items that people put together: what training takes as a query and its answer. Knows edges, not models.

Supervision is kept apart from the graph that messages pass over: for each epoch a share of the saves leaves the graph, and
the answers are what was saved there. So training asks what serving will ask - an item that the board does not hold yet -
and no neighbourhood gives the answer away; items that lose all their saves teach the model about cold items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.graph.snapshot_csr import edge_rows, relation
from engine.types import CSR, IndexArray, ItemContextGraph, OffsetArray

HOUR_MS = 3_600_000
MIN_TIMED = 0.02
"""Least share of the saves that must follow another within the window for such pairs to be used."""


@dataclass(frozen=True, slots=True)
class Positives:
    """Groups of saves; any two saves of different items of a group are a positive pair, in both directions.

    A context is a group where saves have no times. With times, two consecutive saves within the window are a group of
    two (section 3.3 of the paper: pairs that were interacted with one after the other).

    Attributes:
        indptr: int64 `[G + 1]`.
        edge: int64, positions in `graph.context_to_item.indices`; every group has at least two different items.
    """

    indptr: OffsetArray
    edge: OffsetArray


@dataclass(frozen=True, slots=True)
class Fold:
    """One epoch's graph and the pairs whose answers were taken out of it.

    Attributes:
        graph: without the held-out saves.
        kept, held: CSR with one row a group that has both: the items to draw queries and answers from.
        cumulative: float64 `[groups]`, running sum of the chances of each group.
    """

    graph: ItemContextGraph
    kept: CSR
    held: CSR
    cumulative: NDArray[np.float64]

    def sample(self, count: int, rng: np.random.Generator) -> tuple[IndexArray, IndexArray]:
        """Draw pairs with replacement: a group, then an item left in it and one taken out.

        Returns:
            Query and answer, int32 `[count]` each.
        """
        last = len(self.cumulative) - 1
        group = np.minimum(np.searchsorted(self.cumulative, rng.random(count), side="right"), last)
        return _one_of(self.kept, group, rng), _one_of(self.held, group, rng)

    def answer_chance(self) -> NDArray[np.float64]:
        """The chance that a drawn pair's answer is each item, float64 `[items]`."""
        size = self.held.degrees()
        spread = np.repeat(np.diff(self.cumulative, prepend=0.0) / size, size)
        chance: NDArray[np.float64] = np.bincount(
            self.held.indices, weights=spread, minlength=self.graph.num_items
        ).astype(np.float64)
        return chance


def find_positives(graph: ItemContextGraph, *, window_ms: int = HOUR_MS) -> Positives:
    """Find the positive pairs of a graph.

    Args:
        window_ms: two saves into a context that follow each other within this time are a pair. Where hardly any save
            has such a neighbour (no times, or dates too coarse to order saves), any two of a context are a pair.

    Raises:
        TrainingError: no context holds two different items.
    """
    edges = graph.context_to_item
    timed = _consecutive(edges, window_ms)
    if timed is not None:
        return Positives(np.arange(0, len(timed) + 1, 2, dtype=np.int64), timed)
    _, first = np.unique(_packed(graph), return_index=True)
    first = np.sort(first)
    size = np.bincount(edge_rows(edges)[first], minlength=edges.num_rows)
    if not (size >= 2).any():
        raise TrainingError(
            "there are no positive pairs: no context holds two different items",
            hint="PinSage learns from items that were saved into the same context.",
        )
    many = size >= 2
    return Positives(
        np.concatenate([[0], np.cumsum(size[many])]).astype(np.int64), first[np.repeat(many, size)].astype(np.int64)
    )


def hold_out(
    graph: ItemContextGraph, positives: Positives, share: float, rng: np.random.Generator, *, size_power: float = 1.0
) -> Fold:
    """Take a share of the saves out of the graph and pair what is left of each group with what went.

    Parallel saves of an item into a context go together. At least one pair is always found.

    Args:
        size_power: a group from which n saves went gives pairs in proportion to n ** size_power.
    """
    edges = graph.context_to_item
    _, same = np.unique(_packed(graph), return_inverse=True)
    gone = rng.random(int(same.max()) + 1)[same] < share
    group = np.repeat(np.arange(len(positives.indptr) - 1), np.diff(positives.indptr))
    count = np.bincount(group[gone[positives.edge]], minlength=len(positives.indptr) - 1)
    if not ((count > 0) & (count < np.diff(positives.indptr))).any():  # a tiny graph: take one save of one group
        begin = positives.indptr[int(rng.integers(len(count)))]
        gone = same == same[positives.edge[begin]]
        count = np.bincount(group[gone[positives.edge]], minlength=len(count))
    usable = (count > 0) & (count < np.diff(positives.indptr))
    chosen = usable[group]
    row, edge = (np.cumsum(usable) - 1)[group[chosen]], positives.edge[chosen]
    out = gone[edge]
    left = relation(
        graph.num_contexts,
        graph.num_items,
        edge_rows(edges)[~gone],
        edges.indices[~gone],
        time=None if edges.time is None else np.asarray(edges.time)[~gone],
    )
    groups = int(usable.sum())
    weight = np.cumsum(count[usable].astype(np.float64) ** size_power)
    return Fold(
        graph=ItemContextGraph(left.backward, left.forward, graph.item_key, graph.context_key),
        kept=_rows(row[~out], edges.indices[edge[~out]], groups),
        held=_rows(row[out], edges.indices[edge[out]], groups),
        cumulative=weight / weight[-1],
    )


def _one_of(rows: CSR, row: NDArray[np.int64], rng: np.random.Generator) -> IndexArray:
    begin, size = rows.indptr[row], rows.indptr[row + 1] - rows.indptr[row]
    return rows.indices[begin + (rng.random(len(row)) * size).astype(np.int64)]


def _rows(row: NDArray[np.int64], item: IndexArray, count: int) -> CSR:
    """Rows that are in order already -> CSR."""
    size = np.bincount(row, minlength=count)
    return CSR(np.concatenate([[0], np.cumsum(size)]).astype(np.int64), np.ascontiguousarray(item, dtype=np.int32))


def _packed(graph: ItemContextGraph) -> NDArray[np.int64]:
    """One number for the context and the item of each save."""
    edges = graph.context_to_item
    packed: NDArray[np.int64] = edge_rows(edges).astype(np.int64) * graph.num_items + edges.indices
    return packed


def _consecutive(edges: CSR, window_ms: int) -> OffsetArray | None:
    """Positions of consecutive saves within the window, two by two, int64 `[2 P]`; None where there are too few.

    Saves with one and the same time have no order (dates as coarse as a day or a month): they are not consecutive.
    """
    if edges.time is None or edges.num_edges < 2:
        return None
    context, time = edge_rows(edges), np.asarray(edges.time)
    order = np.lexsort((np.arange(edges.num_edges), time, context))
    before, after = order[:-1], order[1:]
    near = (
        (context[after] == context[before])
        & (time[before] >= 0)
        & (time[after] > time[before])
        & (time[after] - time[before] <= window_ms)
        & (edges.indices[after] != edges.indices[before])
    )
    if near.sum() < max(1, MIN_TIMED * edges.num_edges):
        return None
    return np.stack([before[near], after[near]], axis=1).ravel().astype(np.int64)
