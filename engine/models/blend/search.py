"""Learn blend weights on validation candidates, first where a walk can join the pair, then where none can.

A handful of numbers on a few thousand pairs: no gradient is needed, and rank itself can be the goal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.models.blend.candidates import Candidates
from engine.models.blend.weights import BlendWeights

FLOORS = (1e-6, 1e-5, 1e-4)
STARTS = ((1.0, 0.0, 0.0), (1.0, 0.3, 0.3), (0.5, 1.0, 0.5), (0.0, 1.0, 0.3), (0.0, 0.0, 1.0))
COLD_STARTS = tuple((*start, shift) for start in ((1.0, 0.0), (1.0, 1.0), (0.3, 1.0)) for shift in (-1.0, 0.0, 1.0))
ROUNDS = 8
HOPELESS = 0.1
"""Cold pairs that no part answers a tenth as well as the others do not count: a shift for their sake would only do harm."""
EVEN = 0.1
"""What the mean ratio on warm pairs counts for, beside the smallest ratio."""
HALVES = np.array([1.0, 10.0, 100.0])
"""The ranks at which an answer is worth half of one at the top: the top itself (1 / rank), a page, what a re-ranker is given."""
NEVER = -1e9

Vector = NDArray[np.float64]


def gains(ranks: Vector) -> Vector:
    """Mean of half / (half + rank - 1) for each half, float64 `[3]`: MRR, and Hit@10 and Hit@100 without an edge."""
    if not len(ranks):
        return np.zeros(len(HALVES))
    found: Vector = (HALVES / (HALVES - 1 + ranks[:, None])).mean(axis=0)
    return found


def learn(warm: Candidates, cold: Candidates) -> BlendWeights:
    """Search weights that raise the gain on warm and on cold pairs.

    Args:
        warm: candidates of validation pairs.
        cold: the same for answers without edges; may be empty, and then cold pairs get what walks would be expected to
            say of them, from a linear fit.
    """
    _, floor, vector = max((_Warm(warm, floor).solve() for floor in FLOORS), key=lambda end: end[0])
    return _Cold(warm, cold, floor, vector).solve()


class _Warm:
    """The weights of embedding, walk and content, in units of each part's spread; nothing without edges counts."""

    def __init__(self, pairs: Candidates, floor: float) -> None:
        self.pairs, self.floor, self.log_walk = pairs, floor, pairs.log_walk(floor)
        self.scale = np.array([_spread(part) for part in (pairs.embedding, self.log_walk, pairs.content)])

    def solve(self) -> tuple[float, float, Vector]:
        """The gain, the floor, and the weights in units of the scores, float64 `[3]`."""

        def value(v: Vector) -> float:
            e, w, c = v / self.scale
            weights = BlendWeights(e, w, c, self.floor, 0.0, 0.0, NEVER)
            return float(gains(self.pairs.ranks(weights, self.log_walk)).sum())

        found, vector = _search(value, STARTS, signed=None)
        return found, self.floor, vector / self.scale


class _Cold:
    """The weights for pairs that no walk can join: embedding, content and a shift, beside warm weights that stand.

    The search begins at what a linear fit expects the walk to say of a pair, given its embedding and content.
    """

    def __init__(self, warm: Candidates, cold: Candidates, floor: float, fixed: Vector) -> None:
        self.floor = floor
        embedding, walk, content = (float(weight) for weight in fixed)
        self.fixed = BlendWeights(embedding, walk, content, floor, 0.0, 0.0, 0.0)
        self.expected = self._expected(warm)
        self.parts = [(part, part.log_walk(floor)) for part in (warm, cold) if len(part)]
        self.spread = _spread(warm.embedding)
        singles = [
            BlendWeights(1, 0, 0, floor, 1, 0, 0),
            BlendWeights(0, 1, 0, floor, 0, 0, NEVER),
            BlendWeights(0, 0, 1, floor, 0, 1, 0),
        ]
        bars = [np.max([gains(part.ranks(one, logs)) for one in singles], axis=0) for part, logs in self.parts]
        if len(bars) > 1 and bars[1][0] < HOPELESS * bars[0][0]:
            bars = bars[:1]
        self.bars = bars

    def _expected(self, warm: Candidates) -> Vector:
        """The warm score as a linear function of embedding, content and 1; some of either part stays, to be weighed anew."""
        on, fixed = warm.connected, self.fixed
        start = np.array([fixed.embedding, fixed.content, 0.0])
        if not on.any():
            return start
        design = np.stack([warm.embedding[on], warm.content[on], np.ones(int(on.sum()))], axis=1)
        slope: Vector = np.linalg.lstsq(design, warm.log_walk(self.floor)[on] * fixed.walk, rcond=None)[0]
        return np.maximum(start + slope, [0.1 * fixed.embedding, 0.1 * fixed.content, -np.inf])

    def weights(self, v: Vector) -> BlendWeights:
        """In units of the scores: two factors of what is expected, and a shift in spreads of the embedding's share."""
        embedding, content, constant = self.expected
        unit = self.spread * max(embedding, 1e-9)
        return replace(
            self.fixed,
            cold_embedding=float(v[0] * embedding),
            cold_content=float(v[1] * content),
            cold_shift=float(constant + v[2] * unit),
        )

    def value(self, v: Vector) -> float:
        """The gains over those of the best single part: the smallest ratio of all, and a little of the mean on warm pairs."""
        weights = self.weights(v)
        pairs = zip(self.parts, self.bars, strict=False)
        ratios = [gains(part.ranks(weights, logs)) / bar for (part, logs), bar in pairs]
        return float(np.min(ratios) + EVEN * ratios[0].mean())

    def solve(self) -> BlendWeights:
        if len(self.parts) < 2:
            return self.weights(np.array([1.0, 1.0, 0.0]))
        return self.weights(_search(self.value, COLD_STARTS, signed=2)[1])


def _search(
    value: Callable[[Vector], float], starts: tuple[tuple[float, ...], ...], signed: int | None
) -> tuple[float, Vector]:
    """Climb a little from every start, and all the way from the best.

    Args:
        signed: the place of the one number that may be negative.
    """
    _, best = max((_climb(value, np.array(start), 2, signed) for start in starts), key=lambda end: end[0])
    return _climb(value, best, ROUNDS, signed)


def _climb(value: Callable[[Vector], float], v: Vector, rounds: int, signed: int | None) -> tuple[float, Vector]:
    """Move one weight at a time, by smaller steps each round."""
    best = value(v)
    for round_ in range(rounds):
        step = 0.7**round_
        for at in range(len(v)):
            for share in (-1.0, -0.3, 0.3, 1.0):
                tried = v.copy()
                if at == signed:
                    tried[at] += 2 * share * step
                else:
                    tried[at] = max(0.0, tried[at] + share * step * (0.8 * tried[at] + 0.1))
                found = value(tried)
                if found > best:
                    best, v = found, tried
    return best, v


def _spread(column: NDArray[np.float32]) -> float:
    """Standard deviation, or 1 where a part says the same of all."""
    return float(column.std()) or 1.0
