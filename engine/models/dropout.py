"""Dropout that is a function of a seed, so that a step can be repeated. Knows no model.

Whether a number stays is a hash of the seed, of the row that it stands in, and of its place there: nothing is drawn from a stream, no
mask is kept for the gradient, and threads change nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.compiled import compiled
from engine.hashing import mix64
from engine.models.attention.lists import Ints
from engine.tensors import array
from engine.types import FloatArray, KeyArray

Keys = NDArray[np.uint32]
_GOLDEN = np.uint32(0x9E3779B9)
_MUL1, _MUL2 = np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
_15, _16 = np.uint32(15), np.uint32(16)


class Dropout:
    """The draws of one step. Each call draws anew.

    Args:
        share: chance that a number becomes 0; all others are divided by 1 - share.
        seed: None drops nothing.
    """

    def __init__(self, share: float, seed: int | None) -> None:
        self.share = 0.0 if seed is None else share
        self.seed = 0 if seed is None else seed
        self.draws = 0

    def __call__(self, x: Tensor) -> Tensor:
        """x `[..., D]` with numbers dropped."""
        if not self.share:
            return x
        flat = x.reshape(-1, x.shape[-1])
        return self.rows(flat, torch.arange(len(flat))).reshape(x.shape)

    def rows(self, table: Tensor, rows: Tensor) -> Tensor:
        """Rows of a table with numbers dropped, `[M, D]`.

        Args:
            table: float `[N, D]`.
            rows: int64 `[M]`; for one that comes twice is drawn twice, and a negative one is 0 throughout.
        """
        out: Tensor = _DroppedRows.apply(table, rows, self.share, self._keys(len(rows)))  # type: ignore[no-untyped-call]
        return out

    def _keys(self, count: int) -> Keys:
        self.draws += 1
        of = np.array([self.seed, self.draws], dtype=np.uint64)
        begin = mix64(mix64(of[:1]) + of[1:])
        place: KeyArray = np.arange(count).astype(np.uint64)
        return (mix64(begin + place) >> np.uint64(32)).astype(np.uint32)


class _DroppedRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, share: float, key: Keys) -> Tensor:
        out = torch.empty(len(rows), table.shape[1])
        ctx.count, ctx.rows, ctx.share, ctx.key = len(table), rows, share, key
        _drop(array(table), rows.numpy(), key, share, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        found = grads[0].new_zeros(ctx.count, grads[0].shape[1])
        _drop_back(array(grads[0]), ctx.rows.numpy(), ctx.key, ctx.share, found.numpy())
        return found, None, None, None


@compiled
def _below(share: float) -> np.uint32:
    """Hashes below this drop what they are of."""
    return np.uint32(share * 4294967296.0)


@compiled
def _hash(key: np.uint32, column: int) -> np.uint32:
    z = np.uint32(key + np.uint32(column) * _GOLDEN)
    z = np.uint32((z ^ (z >> _16)) * _MUL1)
    z = np.uint32((z ^ (z >> _15)) * _MUL2)
    return np.uint32(z ^ (z >> _15))


@compiled
def _drop(table: FloatArray, rows: Ints, key: Keys, share: float, out: FloatArray) -> None:
    width, below, scale = table.shape[1], _below(share), np.float32(1 / (1 - share))
    for at in range(len(rows)):
        to = out[at]
        if rows[at] < 0:
            to[:] = 0
            continue
        its = table[rows[at]]
        for column in range(width):
            to[column] = its[column] * scale if _hash(key[at], column) >= below else np.float32(0)


@compiled
def _drop_back(toward: FloatArray, rows: Ints, key: Keys, share: float, found: FloatArray) -> None:
    width, below, scale = toward.shape[1], _below(share), np.float32(1 / (1 - share))
    for at in range(len(rows)):
        if rows[at] < 0:
            continue
        to, its = found[rows[at]], toward[at]
        for column in range(width):
            to[column] += its[column] * scale if _hash(key[at], column) >= below else np.float32(0)
