"""Filters of the user-item graph: nothing is trained, what a user has is blurred along the graph and sharpened again.

Knows no server.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.errors import ConfigError
from engine.models.gcmc.kernels import sum_rows
from engine.models.learned import Learned, LearnedMethod
from engine.models.linear.spectrum import normalised, right_singular
from engine.models.taught import Places, held, known_degrees, learned_edges, taught_ids
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """How the graph is filtered. Raises ConfigError for a value out of range."""

    components: int = 800
    """Singular vectors of the ideal low-pass filter; fewer where the graph has fewer."""
    ideal: float = 0.3
    """Weight of that filter beside the linear one."""
    power: float = 1.0
    """Each of its components is weighted by its singular value to this power; 0 lets all pass alike, as in the papers."""
    sharpen: float = 0.8
    """Length of the step back along the graph after blurring."""
    popularity: float = 0.1
    """An item's score is multiplied by its number of users to this power; in the papers 0."""

    def __post_init__(self) -> None:
        if self.components < 1:
            raise ConfigError(f"graph-filter: components must be at least 1, not {self.components}")
        for name in ("ideal", "power", "sharpen", "popularity"):
            if getattr(self, name) < 0:
                raise ConfigError(f"graph-filter: {name} must not be negative, not {getattr(self, name)}")


class GraphFilter(LearnedMethod):
    """GF-CF (Shen et al., CIKM'21) and the sharpening step of BSPM (Choi et al., SIGIR'23).

    With N = D_U^-1/2 R D_I^-1/2 and P = N^T N, what a user has, x, is blurred by one Euler step of the heat equation and by
    an ideal low-pass filter, y = x P + ideal * x D_I^-1/2 V S^power V^T D_I^1/2, and sharpened by one step of the equation
    run backwards, y - sharpen * y P (BSPM's early merge). Without sharpening this is GF-CF. What comes out is weighted by how many users an
    item has.
    """

    name = "graph-filter"

    def __init__(
        self,
        components: int = 800,
        ideal: float = 0.3,
        power: float = 1.0,
        sharpen: float = 0.8,
        popularity: float = 0.1,
    ) -> None:
        self.settings = FilterSettings(components, ideal, power, sharpen, popularity)

    def fit(self, data: UserItemData) -> None:
        """Decompose the graph of all known edges.

        Raises:
            TrainingError: there are no edges.
        """
        started, settings = time.perf_counter(), self.settings
        user_degree, item_degree = known_degrees(data)
        users, items = taught_ids(data.users, user_degree), taught_ids(data.items, item_degree)
        edges = learned_edges(data, users, items)
        root = np.sqrt(np.bincount(edges.indices, minlength=len(items))).astype(np.float32)
        graph = normalised(edges)
        values, vectors = right_singular(graph, settings.components, data.seed)
        right = settings.ideal * values[:, None] ** settings.power * (vectors * root)
        right -= settings.sharpen * (graph.T @ (graph @ right.T)).T
        arrays: dict[str, NDArray[Any]] = {
            "indptr": graph.indptr.astype(np.int64),
            "indices": graph.indices.astype(np.int32),
            "entries": graph.data,
            "left": np.ascontiguousarray((vectors / root).T, dtype=np.float32),
            "right": np.ascontiguousarray(right, dtype=np.float32),
            "weight": (root ** (2 * settings.popularity)).astype(np.float32),
        }
        figures = {"components": len(values), "edges": int(graph.nnz), "seconds": time.perf_counter() - started}
        self._learned = Learned(asdict(settings), {"items": items}, arrays, figures)
        self._look_at(data)

    def fold_in(self, data: UserItemData) -> GraphFilter:
        """Answer about later data without a new decomposition: a user is the items that it has now; items that came later
        score -inf."""
        return self._answering(self._learned, data)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`; -inf for an item without a training edge, and for a user who has none of the learned items."""
        own = self._held[users]
        arrays, forth, back = self._learned.arrays, self._graph, self._turned
        reached = (forth @ own.T).toarray()  # [learned users, B]
        if self.settings.sharpen:
            sharp = _product(forth, _product(back, reached))
            reached -= np.float32(self.settings.sharpen) * sharp
        scores = _product(back, reached).T + (own @ arrays["left"]) @ arrays["right"]
        scores *= arrays["weight"]
        scores[np.diff(own.indptr) == 0] = -np.inf
        return self._places.spread_scores(scores)

    def _look_at(self, data: UserItemData) -> None:
        arrays, items = self._learned.arrays, self._learned.ids["items"]
        shape = (len(arrays["indptr"]) - 1, len(items))
        self._graph = csr_array((arrays["entries"], arrays["indices"], arrays["indptr"]), shape=shape)
        self._turned = self._graph.T.tocsr()
        self._places = Places.of(items, data.items)
        self._held = held(data, self._places)


def _product(matrix: csr_array, table: FloatArray) -> FloatArray:
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32, copy=False)
    return sum_rows(indptr, indices, matrix.data, table)
