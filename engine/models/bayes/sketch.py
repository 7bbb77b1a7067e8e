"""The mean of many products of thin matrices as one such product, in one pass. Knows arrays only."""

from __future__ import annotations

import numpy as np

from engine.models.bayes.kernels import Floats

OVER = 4
"""The sketch is so many times as wide as what is asked of it."""


class MeanProduct:
    """Takes in A_1, A_2, .., each a product L^T R that is never multiplied out, and tells their mean in the same form.

    Kept are Y = A W and Z = V A for random W and V; with Q an orthonormal basis of Y, A is near Q (V Q)^+ Z (Tropp, Yurtsever,
    Udell and Cevher, SIAM J. Matrix Anal. Appl. 2017, algorithm 4).

    Args:
        rows, columns: of A.
        rank: width of the result.
    """

    def __init__(self, rows: int, columns: int, rank: int, rng: np.random.Generator) -> None:
        self.rank = min(rank, rows, columns)
        width = min(OVER * self.rank, rows, columns)
        self._right = rng.standard_normal((columns, width))
        self._left = rng.standard_normal((min(OVER * width + 1, rows), rows))
        self._y, self._z = np.zeros((rows, width)), np.zeros((len(self._left), columns))
        self._count = 0

    def add(self, left: Floats, right: Floats) -> None:
        """Take in L^T R.

        Args:
            left: float64 `[d, rows]`; right: float64 `[d, columns]`.
        """
        self._y += left.T @ (right @ self._right)
        self._z += (self._left @ left.T) @ right
        self._count += 1

    def mean(self) -> tuple[Floats, Floats]:
        """L and R of the mean, float64 `[rank, rows]` and `[rank, columns]`."""
        basis, _ = np.linalg.qr(self._y)
        inner = np.linalg.lstsq(self._left @ basis, self._z, rcond=None)[0]
        u, size, v = np.linalg.svd(inner / self._count, full_matrices=False)
        root = np.sqrt(size[: self.rank])
        return root[:, None] * (basis @ u[:, : self.rank]).T, root[:, None] * v[: self.rank]
