"""Hard negatives: items whose personalised-PageRank rank from a seed lies in a range (PinSage, section 3.3).

PinSage takes them from ranks 2,000 to 5,000: close enough to be hard, too far to be related. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.sampling import counting, kernels
from engine.sampling.config import WalkConfig
from engine.sampling.walks import blocks_of, in_threads, starts_in_graph, walked_blocks
from engine.types import IndexArray, ItemContextGraph


def ppr_candidates(
    graph: ItemContextGraph,
    seeds: NDArray[np.integer],
    rank_low: int,
    rank_high: int,
    count: int,
    config: WalkConfig,
    seed: int,
    *,
    threads: int | None = None,
) -> IndexArray:
    """Draw items from the rank range `[rank_low, rank_high)`, rank 0 being the most visited.

    The personalised PageRank is estimated by the visit counts of many walks with restart (Fogaras et al., 2005), ties by
    key: `config.num_walks * config.walk_length` visits a seed, of which a few thousand distinct items are needed to
    reach rank 5,000. A walk that restarts with chance p before each step and ends after L of them sees the PageRank of
    damping 1 - p but for the weight (1 - p)^L of longer paths.

    Where a seed reaches fewer than `rank_high` items, the range shrinks in proportion, so that it stays the far part of
    what can be reached: of R items the ranks from `R * rank_low // rank_high` to R.

    Args:
        seeds: `[B]` item rows.
        count: how many to draw a seed; without repetition where the range holds so many.
        config: `top_t` is not used.
        seed: another one draws other candidates from the same ranks.

    Returns:
        int32 `[B, count]` item rows, -1 for a seed that reaches nothing. A row depends on its seed alone, not on the
        batch.

    Raises:
        InputError: an empty range, or a count below 1.
        UnknownNodeError: a seed that is not there.
    """
    if not 0 <= rank_low < rank_high or count < 1:
        raise InputError(
            f"ranks [{rank_low}, {rank_high}) and count {count}: the range must hold a rank, the count be at least 1"
        )
    starts = starts_in_graph(graph, seeds)
    streams = kernels.streams(np.uint64(seed), starts.keys)
    order = graph.item_order
    drawn = np.empty((len(starts.rows), count), dtype=np.int32)

    def work(part: Sequence[slice]) -> None:
        for walked in walked_blocks(graph, starts, config, part):
            block, visits = walked.starts, walked.visits
            ranked = np.empty((len(visits), min(rank_high, visits.shape[1])), dtype=np.int32)
            counting.top(visits, order.rank, order.by_rank, ranked, np.empty(ranked.shape, dtype=np.float32))
            kernels.draw_from_range(ranked, streams[block], rank_low, rank_high, drawn[block])

    in_threads(work, blocks_of(len(starts.rows), config), threads)
    return drawn
