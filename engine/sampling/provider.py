"""Where the neighbourhoods of a mini-batch come from: walked for each batch, or looked up.

Training, embedding and the PyG sampler ask through one shape and need not know which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.sampling.config import WalkConfig
from engine.sampling.walks import neighbourhoods
from engine.types import IndexArray, ItemContextGraph, Neighbourhoods


class NeighbourhoodProvider(Protocol):
    """Gives the neighbourhoods of item rows."""

    def neighbourhoods(self, rows: NDArray[np.integer]) -> Neighbourhoods:
        """Those of `rows`, `[len(rows), T]`."""
        ...


@dataclass(frozen=True, slots=True)
class SampledNeighbourhoods:
    """Walks for each batch anew; the same rows give the same neighbourhoods each time."""

    graph: ItemContextGraph
    config: WalkConfig
    threads: int | None = None

    def neighbourhoods(self, rows: NDArray[np.integer]) -> Neighbourhoods:
        return neighbourhoods(self.graph, rows, self.config, threads=self.threads)


@dataclass(frozen=True, slots=True)
class PrecomputedNeighbourhoods:
    """The neighbourhoods of all items, walked once: 8 bytes an item and neighbour."""

    everything: Neighbourhoods

    @staticmethod
    def of(graph: ItemContextGraph, config: WalkConfig, *, threads: int | None = None) -> PrecomputedNeighbourhoods:
        """Walk from every item."""
        rows: IndexArray = np.arange(graph.num_items, dtype=np.int32)
        return PrecomputedNeighbourhoods(neighbourhoods(graph, rows, config, threads=threads))

    def neighbourhoods(self, rows: NDArray[np.integer]) -> Neighbourhoods:
        return Neighbourhoods(self.everything.idx[rows], self.everything.weight[rows])
