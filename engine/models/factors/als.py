"""ALS for what users have: implicit matrix factorisation by alternating least squares. Knows no server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_array

from engine.errors import ConfigError
from engine.models.factors.als_kernel import solve_rows
from engine.models.learned import Learned
from engine.models.row_embedder import Joined, Outputs, Side
from engine.models.taught import Places, by_learned, known_degrees, learned_edges, taught_ids
from engine.models.user_item import UserItemData
from engine.models.vectors import VectorMethod
from engine.progress import progress
from engine.types import FloatArray, IndexArray

TIMES = 10
"""How much more than all pairs that are there those that are not weigh in all, where no weight of one is set."""
FOLD_STEPS = 20
"""Steps of conjugate gradients from zero to the vectors that users are answered by."""


@dataclass(frozen=True)
class AlsSettings:
    """Raises ConfigError for a value out of range."""

    dim: int = 128
    """Numbers a vector."""
    epochs: int = 12
    """Times that all users and then all items are solved for."""
    unobserved: float = 0.0
    """Weight of a user-item pair that is not there, beside 1 for one that is. 0: so that all of them together weigh ten times as
    much as all that are, whatever the size of the catalogue."""
    ridge: float = 0.01
    """What holds vectors small."""
    frequency: float = 1.0
    """The ridge grows with a node's edges to this power; 0 holds all nodes alike."""
    steps: int = 3
    """Steps of conjugate gradients a row and epoch."""

    def __post_init__(self) -> None:
        for name in ("dim", "epochs", "steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"als: {name} must be at least 1, not {getattr(self, name)}")
        if not self.ridge > 0 or self.unobserved < 0 or self.frequency < 0:
            raise ConfigError("als: ridge must be positive, unobserved and frequency not negative")


class AlsScorer(VectorMethod):
    """Implicit ALS (Hu, Koren and Volinsky, ICDM'08) with the ridge scaled by how much is known of a node and the weight of
    what is not there as a setting (Rendle et al., RecSys'22), each row solved by conjugate gradients.

    What is kept is the items' vectors: a user's follows from its items, so a later user is answered as one of training is.
    """

    name = "als"

    def __init__(
        self,
        dim: int = AlsSettings.dim,
        epochs: int = AlsSettings.epochs,
        unobserved: float = AlsSettings.unobserved,
        ridge: float = AlsSettings.ridge,
        frequency: float = AlsSettings.frequency,
        steps: int = AlsSettings.steps,
    ) -> None:
        self.settings = AlsSettings(dim, epochs, unobserved, ridge, frequency, steps)

    def fit(self, data: UserItemData) -> None:
        """Learn from all known edges.

        Raises:
            TrainingError: there are no edges.
        """
        started = time.perf_counter()
        user_degree, item_degree = known_degrees(data)
        users, items = taught_ids(data.users, user_degree), taught_ids(data.items, item_degree)
        edges = learned_edges(data, users, items)
        settings = replace(self.settings, unobserved=self.settings.unobserved or _unobserved(edges))
        turned = edges.T.tocsr()
        rng = np.random.default_rng(data.seed)
        scale = 0.1 / np.sqrt(settings.dim)
        user_vectors = np.zeros((len(users), settings.dim), dtype=np.float32)
        item_vectors = (rng.standard_normal((len(items), settings.dim)) * scale).astype(np.float32)
        user_ridge, item_ridge = _ridge(edges, settings), _ridge(turned, settings)
        threads = torch.get_num_threads()
        with progress("Factorising", settings.epochs) as advance:
            for _ in range(settings.epochs):
                step = (settings.unobserved, settings.steps, threads)
                solve_rows(edges, user_vectors, item_vectors, user_ridge, *step)
                solve_rows(turned, item_vectors, user_vectors, item_ridge, *step)
                advance(1)
        figures = {"edges": int(edges.nnz), "seconds": time.perf_counter() - started}
        self._learned = Learned(asdict(settings), {"items": items}, {"items": item_vectors}, figures)
        self._look_at(data)

    def fold_in(self, data: UserItemData) -> AlsScorer:
        """Answer about later data without training: a user's vector is solved for from the items that it has now, as that of a
        user of training is; items that came later score -inf."""
        return self._answering(self._learned, data)

    @classmethod
    def _embedder(cls, learned: Learned, joined: Joined) -> _Folding:
        return _Folding(learned, joined)


class _Folding:
    """A `RowEmbedder`: a user is solved for from its items, by the vectors of the items, which stay as they were learned."""

    layers, reads_fields = 1, False
    reads: Mapping[Side, tuple[Side, ...]] = {"users": ("items",), "items": ()}

    def __init__(self, learned: Learned, joined: Joined) -> None:
        self._settings = AlsSettings(**learned.settings)
        self._items = np.array(learned.arrays["items"], dtype=np.float32)
        self._places = Places.of(learned.ids["items"], joined.nodes["items"])
        self._joined = joined

    def embed(self, layer: int, side: Side, rows: IndexArray, before: Outputs) -> FloatArray:
        """See `RowEmbedder`."""
        del layer, before
        if side == "items":
            return self._places.take(self._items, rows)
        own, settings = by_learned(self._joined.rows_of("users", "items", rows), self._places), self._settings
        vectors = np.zeros((len(rows), self._items.shape[1]), dtype=np.float32)
        ridge = _ridge(own, settings)
        solve_rows(own, vectors, self._items, ridge, settings.unobserved, FOLD_STEPS, torch.get_num_threads())
        return vectors


def _unobserved(edges: csr_array) -> float:
    """The weight of a pair that is not there with which all of them weigh `TIMES` what the edges do, at most that of an edge."""
    return min(1.0, TIMES * int(edges.nnz) / (int(edges.shape[0]) * int(edges.shape[1])))


def _ridge(edges: csr_array, settings: AlsSettings) -> FloatArray:
    known = np.diff(edges.indptr) + settings.unobserved * edges.shape[1]
    return np.asarray(settings.ridge * known**settings.frequency, dtype=np.float32)
