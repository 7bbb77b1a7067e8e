"""A generation whose model was never trained: the same work as with a trained one, without an hour of training."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from engine.features.config import FeatureConfig
from engine.features.encoder import fit_features
from engine.graph.snapshot import Snapshot
from engine.index.hnsw import HnswConfig
from engine.models.base import RelatedData
from engine.models.pinsage.config import PinSageSettings
from engine.models.pinsage.files import save_model
from engine.models.pinsage.scorer import new_model

QUICK_INDEX = HnswConfig(m=12, ef_construction=60, threads=2)
"""An index that is built in a third of the usual time, and finds as much on vectors like these."""


def untrained_model(snapshot: Snapshot, folder: Path, dim: int = 64) -> Path:
    """Write a seeded, untrained PinSage for a snapshot."""
    settings = PinSageSettings.from_flat({"dim": dim, "hidden": dim})
    graph = snapshot.walk_graph()
    encoder = fit_features(snapshot.items, FeatureConfig(), graph, None)
    model = new_model(settings, encoder, RelatedData(graph, snapshot.items))
    save_model(folder, model, encoder, settings)
    return folder


def now() -> datetime:
    """The time, as generations keep it."""
    return datetime.now(UTC)


def percentile(seconds: list[float], share: float) -> float:
    """A percentile of measured times."""
    return float(np.percentile(seconds, share))
