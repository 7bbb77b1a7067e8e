"""How good a method is for users of whom little or much is known, and what its attention looks at. Knows no method by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.outcome import Outcome, Rated, Values, metric_values
from engine.evaluation.user_split import UserItemSplit
from engine.models.attention.weighed import Attends, AttendsFurther
from engine.models.friends import followed
from engine.types import IndexArray

EDGES = (0, 1, 2, 3, 6, 11, 21, 51, 101)
"""Where buckets of a number of items or friends begin; the last has no end."""
MOST_USERS = 300
"""So many users are asked what they attend to, drawn by the seed."""
MOST_NEIGHBOURS = 10


def by_bucket(
    outcomes: Mapping[str, Outcome], split: UserItemSplit, metrics: Sequence[str], ks: Sequence[int]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Part -> "items" and "friends", by how many of them the user has -> the buckets that anybody is in, smallest first.

    A bucket says `least`, `most` (None for no end), how many users or ratings are in it (`count`), and the metrics.

    Args:
        metrics, ks: as `metric_values` takes them.
    """
    training = split.training
    have = {"items": np.bincount(training.known().user, minlength=training.num_users)}
    if training.follows is not None:
        have["friends"] = np.diff(followed(training).indptr)
    users = np.unique(split.test.user)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for part, outcome in outcomes.items():
        asked = split.test.user if isinstance(outcome, Rated) else users
        if len(asked) == len(outcome):
            values = metric_values(outcome, metrics, ks)
            found[part] = {what: _buckets(number[asked], values) for what, number in have.items()}
    return found


def _buckets(number: NDArray[np.integer], values: Mapping[str, Values]) -> list[dict[str, Any]]:
    place = np.searchsorted(EDGES, number, side="right") - 1
    found = []
    for at in np.unique(place).tolist():
        inside = place == at
        most = EDGES[at + 1] - 1 if at + 1 < len(EDGES) else None
        means = {name: float(one.finish(one.each[inside].mean())) for name, one in values.items()}
        found.append({"least": EDGES[at], "most": most, "count": int(inside.sum()), "metrics": means})
    return found


def attention_profiles(fitted: Any, split: UserItemSplit) -> list[dict[str, Any]]:
    """For each attention of a method, nearest hop first, how much it gives the most attended neighbour, the next, and so on, what
    that were if all were attended alike, and what it takes of several that are weighed against each other; empty of a method without
    attention."""
    if not isinstance(fitted, Attends):
        return []
    rng = np.random.default_rng([split.training.seed, 4])
    users, items = (_some(np.unique(rows), rng) for rows in (split.test.user, split.test.item))
    told = fitted.attention(users, items)
    if isinstance(fitted, AttendsFurther):
        told += fitted.attention_further(users)
    found = []
    for weighed in told:
        share, even = weighed.profile(MOST_NEIGHBOURS)
        profile = {"part": weighed.part, "hop": weighed.hop, "share": share.tolist(), "even": even.tolist()}
        found.append({**profile, "portion": weighed.portion()})
    return found


def _some(rows: IndexArray, rng: np.random.Generator) -> IndexArray:
    if len(rows) > MOST_USERS:
        rows = np.sort(rng.choice(rows, MOST_USERS, replace=False))
    return rows.astype(np.int32)
