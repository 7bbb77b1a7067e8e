"""Draws by weight for a generated world: power laws, and pins by popularity within what is looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.types import IndexArray

Generator = np.random.Generator


def power_law(rng: Generator, n: int, exponent: float) -> NDArray[np.float64]:
    """Weights rank^-exponent in random order, `[n]`, summing to 1."""
    weights = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    rng.shuffle(weights)
    return np.asarray(weights / weights.sum())


def draw(rng: Generator, weights: NDArray[np.float64], n: int) -> IndexArray:
    """`n` row numbers with replacement, by weight."""
    drawn = np.searchsorted(np.cumsum(weights), rng.random(n), side="right")
    return np.asarray(np.minimum(drawn, len(weights) - 1), dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Wish:
    """What pins are looked for, int32 `[n]` each."""

    topic: IndexArray
    subject: IndexArray
    taste: IndexArray


class Shelf:
    """Draws pins by popularity from a (topic, subject, taste), a (topic, subject), a topic, or all, many at once.

    Pins are laid out in that order, so that each of these is a range of one cumulative sum.
    """

    def __init__(self, pins: Wish, weight: NDArray[np.float64], shape: tuple[int, int, int]) -> None:
        self._shape = shape
        cell = np.ravel_multi_index((pins.topic, pins.subject, pins.taste), shape)
        self._order = np.argsort(cell, kind="stable")
        self._cumulative = np.concatenate([[0.0], np.cumsum(weight[self._order])])
        self._starts = np.searchsorted(cell[self._order], np.arange(np.prod(shape) + 1))

    def draw(self, rng: Generator, wish: Wish, fit: float, near: float, stray: float) -> IndexArray:
        """One pin for each wish; where there is none that narrow, the next wider range has to do.

        Returns:
            int32 `[len(wish.topic)]`.
        """
        _, subjects, tastes = self._shape
        luck = rng.random(len(wish.topic))
        cell = np.ravel_multi_index((wish.topic, wish.subject, wish.taste), self._shape)
        low, high = self._starts[cell], self._starts[cell + 1]
        for width, beyond in ((tastes, fit), (subjects * tastes, fit + near)):
            wider = (luck >= beyond) | (low == high)
            first = cell // width * width
            low, high = np.where(wider, self._starts[first], low), np.where(wider, self._starts[first + width], high)
        anything = (luck >= 1 - stray) | (low == high)
        low, high = np.where(anything, 0, low), np.where(anything, len(self._order), high)
        begin, end = self._cumulative[low], self._cumulative[high]
        at = np.searchsorted(self._cumulative, begin + rng.random(len(luck)) * (end - begin), side="right") - 1
        return np.asarray(self._order[np.clip(at, low, high - 1)], dtype=np.int32)
