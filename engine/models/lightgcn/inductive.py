"""What a trained LightGCN says of the nodes of some data: those of training, and later ones from their first edges.

The final embedding is e^(0) / (K + 1) plus what the neighbours sent in layers 0 .. K - 1, which for a node of training and
its own edges is equation 4 of He et al. exactly. A later node has no e^(0) and receives once. Knows no training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from engine.models.learned import Learned
from engine.models.taught import Places
from engine.models.user_item import UserItemData
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class Side:
    """The users, or the items, of some data.

    Attributes:
        vectors: float32 `[n, dim]` of length 1; zeros for a cold node.
        standing: "trained", "folded in" or "cold".
    """

    vectors: FloatArray
    standing: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Received:
    """Both sides."""

    users: Side
    items: Side


def receive(learned: Learned, data: UserItemData) -> Received:
    """One pass over all known edges of some data; senders keep the degree that they had in training."""
    users, items = Places.of(learned.ids["users"], data.users), Places.of(learned.ids["items"], data.items)
    edges, arrays = data.seen(data.known()), learned.arrays
    return Received(
        _side(edges, users, arrays["user_own"], items, arrays["item_sent"], arrays["item_degree"]),
        _side(edges.T.tocsr(), items, arrays["item_own"], users, arrays["user_sent"], arrays["user_degree"]),
    )


def _side(
    edges: csr_array, here: Places, own: FloatArray, senders: Places, sent: FloatArray, degree: FloatArray
) -> Side:
    """What the rows of some edges are, from what the learned nodes among the columns sent."""
    reach = (edges @ diags_array((senders.column >= 0).astype(np.float32))).tocsr()
    reach.eliminate_zeros()
    reach.sort_indices()
    count = np.diff(reach.indptr)
    shared = senders.spread(np.asarray(sent / np.sqrt(degree)[:, None], dtype=np.float32), 0)
    vectors = here.spread(np.asarray(own, dtype=np.float32), 0)
    vectors += (reach @ shared) / np.sqrt(np.maximum(count, 1)).astype(np.float32)[:, None]
    length = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    vectors /= np.maximum(length, 1e-12)
    standing = np.where(here.column >= 0, "trained", np.where(count > 0, "folded in", "cold"))
    return Side(vectors.astype(np.float32), standing)
