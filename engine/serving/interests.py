"""A user's interests: clusters of what they took up, each told by its medoid (PinnerSage, Pal et al., 2020, section 4).

Knows vectors and times only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from engine.types import FloatArray, TimeArray

MOST_ITEMS = 500
"""The latest items looked at: Ward's method takes the square of their number in memory."""
SPREAD = 1.0
"""Ward distance above which two clusters stay apart; unit vectors at a right angle are 1.41 apart."""
DECAY_PER_DAY = 0.01
"""The paper's lambda (section 4.3)."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class FoundInterest:
    """One cluster.

    Attributes:
        medoid: position of the member with the least sum of squared distances to the others.
        members: int64 positions.
        importance: share of all members' decayed weight, in (0, 1].
    """

    medoid: int
    members: NDArray[np.int64]
    importance: float


def find_interests(
    vectors: FloatArray, times: TimeArray | None, *, now_ms: int | None = None, most: int = 5
) -> list[FoundInterest]:
    """Cluster a user's items and weigh the clusters.

    Args:
        vectors: float32 `[M, d]`, unit length, oldest first.
        times: int64 `[M]` epoch ms, below 0 where unknown; None weighs all alike.
        now_ms: when the weight of an item is 1; the latest time when None.
        most: how many interests to return.

    Returns:
        The most important interests, most important first. Their importances are shares of all, not only of these.
    """
    count = len(vectors)
    if not count:
        return []
    weight = _weights(times, count, now_ms)
    if count == 1:
        labels = np.ones(1, np.int32)
    else:
        labels = fcluster(linkage(np.asarray(vectors, np.float64), method="ward"), t=SPREAD, criterion="distance")
    found = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # Of unit vectors the sum of squared distances is least where the sum of cosines is greatest.
        likeness = vectors[members] @ vectors[members].sum(axis=0)
        share = float(weight[members].sum() / weight.sum())
        found.append(FoundInterest(int(members[likeness.argmax()]), members, share))
    found.sort(key=lambda one: (-one.importance, one.medoid))
    return found[:most]


def _weights(times: TimeArray | None, count: int, now_ms: int | None) -> NDArray[np.float64]:
    if times is None or (times < 0).all():
        return np.ones(count)
    known = np.where(times < 0, times[times >= 0].min(), times)
    age_days = np.maximum(0, (int(known.max()) if now_ms is None else now_ms) - known) / _DAY_MS
    # Never nothing: a user who left for years still has interests.
    return np.asarray(np.maximum(np.exp(-DECAY_PER_DAY * age_days), 1e-9), dtype=np.float64)


def quotas(importances: list[float], k: int) -> list[int]:
    """Share `k` places out by importance, largest remainders first; every interest gets one while there are enough."""
    total = sum(importances)
    exact = [importance / total * k for importance in importances]
    places = [int(share) for share in exact]
    for at in sorted(range(len(exact)), key=lambda i: (places[i] - exact[i], i))[: k - sum(places)]:
        places[at] += 1
    for at in range(min(len(places), k)):
        if not places[at]:
            places[places.index(max(places))] -= 1
            places[at] = 1
    return places
