"""What a generation must pass before it may serve. Knows vectors and indexes, no registry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.errors import TrainingError
from engine.index.exact import ExactIndex
from engine.index.hnsw import HnswConfig, HnswIndex
from engine.index.protocol import LabelArray
from engine.index.recall import tune
from engine.types import FloatArray

_NORM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class GateConfig:
    """The bars.

    Attributes:
        ann_recall: least share of the exact `k` nearest that the index must find.
        k: how deep that is measured.
        queries: how many vectors, drawn evenly, it is measured with.
    """

    ann_recall: float = 0.95
    k: int = 10
    queries: int = 200


def check_vectors(vectors: FloatArray, items: int) -> None:
    """Refuse vectors that cannot be served.

    Raises:
        TrainingError: not one row an item, a value that is not finite, or a length other than 1.
    """
    if vectors.ndim != 2 or len(vectors) != items:
        raise TrainingError(f"the gate: {items:,} items but vectors of the shape {list(vectors.shape)}")
    for start in range(0, len(vectors), 65_536):
        part = vectors[start : start + 65_536]
        bad = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if len(bad):
            raise TrainingError(
                f"the gate: the vector of item row {start + int(bad[0])} is not finite",
                hint="Training diverged: lower the learning rate and build again.",
            )
        lengths = np.linalg.norm(part, axis=1)
        off = np.flatnonzero(np.abs(lengths - 1) > _NORM_TOLERANCE)
        if len(off):
            raise TrainingError(
                f"the gate: the vector of item row {start + int(off[0])} has length {lengths[off[0]]:.4f}, not 1"
            )


def checked_index(
    vectors: FloatArray, labels: LabelArray, config: HnswConfig, gate: GateConfig, *, corpus: str
) -> tuple[HnswIndex, float]:
    """Build an index that meets the gate, raising its `ef` as far as that takes.

    Returns:
        The index and its ann_recall.

    Raises:
        TrainingError: even the broadest search stays below `gate.ann_recall`.
    """
    index, exact = HnswIndex.build(vectors, labels, config), ExactIndex.build(vectors, labels)
    if not len(labels):
        return index, 1.0
    asked = np.linspace(0, len(labels) - 1, min(gate.queries, len(labels))).astype(np.int64)
    queries = vectors[asked]
    reached = tune(index, exact, queries, gate.k, gate.ann_recall)
    if reached < gate.ann_recall:
        raise TrainingError(
            f"the gate: ann_recall@{gate.k} of corpus {corpus!r} is {reached:.3f}, below {gate.ann_recall}",
            hint="The vectors may have collapsed; if not, build with a larger m or ef_construction.",
        )
    return index, reached
