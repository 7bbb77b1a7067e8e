"""When a layered index is worth building anew (*compaction*). Knows counts; builds nothing.

Measured with 50k vectors x 64 around 500 topics, k = 10, one thread, where a graph that nothing has changed since answers
in 79 us:

| what has happened to the graph | ann_recall | us a query |
| --- | --- | --- |
| every vector moved to cosine .95 / .90 / .85 / .80 | .999 / .984 / .962 / .930 | 125 |
| ... .80, with twice the breadth | .990 | |
| 10% / 40% / 60% of it hidden | 1.000 | 130 / 136 / 132 |
| a segment of 1k / 5k / 10k / 20k / 50k rows | 1.000 | 150 / 229 / 395 / 615 / 1,348 |

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
