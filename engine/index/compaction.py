"""When a layered index is worth building anew (*compaction*). Knows counts; builds nothing.

Measured with 200k vectors x 64 around 2,000 topics, k = 10, breadth 64, one thread, where a graph that nothing has changed
since answers in 99 us:

| what has happened to the graph | ann_recall | us a query |
| --- | --- | --- |
| every vector moved to cosine .95 / .90 / .85 / .80 | .999 / .984 / .942 / .856 | 142-164 |
| ... with twice the breadth | 1.000 / 1.000 / .991 / .928 | |
| 30% of the vectors moved to .80 | .995 | 156 |
| 10% / 40% / 60% of it hidden | 1.000 | 154 / 145 / 139 |
| a segment of 1k / 5k / 10k / 20k / 50k rows | 1.000 | 155 / 207 / 275 / 416 / 841 |

So drift down to `layered.LEAST_COSINE` costs hardly any recall, hidden labels cost little time, and the segment is what has
to be kept small.
"""

from __future__ import annotations

from engine.index.layered import LayeredIndex

SEGMENT_ROWS = 10_000
"""An exact segment of more rows than this makes a query several times as slow."""
HIDDEN_SHARE = 0.3
"""More of the graph than this would be kept in memory and on disk for nothing."""
BREADTH_FACTOR = 4
"""A graph that needs this many times the candidates it began with no longer fits its vectors."""
URGENT_FACTOR = 3
"""Past this many times the limits nobody may wait any longer."""


def why_compact(index: LayeredIndex, factor: float = 1.0) -> str | None:
    """Why an index should be built anew; None where it should not.

    Args:
        factor: how much past its limits it has to be.
    """
    segment = len(index.layers.segment)
    if segment > factor * SEGMENT_ROWS:
        return f"{segment:,} vectors lie beside the graph; the limit is {SEGMENT_ROWS:,}"
    if index.hidden_share > min(0.9, factor * HIDDEN_SHARE):
        return f"{index.hidden_share:.0%} of the graph is hidden; the limit is {HIDDEN_SHARE:.0%}"
    if index.breadth > factor * BREADTH_FACTOR * index.hnsw.config.ef:
        began = index.hnsw.config.ef
        return (
            f"{index.breadth} candidates are needed where the graph began with {began}; the limit is {BREADTH_FACTOR} x"
        )
    return None
