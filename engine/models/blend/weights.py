"""How scores of PinSage, walks and content become one score. Knows numbers only: evaluation and serving both use it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.types import FloatArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BlendWeights:
    """Two linear scores on one scale.

    A pair whose two items both have edges: `embedding` x e + `walk` x log(walk + floor) + `content` x c.
    Any other pair, where a walk has nothing to say: `cold_embedding` x e + `cold_content` x c + `cold_shift`.
    """

    embedding: float
    walk: float
    content: float
    floor: float
    cold_embedding: float
    cold_content: float
    cold_shift: float

    def combine(self, embedding: FloatArray, walk: FloatArray, content: FloatArray, connected: Flags) -> FloatArray:
        """Score pairs.

        Args:
            embedding: PinSage's scores, finite, any shape.
            walk: probabilities of ending there, same shape.
            content: cosines, same shape.
            connected: True where the query and the candidate both have edges; broadcast to that shape.

        Returns:
            float32 of that shape, higher is better.
        """
        known = self.embedding * embedding + self.walk * np.log(walk + np.float32(self.floor)) + self.content * content
        cold = self.cold_embedding * embedding + self.cold_content * content + self.cold_shift
        return np.where(connected, known, cold).astype(np.float32)

    def vector(self) -> NDArray[np.float64]:
        """float64 `[6]`: embedding, walk, content, cold embedding, cold content, cold shift."""
        cold = (self.cold_embedding, self.cold_content, self.cold_shift)
        return np.array([self.embedding, self.walk, self.content, *cold])

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> BlendWeights:
        return BlendWeights(**{name: float(value) for name, value in values.items()})
