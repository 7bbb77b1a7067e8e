"""log(walk) + content: the best that can be had without training a network. Knows nothing of cold items, and shows it."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.models.base import ItemScorer, RelatedData
from engine.models.ranking import BATCH, standing
from engine.types import FloatArray, IndexArray

FLOORS = (1e-8, 1e-6, 1e-5, 1e-4)
WEIGHTS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)


class WalksContentScorer:
    """log(walk + floor) + weight x content, floor and weight chosen by MRR on validation pairs.

    An item without edges has walk 0, so every item that the walk reaches stands before it, however alike its content.

    Args:
        walks, content: fitted scorers.
    """

    name = "blend-walks-content"

    def __init__(self, walks: ItemScorer, content: ItemScorer) -> None:
        self._walks, self._content = walks, content
        self.floor, self.weight = FLOORS[1], WEIGHTS[3]

    def fit(self, data: RelatedData) -> None:
        """Try every floor with every weight. Without validation pairs the middle ones stand."""
        if not len(data.validation):
            return
        pairs = data.validation
        choices = [(floor, weight) for floor in FLOORS for weight in WEIGHTS]
        gained = np.zeros(len(choices))
        for start in range(0, len(pairs), BATCH):
            query, answer = pairs.query[start : start + BATCH], pairs.answer[start : start + BATCH]
            walk, content = self._walks.score(query), self._content.score(query)
            for at, (floor, weight) in enumerate(choices):
                found = standing(_mixed(walk, content, floor, weight), query, answer)
                gained[at] += found.reciprocal_rank().sum()
        self.floor, self.weight = choices[int(np.argmax(gained))]

    def score(self, queries: IndexArray) -> FloatArray:
        """float32 `[B, N]`."""
        return _mixed(self._walks.score(queries), self._content.score(queries), self.floor, self.weight)

    def report(self) -> dict[str, Any]:
        return {"floor": self.floor, "weight": self.weight}


def _mixed(walk: FloatArray, content: FloatArray, floor: float, weight: float) -> FloatArray:
    mixed: FloatArray = np.log(walk + np.float32(floor)) + np.float32(weight) * content
    return mixed
