"""BPR: matrix factorisation that puts what a user has before what it has not. Knows no server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled_sums
from engine.errors import ConfigError, TrainingError
from engine.models.learned import Learned
from engine.models.row_embedder import SIDES, Joined, Outputs, Side
from engine.models.taught import Places, known_degrees, learned_edges, taught_ids
from engine.models.user_item import UserItemData
from engine.models.vectors import VectorMethod
from engine.progress import progress
from engine.types import FloatArray, IndexArray, OffsetArray


@dataclass(frozen=True)
class BprSettings:
    """Raises ConfigError for a value out of range."""

    dim: int = 64
    """Numbers a vector; a bias of an item comes on top."""
    epochs: int = 100
    """Times as many steps as there are edges."""
    learning_rate: float = 0.05
    """Of stochastic gradient descent."""
    ridge: float = 0.01
    """What holds the vectors of a step's user and items small."""

    def __post_init__(self) -> None:
        for name in ("dim", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"bpr: {name} must be at least 1, not {getattr(self, name)}")
        if not self.learning_rate > 0 or self.ridge < 0:
            raise ConfigError("bpr: learning_rate must be positive and ridge not negative")


class BprScorer(VectorMethod):
    """Bayesian personalised ranking (Rendle et al., UAI'09): for an edge (u, i) and an item j that u has not, drawn evenly, a
    step up the gradient of ln sigmoid(x_ui - x_uj), x_ui = p_u . q_i + b_i.

    A user that came after training has no vector and scores -inf. The last number of an item's vector is its bias, that of
    a user's 1.
    """

    name = "bpr"

    def __init__(
        self,
        dim: int = BprSettings.dim,
        epochs: int = BprSettings.epochs,
        learning_rate: float = BprSettings.learning_rate,
        ridge: float = BprSettings.ridge,
    ) -> None:
        self.settings = BprSettings(dim, epochs, learning_rate, ridge)

    def fit(self, data: UserItemData) -> None:
        """Learn from all known edges.

        Raises:
            TrainingError: there are no edges, or training diverged.
        """
        started, settings = time.perf_counter(), self.settings
        user_degree, item_degree = known_degrees(data)
        users, items = taught_ids(data.users, user_degree), taught_ids(data.items, item_degree)
        edges = learned_edges(data, users, items)
        edges.sort_indices()
        rng = np.random.default_rng(data.seed)
        scale = 1 / np.sqrt(settings.dim)
        user_vectors, item_vectors = (
            ((rng.random((count, settings.dim + 1)) - 0.5) * scale).astype(np.float32)
            for count in (len(users), len(items))
        )
        user_vectors[:, -1], item_vectors[:, -1] = 1, 0
        owner = np.repeat(np.arange(len(users), dtype=np.int32), np.diff(edges.indptr))
        indptr, indices = edges.indptr.astype(np.int64), edges.indices.astype(np.int32)
        wrong: list[float] = []
        with progress("Learning pairs", settings.epochs) as advance:
            for _ in range(settings.epochs):
                place, other = rng.integers(0, len(owner), len(owner)), rng.integers(0, len(items), len(owner))
                drawn = (place.astype(np.int64), other.astype(np.int32))
                rate, ridge = np.float32(settings.learning_rate), np.float32(settings.ridge)
                right = _epoch(indptr, indices, owner, *drawn, user_vectors, item_vectors, rate, ridge)
                wrong.append(1 - right / len(owner))
                advance(1)
        if not np.isfinite(user_vectors).all() or not np.isfinite(item_vectors).all():
            raise TrainingError("bpr: the vectors are not finite", hint="Lower learning_rate.")
        training = {"epochs": len(wrong), "losses": wrong, "seconds": time.perf_counter() - started}
        figures = {"edges": int(edges.nnz), "training": training}
        arrays = {"users": user_vectors, "items": item_vectors}
        self._learned = Learned(asdict(settings), {"users": users, "items": items}, arrays, figures)
        self._look_at(data)

    @classmethod
    def _embedder(cls, learned: Learned, joined: Joined) -> _Known:
        return _Known(learned, joined)


class _Known:
    """A `RowEmbedder`: who was there in training is what was learned, whatever they have now."""

    layers, reads_fields = 1, False
    reads: Mapping[Side, tuple[Side, ...]] = {"users": (), "items": ()}

    def __init__(self, learned: Learned, joined: Joined) -> None:
        self._arrays = learned.arrays
        self._places = {side: Places.of(learned.ids[side], joined.nodes[side]) for side in SIDES}

    def embed(self, layer: int, side: Side, rows: IndexArray, before: Outputs) -> FloatArray:
        """See `RowEmbedder`."""
        del layer, before
        return self._places[side].take(self._arrays[side], rows)


@compiled_sums
def _epoch(
    indptr: OffsetArray,
    indices: IndexArray,
    owner: IndexArray,
    place: NDArray[np.int64],
    other: IndexArray,
    users: FloatArray,
    items: FloatArray,
    rate: np.float32,
    ridge: np.float32,
) -> int:
    """One step a drawn edge; a drawn item that the user has is passed over. Returns how many pairs were in order."""
    width = users.shape[1] - 1
    right = 0
    for at in range(len(place)):
        user, negative = owner[place[at]], other[at]
        low, high = indptr[user], indptr[user + 1]
        while low < high:  # the user's items ascend
            middle = (low + high) // 2
            if indices[middle] < negative:
                low = middle + 1
            else:
                high = middle
        if low < indptr[user + 1] and indices[low] == negative:
            continue
        p, q, n = users[user], items[indices[place[at]]], items[negative]
        ahead = q[width] - n[width]
        for column in range(width):
            ahead += p[column] * (q[column] - n[column])
        right += ahead > 0
        push = np.float32(1 / (1 + np.exp(ahead)))
        for column in range(width):
            own, better, worse = p[column], q[column], n[column]
            p[column] += rate * (push * (better - worse) - ridge * own)
            q[column] += rate * (push * own - ridge * better)
            n[column] += rate * (-push * own - ridge * worse)
        q[width] += rate * (push - ridge * q[width])
        n[width] += rate * (-push - ridge * n[width])
    return right
