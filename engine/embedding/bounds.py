"""How far an embedding can have moved, without computing it again. Knows numbers; no model, no graph and no files.

The last layer is `z = ReLU(W [h || n] + w)`, brought to length 1, and the head is `G2 ReLU(G1 z + g) (+ h0)`, brought to
length 1. A ReLU moves no further than what goes into it, a matrix no further than its operator norm times that, and of two
vectors that are `delta` apart, the one at least `length` long, the directions are no further apart than `chord` says. So a
bound on what goes in is a bound on what comes out; and as bounds on the distances of successive states add up (the
triangle inequality), so do accounts of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.types import FloatArray

ACCOUNT, LAYER, HEAD = 0, 1, 2
"""Columns of the accounts, float32 `[N, 3]`: how far a node's embedding may be from the exact one, and no more than the
lengths of its vectors before the last layer's and the head's normalisation."""
UNKNOWN = np.float32(np.inf)
"""The account of a node that was never embedded."""
APART = np.float32(2.0)
"""The most that two unit vectors can be apart."""
_ROUNDING = 1 + 1e-6


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How far a change of each input can carry in the last layer and the head: operator norms.

    Attributes:
        own, pooled: of W's two blocks, for a node's own input and for the pooled messages.
        hidden: of G2 times that of G1, for the last layer's output.
        inputs: of h0 in the head: 1 where it is added to the output, 0 where it is not.
    """

    own: float
    pooled: float
    hidden: float
    inputs: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far embeddings may be from exact ones, in Euclidean distance of unit vectors.

    Attributes:
        largest: the largest account; None where nothing is known of how far they are off.
        skipped: how many nodes have an account that is not 0.
    """

    largest: float | None = 0.0
    skipped: int = 0

    @staticmethod
    def of(accounts: FloatArray) -> Certificate:
        """The certificate of some accounts, `[N, 3]`."""
        account = accounts[:, ACCOUNT]
        skipped = int(np.count_nonzero(account))
        return Certificate(float(account.max()), skipped) if skipped else Certificate()

    def to_json(self) -> dict[str, float | None] | None:
        """As a generation has it; None where all is exact."""
        return {"largest_error": self.largest, "skipped": self.skipped} if self.skipped else None


def chord(delta: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far apart x / |x| and y / |y| can be where |x - y| <= delta and |x| >= length.

    The angle is at most asin(delta / length), and a chord of angle a is 2 sin(a / 2) long. Nothing is known once delta
    reaches the length: 2, as far apart as unit vectors can be.
    """
    share = np.divide(delta, length, out=np.full_like(delta, np.inf), where=length > 0)
    share[(delta == 0) & ~(length > 0)] = 0
    known = share < 1
    angle = np.arcsin(np.where(known, share, 0))
    return np.where(known, 2 * np.sin(angle / 2), APART)


def carried(
    accounts: FloatArray,
    sensitivity: Sensitivity,
    own: NDArray[np.float64],
    pooled: NDArray[np.float64],
    inputs: NDArray[np.float64],
) -> FloatArray:
    """The accounts of nodes whose inputs moved and whose embeddings stay as they are.

    Args:
        accounts: float32 `[B, 3]`, before.
        own, pooled, inputs: `[B]`, how far each node's own input, pooled messages and h0 moved.

    Returns:
        float32 `[B, 3]`.
    """
    before = accounts.astype(np.float64)
    layer = sensitivity.own * own + sensitivity.pooled * pooled
    head = sensitivity.hidden * chord(layer, before[:, LAYER]) + sensitivity.inputs * inputs
    moved = chord(head, before[:, HEAD])
    steps = np.stack([moved, -layer, -head], axis=1) * _ROUNDING
    after: FloatArray = (before + steps).astype(np.float32)
    known = np.isfinite(after[:, ACCOUNT])
    after[known, ACCOUNT] = np.minimum(after[known, ACCOUNT], APART)
    return after
