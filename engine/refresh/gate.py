"""What a generation must pass before it may serve. Knows vectors, indexes and figures, no registry."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.index.compaction import BREADTH_FACTOR, URGENT_FACTOR, why_compact
from engine.index.exact import ExactIndex
from engine.index.hnsw import HnswConfig, HnswIndex
from engine.index.layered import LayeredIndex
from engine.index.protocol import LabelArray
from engine.index.recall import sampled_recall, tune
from engine.types import FloatArray

log = logging.getLogger(__name__)

_NORM_TOLERANCE = 1e-3
_BLOCK = 65_536
_DELTA_QUERIES = 64
"""A delta is measured with fewer queries than a full build: each is a pass over all vectors."""
_VALIDATION = "validation"
_LEARNED = ("pinsage", "blend")
"""The methods that a build learns; how the others do says something about the graph, not about the build."""


@dataclass(frozen=True, slots=True)
class GateConfig:
    """The bars.

    Attributes:
        ann_recall: least share of the exact `k` nearest that the index must find.
        k: how deep that is measured.
        queries: how many vectors, drawn evenly, it is measured with.
        metric_drop: by which share a validation figure may be below that of what serves.
    """

    ann_recall: float = 0.95
    k: int = 10
    queries: int = 200
    metric_drop: float = 0.2


def figure_name(method: str, figure: str) -> str:
    """What a generation's metrics call a figure that a method reached on validation pairs."""
    return f"{_VALIDATION} {method} {figure}"


def check_floor(metrics: Mapping[str, Any], serving: Mapping[str, Any], drop: float) -> None:
    """Refuse a build that answers worse than what serves. Figures that only one of them has are not compared.

    Args:
        metrics, serving: what was measured of the build and of what serves.

    Raises:
        TrainingError: a validation figure of a learned method is more than the share `drop` below that of what serves.
    """
    floors = {
        name: float(value) * (1 - drop)
        for name, value in serving.items()
        if name in metrics and any(name.startswith(f"{_VALIDATION} {method} ") for method in _LEARNED)
    }
    for name, floor in floors.items():
        if metrics[name] < floor:
            raise TrainingError(
                f"the gate: {name} is {metrics[name]:.4g}, more than {drop:.0%} below the {serving[name]:.4g} of what serves",
                hint="If the graph has really become harder, allow it once: ENGINE_GATE_METRIC_DROP=1 engine build.",
            )


def check_finite(vectors: FloatArray, alive: NDArray[np.bool_], rows: NDArray[Any] | None = None) -> None:
    """Refuse vectors that cannot be served, whatever a score is.

    Args:
        alive: bool, one an item row; a dead row may have any vector.
        rows: the item rows that the vectors are of; all of them when None.

    Raises:
        TrainingError: not one vector a row, or a value that is not finite.
    """
    count = len(alive) if rows is None else len(rows)
    if vectors.ndim != 2 or len(vectors) != count:
        raise TrainingError(f"the gate: {count:,} items but vectors of the shape {list(vectors.shape)}")
    for start in range(0, len(vectors), _BLOCK):
        part = vectors[start : start + _BLOCK]
        of = np.arange(start, start + len(part)) if rows is None else rows[start : start + _BLOCK]
        bad = np.flatnonzero(~np.isfinite(part).all(axis=1) & alive[of])
        if len(bad):
            raise TrainingError(
                f"the gate: the vector of item row {int(of[bad[0]])} is not finite",
                hint="Training diverged: lower the learning rate and build again.",
            )


def check_unit(vectors: FloatArray, alive: NDArray[np.bool_], rows: NDArray[Any] | None = None) -> None:
    """Refuse vectors whose inner products are not cosines. See `check_finite`, which comes first.

    Raises:
        TrainingError: a length other than 1.
    """
    for start in range(0, len(vectors), _BLOCK):
        part = vectors[start : start + _BLOCK]
        of = np.arange(start, start + len(part)) if rows is None else rows[start : start + _BLOCK]
        lengths = np.linalg.norm(part, axis=1)
        off = np.flatnonzero((np.abs(lengths - 1) > _NORM_TOLERANCE) & alive[of])
        if len(off):
            raise TrainingError(
                f"the gate: the vector of item row {int(of[off[0]])} has length {lengths[off[0]]:.4f}, not 1"
            )


def checked_index(
    vectors: FloatArray,
    labels: LabelArray,
    config: HnswConfig,
    gate: GateConfig,
    *,
    corpus: str,
    queries: FloatArray | None = None,
) -> tuple[HnswIndex, float]:
    """Build an index that meets the gate, raising its `ef` as far as that takes.

    Args:
        queries: what it will be asked, of which some are drawn evenly; the vectors themselves when None.

    Returns:
        The index and its ann_recall.

    Raises:
        TrainingError: even the broadest search stays below `gate.ann_recall`.
    """
    index, exact = HnswIndex.build(vectors, labels, config), ExactIndex.build(vectors, labels)
    if not len(labels):
        return index, 1.0
    asked = vectors if queries is None else queries
    drawn = asked[_evenly(np.arange(len(asked)), gate.queries)]
    reached = tune(index, exact, drawn, gate.k, gate.ann_recall)
    if reached < gate.ann_recall:
        raise TrainingError(
            f"the gate: ann_recall@{gate.k} of corpus {corpus!r} is {reached:.3f}, below {gate.ann_recall}",
            hint="The vectors may have collapsed; if not, build with a larger m or ef_construction.",
        )
    return index, reached


def advanced_index(
    before: LayeredIndex,
    vectors: FloatArray,
    live: NDArray[np.bool_],
    changed: NDArray[Any],
    gate: GateConfig,
    *,
    corpus: str,
    queries: FloatArray | None = None,
) -> tuple[LayeredIndex, float]:
    """Carry an index over to changed vectors so that it meets the gate: by scoring more candidates, and built anew where
    that is not enough or it has grown far past its limits.

    Args:
        vectors: float32 `[N, d]`; `live`: bool `[N]`, the rows of the corpus; `changed`: the rows with other vectors.
        queries: see `checked_index`.

    Returns:
        The index and its ann_recall, on vectors half of which are changed rows where no queries are given.

    Raises:
        TrainingError: see `checked_index`.
    """
    index = before.advance(vectors, live, changed)
    rows = np.flatnonzero(live)
    if not len(rows):
        return index, 1.0
    moved = np.asarray(changed, np.int64)[live[changed]]
    half = max(1, min(gate.queries, _DELTA_QUERIES) // 2)
    if queries is None:
        asked = vectors[np.concatenate([_evenly(rows, half), _evenly(moved, half)])]
    else:
        asked = queries[_evenly(np.arange(len(queries)), 2 * half)]
    reached = sampled_recall(index, vectors, rows, asked, gate.k)
    most = BREADTH_FACTOR * URGENT_FACTOR * index.hnsw.config.ef
    while reached < gate.ann_recall and 2 * index.breadth <= most:
        index = index.with_breadth(2 * index.breadth)
        reached = sampled_recall(index, vectors, rows, asked, gate.k)
    why = why_compact(index, URGENT_FACTOR)
    if reached >= gate.ann_recall and why is None:
        return index, reached
    log.warning("corpus %r: building its index anew: %s", corpus, why or f"ann_recall fell to {reached:.3f}")
    built, reached = checked_index(vectors[rows], rows, index.hnsw.config, gate, corpus=corpus, queries=queries)
    return LayeredIndex.of(built, vectors), reached


def _evenly(rows: NDArray[Any], count: int) -> LabelArray:
    """At most `count` of some rows, drawn evenly."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)].astype(np.int64)
