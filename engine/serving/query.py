"""What is asked and what may be answered, as rows and vectors. Knows no method and no index."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.serving.filters import Matches
from engine.types import FloatArray, IndexArray

Related = str | Mapping[str, float]
"""One item id, or ids with weights."""


class Query(NamedTuple):
    """One or more items, weighted, or a user.

    Attributes:
        ids: `[Q]` item ids, or the user's.
        rows: int32 `[Q]` item rows; -1 for an item that is newer than the generation.
        weights: float32 `[Q]`, above 0, summing to 1.
        vectors: float32 `[Q, d]`, unit length but for a user's.
    """

    ids: tuple[str, ...]
    rows: IndexArray
    weights: FloatArray
    vectors: FloatArray


class Scope(NamedTuple):
    """What may be answered.

    Attributes:
        corpus: its number.
        matches: what the filter lets through; None without a filter.
        excluded: item rows that must not come up.
    """

    corpus: int
    matches: Matches | None = None
    excluded: frozenset[int] = frozenset()


class Found(NamedTuple):
    """Candidates of one method, best first.

    Attributes:
        rows: int64 `[C]` item rows.
        scores: float32 `[C]`, higher is better.
        reach: why the method could find no more, in words, where it could not.
    """

    rows: NDArray[np.int64]
    scores: FloatArray
    reach: str | None = None


def read_weights(asked: Related) -> dict[str, float]:
    """The query as ids with positive weights that sum to 1.

    Raises:
        InputError: no id, an id that is no string, or a weight that is not a finite number above 0.
    """
    if isinstance(asked, str):
        return {asked: 1.0}
    if not isinstance(asked, Mapping):
        raise InputError(f"ask for an item id or a mapping of item id to weight, not {asked!r:.80}")
    if not asked:
        raise InputError("the query names no item")
    for item_id, weight in asked.items():
        if not isinstance(item_id, str):
            raise InputError(f"item ids are strings, not {item_id!r:.80}")
        number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight <= 0:
            raise InputError(f"the weight of item {item_id!r:.80} must be a finite number above 0, not {weight!r:.80}")
    total = math.fsum(asked.values())
    return {item_id: float(weight) / total for item_id, weight in asked.items()}


def hidden_ids(exclude: Any) -> frozenset[str]:
    """The ids to leave out; one that no item has does no harm.

    Raises:
        InputError: one string instead of several.
    """
    if exclude is None:
        return frozenset()
    if isinstance(exclude, str):
        raise InputError("exclude is a list of item ids, not one string")
    return frozenset(str(item_id) for item_id in exclude)


def boost(scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Merge the scores of several query items as Pixie does (Eksombatchai et al., 2018, eq. 3): (sum_q w_q sqrt(s_q))^2.

    What is related to several query items comes before what is as much related to one. With one query item the score
    stays as it is.

    Args:
        scores: float32 `[Q, C]`, at least 0; -inf counts as 0.
        weights: float32 `[Q]`, summing to 1.

    Returns:
        float32 `[C]`.
    """
    if len(weights) == 1:
        return np.asarray(scores[0], dtype=np.float32)
    roots = np.sqrt(np.maximum(scores, 0.0))
    return np.asarray((weights @ roots) ** 2, dtype=np.float32)


def boost_cosines(cosines: FloatArray, weights: FloatArray) -> FloatArray:
    """`boost` of cosines, float32 `[Q, C]` in [-1, 1]: brought to [0, 1] and back."""
    if len(weights) == 1:
        return np.asarray(cosines[0], dtype=np.float32)
    return np.asarray(2.0 * boost((1.0 + cosines) / 2.0, weights) - 1.0, dtype=np.float32)
