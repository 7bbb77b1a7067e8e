"""How sure a difference between two methods is. Knows no method and no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.outcome import Values

RESAMPLES = 2000
BLOCK_DRAWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a method's metric exceeds another's on the same units, with a 95% bootstrap interval."""

    mean: float
    low: float
    high: float


def differences(one: Sequence[Mapping[str, Values]], other: Sequence[Mapping[str, Values]]) -> dict[str, Difference]:
    """Paired bootstrap: units are resampled within each seed, the same for both (Efron and Tibshirani, 1993, chapter 16).

    Seeds with as many units draw alike: where a split has files, they are the same units, and more seeds say nothing new of
    them. Where each seed has units of its own, drawing alike changes nothing.

    Args:
        one, other: for each seed the metrics of the two methods, aligned.
    """
    names = list(one[0])
    drawn = np.zeros((len(names), RESAMPLES))
    gain = np.zeros(len(names))
    for mine, theirs in zip(one, other, strict=True):
        stacked = np.stack([values[name].each for values in (mine, theirs) for name in names])
        means = _resampled(stacked, np.random.default_rng(stacked.shape[1]))
        for at, name in enumerate(names):
            finish = mine[name].finish
            drawn[at] += finish(means[at]) - finish(means[len(names) + at])
            gain[at] += mine[name].total() - theirs[name].total()
    low, high = np.percentile(drawn / len(one), [2.5, 97.5], axis=1)
    return {
        name: Difference(float(gain[at] / len(one)), float(low[at]), float(high[at])) for at, name in enumerate(names)
    }


def _resampled(values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Means of resamples with replacement, float64 `[rows, RESAMPLES]`; a unit is drawn for all rows at once."""
    size = values.shape[1]
    found = np.empty((len(values), RESAMPLES))
    block = max(1, BLOCK_DRAWS // size)
    for start in range(0, RESAMPLES, block):
        some = min(block, RESAMPLES - start)
        picks = generator.integers(0, size, (some, size)) + np.arange(some)[:, None] * size
        counts = np.bincount(picks.ravel(), minlength=some * size).reshape(some, size)
        found[:, start : start + some] = values @ counts.T.astype(np.float64) / size
    return found
