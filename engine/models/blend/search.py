"""Learn blend weights on validation candidates: a coordinate search that does not end below the best single part.

Seven numbers on a few thousand pairs: no gradient is needed, and rank itself can be the goal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.models.blend.candidates import Candidates
from engine.models.blend.weights import BlendWeights

FLOORS = (1e-6, 1e-5, 1e-4)
STARTS = ((1.0, 0.0, 0.0), (1.0, 0.3, 0.3), (0.5, 1.0, 0.5), (0.0, 1.0, 0.3), (0.0, 0.0, 1.0))
ROUNDS = 8
WORTH = (1.0, 0.3)
"""What the gain on warm and on cold pairs is worth. Most answers have edges: without this, a shift that puts every cold
item on top would pay, because each answer of a cold pair is cold."""
MARGIN = 1.05
"""Blends must beat the best single part by this on validation pairs, so as not to fall below it on others."""
NEVER = -1e9
SHORTFALL = 20.0
"""How much a loss against the best single part outweighs a gain elsewhere."""
WARM = 3
AS_EXPECTED = (1.0, 1.0, 0.0)
SHIFT = 5
"""Where the shift of cold pairs stands in a vector of weights; the only one that may be negative."""

Vector = NDArray[np.float64]


def gain(ranks: Vector) -> float:
    """Mean of 1 / log2(1 + rank): the discount of NDCG, smoother than Hit@k and less taken by rank 1 than MRR."""
    return float(np.mean(1 / np.log2(1 + ranks))) if len(ranks) else 0.0


def learn(warm: Candidates, cold: Candidates) -> BlendWeights:
    """Search weights that raise the gain on warm and on cold pairs.

    Args:
        warm: candidates of validation pairs.
        cold: the same for answers without edges; may be empty, and then cold pairs get what walks would be expected to
            say of them, from a linear fit.
    """
    ends = [_Problem(warm, cold, floor).solve() for floor in FLOORS]
    return max(ends, key=lambda end: end[0])[1]


class _Problem:
    """The search over a vector of six numbers, in units of each part's spread.

    The first three are the weights of embedding, walk and content. A cold pair gets the walk score that its embedding and
    content let one expect (a linear fit on pairs that a walk can join). The last three correct that: a factor for the
    whole, one for content, and a shift.
    """

    def __init__(self, warm: Candidates, cold: Candidates, floor: float) -> None:
        self.floor = floor
        self.parts = [part for part in (warm, cold) if len(part)]
        self.logs = [part.log_walk(floor) for part in self.parts]
        self.scale = np.array(
            [
                _spread([part.embedding for part in self.parts]),
                _spread(self.logs),
                _spread([part.content for part in self.parts]),
            ]
        )
        self.expected_walk = self._fit_walk()
        single = [np.array(v) for v in ((1.0, 0, 0, 1, 1, 0), (0, 1.0, 0, 0, 0, NEVER), (0, 0, 1.0, 1, 1, 0))]
        alone = [self.gains(v) for v in single]
        self.bars = [MARGIN * max(each) for each in zip(*alone, strict=True)]

    def gains(self, v: Vector) -> list[float]:
        """The gain on warm pairs, and on cold ones where there are any."""
        weights = self.weights(v)
        return [gain(part.ranks(weights, logs)) for part, logs in zip(self.parts, self.logs, strict=True)]

    def weights(self, v: Vector) -> BlendWeights:
        """In units of the scores."""
        e, w, c = self.scale
        embedding, content, constant = self.expected_walk
        return BlendWeights(
            embedding=float(v[0] / e),
            walk=float(v[1] / w),
            content=float(v[2] / c),
            floor=self.floor,
            cold_embedding=float(v[3] * max(0.0, v[0] + v[1] * embedding) / e),
            cold_content=float(v[3] * v[4] * max(0.0, v[2] + v[1] * content) / c),
            cold_shift=float(v[1] * constant + v[SHIFT]),
        )

    def value(self, v: Vector) -> float:
        """The worth of the gains, a loss against the best single part counted many times."""
        total = 0.0
        for found, bar, worth in zip(self.gains(v), self.bars, WORTH, strict=False):
            total += worth * found + SHORTFALL * min(0.0, found - bar)
        return total

    def _fit_walk(self) -> Vector:
        """The walk score as a linear function of embedding, content and 1, over warm pairs that a walk can join."""
        part, (e, w, c) = self.parts[0], self.scale
        on = part.connected
        if not on.any():
            return np.zeros(3)
        design = np.stack([part.embedding[on] / e, part.content[on] / c, np.ones(int(on.sum()))], axis=1)
        slope: Vector = np.linalg.lstsq(design, self.logs[0][on] / w, rcond=None)[0]
        return slope

    def solve(self) -> tuple[float, BlendWeights]:
        """Climb a little from every start, and all the way from the best."""
        begun = [np.array([*start, *AS_EXPECTED]) for start in STARTS]
        value, vector = max((self.climb(v, 2) for v in begun), key=lambda end: end[0])
        value, vector = self.climb(vector, ROUNDS)
        return value, self.weights(vector)

    def climb(self, v: Vector, rounds: int) -> tuple[float, Vector]:
        """Move one weight at a time, by smaller steps each round."""
        value = self.value(v)
        for round_ in range(rounds):
            step = 0.7**round_
            for at in range(len(v) if len(self.parts) > 1 else WARM):
                for share in (-1.0, -0.3, 0.3, 1.0):
                    tried = v.copy()
                    if at == SHIFT:
                        tried[at] += 2 * share * step
                    else:
                        tried[at] = max(0.0, tried[at] + share * step * (0.8 * tried[at] + 0.1))
                    found = self.value(tried)
                    if found > value:
                        value, v = found, tried
        return value, v


def _spread(columns: list[NDArray[np.float32]]) -> float:
    """Standard deviation over all pairs, or 1 where a part says the same of all."""
    return float(np.concatenate(columns).std()) or 1.0
