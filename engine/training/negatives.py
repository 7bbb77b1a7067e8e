"""Hard negatives: items that a query's walks reach late (PinSage, section 3.3). Knows graphs, not models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.sampling.config import WalkConfig
from engine.sampling.ppr import ppr_candidates
from engine.types import IndexArray, ItemContextGraph

WALKS = WalkConfig(num_walks=1500, walk_length=6, restart=0.15, top_t=1)
"""9,000 visits an item: enough distinct items to tell rank 2,000 from rank 5,000."""


class HardNegatives:
    """Items between two ranks of each query's personalised PageRank, found when first asked for and kept.

    Args:
        graph: the training edges.
        rank_low, rank_high: the ranks; the paper takes 2,000 to 5,000.
        most: how many are kept an item.
        seed: another one draws others from the same ranks.
    """

    def __init__(self, graph: ItemContextGraph, rank_low: int, rank_high: int, most: int, seed: int) -> None:
        self.graph, self.ranks, self.most, self.seed = graph, (rank_low, rank_high), most, seed
        self._kept: NDArray[np.int32] = np.full((graph.num_items, most), -1, dtype=np.int32)
        self._known = np.zeros(graph.num_items, dtype=bool)

    def of(self, queries: IndexArray, count: int) -> IndexArray:
        """The first `count` hard negatives of each query.

        Returns:
            int32 `[B, count]`; -1 for an item that reaches nothing.
        """
        wanted = np.unique(queries[~self._known[queries]])
        if len(wanted):
            self._kept[wanted] = ppr_candidates(self.graph, wanted, *self.ranks, self.most, WALKS, self.seed, threads=1)
            self._known[wanted] = True
        return self._kept[queries, :count]
