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
from engine.models.blend.weights import BlendWeights
from engine.models.content import ContentScorer
from engine.models.walks import walk_reach
from engine.serving.kernels import most_met
from engine.serving.nearest import NearestMethod, ranked
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
    """Method "blend". Only the few hundred candidates are scored, so that an answer does not wait for all other items.

    Args:
        content: fitted on the view.
    """

    name = "blend"

    def __init__(self, view: View, blend: Blend, content: ContentScorer) -> None:
        self._view = view
        self._blend = blend
        self._bias = blend.bias_of(len(view.items))
        self._content = content
        self._nearest = NearestMethod(view)
        self._has_edges: NDArray[np.bool_] = view.graph.item_to_context.degrees() > 0

    def search(self, query: Query, scope: Scope, count: int) -> Found:
        """The `count` best of all that the embeddings and the walks bring up; fewer only where the scope holds fewer."""
        pool = max(POOL_LEAST, POOL_FACTOR * count)
        ends, by_walk = self._walk(query, scope, pool)
        rows = np.union1d(self._nearest.search(query, scope, pool).rows, by_walk)
        known = query.rows >= 0
        content = np.zeros((len(query.rows), len(rows)), np.float32)
        content[known] = self._content.score_rows(query.rows[known], rows)
        cosine = query.vectors @ self._view.vectors[rows].T
        linked = known & self._has_edges[np.maximum(query.rows, 0)]
        scores = self._blend.weights.combine(
            np.asarray(self._blend.scale * cosine + self._bias[rows], np.float32),
            ends[:, rows],
            content,
            linked[:, None] & self._has_edges[rows][None],
        )
        return ranked(rows, np.asarray(query.weights @ scores, np.float32), count, self._view.items.order)

    def _walk(self, query: Query, scope: Scope, pool: int) -> tuple[FloatArray, NDArray[np.int64]]:
        """Where the walk from each query item ends, float32 `[Q, N]`, and the `pool` rows of the scope it ends at most."""
        view = self._view
        ends = np.zeros((len(query.rows), len(view.items)), np.float32)
        reached = [
            walk_reach(view.graph, row, end) for row, end in zip(query.rows.tolist(), ends, strict=True) if row >= 0
        ]
        joined = np.unique(np.concatenate(reached)) if len(reached) > 1 else reached[0] if reached else _NONE
        shut = np.zeros(len(view.items), bool)
        shut[list(scope.excluded)] = True
        mask = _ALL if scope.matches is None else scope.matches.mask
        rows, met = most_met(ends, query.weights, joined, view.items.corpus, scope.corpus, mask, shut, pool)
        return ends, ranked(rows, met, pool, view.items.order).rows


_NONE = np.empty(0, np.int32)
_ALL = np.empty(0, bool)
