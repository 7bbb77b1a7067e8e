"""The blend of embeddings, walks and content, for serving: candidates of the quick parts, scored by all. Knows one view.

What it learned (`engine.models.blend`) is in the generation's `blend` folder: `weights.json` and, where the model has one,
`bias.npy`, float32 `[N]`, of the items there were when it learned.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import CorruptFileError
from engine.models.base import ItemScorer
from engine.models.blend.weights import BlendWeights
from engine.serving.nearest import NearestMethod, ranked, rows_in
from engine.serving.query import Found, Query, Scope
from engine.serving.view import View
from engine.types import FloatArray

WEIGHTS, BIAS = "weights.json", "bias.npy"
POOL_FACTOR, POOL_LEAST = 10, 300
"""Candidates of each quick part, for each item wanted and at least."""


@dataclass(frozen=True, slots=True)
class Blend:
    """What was learned.

    Attributes:
        weights: of the parts.
        scale: the model's score of a pair is scale x cosine + bias of the answer.
        bias: float32 `[N]`, of the items there were.
        new_bias: of items that came since: that of an item that was never an answer.
    """

    weights: BlendWeights
    scale: float
    bias: FloatArray
    new_bias: float

    def bias_of(self, items: int) -> FloatArray:
        """float32 `[items]`: the biases, filled up for the items that came since."""
        since = np.full(max(0, items - len(self.bias)), self.new_bias, np.float32)
        return np.concatenate([self.bias[:items], since])

    def save(self, folder: Path) -> None:
        """Write it into an open folder."""
        folder.mkdir(parents=True, exist_ok=True)
        known = {"weights": self.weights.to_json(), "scale": self.scale, "new_bias": self.new_bias}
        (folder / WEIGHTS).write_text(json.dumps(known))
        np.save(folder / BIAS, self.bias)

    @staticmethod
    def load(folder: Path) -> Blend:
        """Read what `save` wrote.

        Raises:
            CorruptFileError: a file is missing or unreadable.
        """
        try:
            known: dict[str, Any] = json.loads((folder / WEIGHTS).read_text())
            bias = np.load(folder / BIAS)
            weights = BlendWeights.from_json(known["weights"])
            return Blend(weights, float(known["scale"]), bias, float(known.get("new_bias", 0)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"blend {folder}: cannot be read ({error})") from error


class BlendMethod:
    """Method "blend".

    Args:
        walks, content: fitted on the view.
    """

    name = "blend"

    def __init__(self, view: View, blend: Blend, walks: ItemScorer, content: ItemScorer) -> None:
        self._view = view
        self._blend = blend
        self._bias = blend.bias_of(len(view.items))
        self._walks = walks
        self._content = content
        self._nearest = NearestMethod(view)
        self._has_edges: NDArray[np.bool_] = view.graph.item_to_context.degrees() > 0

    def search(self, query: Query, scope: Scope, count: int) -> Found:
        """The `count` best of all that the embeddings and the walks bring up; fewer only where the scope holds fewer."""
        pool = max(POOL_LEAST, POOL_FACTOR * count)
        known = query.rows >= 0
        walk = np.zeros((len(query.rows), len(self._view.items)), np.float32)
        content = np.zeros_like(walk)
        if known.any():
            walk[known] = self._walks.score(query.rows[known])
            content[known] = self._content.score(query.rows[known])
        allowed = rows_in(self._view, scope)
        reached = query.weights @ walk[:, allowed]
        met = reached > 0
        order = self._view.items.order
        by_walk = ranked(allowed[met], reached[met], pool, order).rows
        rows = np.union1d(self._nearest.search(query, scope, pool).rows, by_walk)
        cosine = query.vectors @ self._view.vectors[rows].T
        linked = known & self._has_edges[np.maximum(query.rows, 0)]
        scores = self._blend.weights.combine(
            np.asarray(self._blend.scale * cosine + self._bias[rows], np.float32),
            walk[:, rows],
            content[:, rows],
            linked[:, None] & self._has_edges[rows][None],
        )
        return ranked(rows, np.asarray(query.weights @ scores, np.float32), count, order)
