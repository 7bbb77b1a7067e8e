"""What a trained LightGCN says of the nodes of some data: those of training, and later ones from their first edges.

The final embedding is e^(0) / (K + 1) plus what the neighbours sent in layers 0 .. K - 1, which for a node of training and
its own edges is equation 4 of He et al. exactly. A later node has no e^(0) and receives once. Knows no training.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.models.learned import Learned
from engine.models.lightgcn.config import LightGcnSettings
from engine.models.row_embedder import SIDES, Joined, Outputs, Side
from engine.models.taught import Places, by_learned
from engine.types import FloatArray, IndexArray

_OTHER: Mapping[Side, Side] = {"users": "items", "items": "users"}
_NAME: Mapping[Side, str] = {"users": "user", "items": "item"}


class Receiver:
    """A `RowEmbedder`: each row receives once from those of training that it is joined to, which keep the degree that they had
    in training. Where the loss was over cosines, users' vectors have length 1, an item's its number of users to the power `popularity`.
    Zeros for a cold row."""

    layers, reads_fields = 1, False
    reads: Mapping[Side, tuple[Side, ...]] = {"users": ("items",), "items": ("users",)}

    def __init__(self, learned: Learned, joined: Joined) -> None:
        self._arrays = learned.arrays
        settings = LightGcnSettings.from_json(learned.settings)
        self._cosines, self._popularity = settings.training.loss == "softmax", settings.network.popularity
        self._joined = joined
        self._places = {side: Places.of(learned.ids[side], joined.nodes[side]) for side in SIDES}
        self._sent: Mapping[Side, FloatArray] = {
            side: np.asarray(
                learned.arrays[f"{name}_sent"] / np.sqrt(learned.arrays[f"{name}_degree"])[:, None], dtype=np.float32
            )
            for side, name in _NAME.items()
        }

    def taught(self, side: Side) -> NDArray[np.bool_]:
        """See `engine.models.standing.TellsTaught`."""
        return self._places[side].taught

    def embed(self, layer: int, side: Side, rows: IndexArray, before: Outputs) -> FloatArray:
        """See `RowEmbedder`."""
        del layer, before  # there is one layer, and what it reads was learned
        other = _OTHER[side]
        heard = by_learned(self._joined.rows_of(side, other, rows), self._places[other])
        count = np.maximum(np.diff(heard.indptr), 1)
        vectors = self._places[side].take(self._arrays[f"{_NAME[side]}_own"], rows)
        vectors += (heard @ self._sent[other]) / np.sqrt(count).astype(np.float32)[:, None]
        if self._cosines:
            vectors /= np.maximum(np.sqrt((vectors**2).sum(axis=1, keepdims=True)), 1e-12)
            if side == "items":
                vectors *= (count**self._popularity)[:, None]
        return np.asarray(vectors, dtype=np.float32)
