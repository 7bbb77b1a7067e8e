"""Choices that depend on the seed and on external ids alone, so that the order of rows changes nothing. Knows arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.hashing import mix64
from engine.types import KeyArray

SALTS = {
    name: number << 32
    for number, name in enumerate(
        f"{what}{part}"
        for what in ("items of ", "boards of ", "cold queries of ", "cold answers of ", "cold boards of ")
        for part in ("test", "validation")
    )
} | {
    name: number << 32 for number, name in enumerate(("cold items", "test", "valid", "cold users", "kept", "tune"), 99)
}
"""One for each purpose, so that no two purposes share a draw."""


def draw(seed: int, purpose: str, *keys: KeyArray) -> KeyArray:
    """The seed, the purpose and the keys, hashed: uint64, one for each row of `keys`."""
    drawn = np.full(1, SALTS[purpose] + seed, dtype=np.uint64)
    for key in keys:
        drawn = mix64(drawn ^ key)
    return drawn


def pack(left: NDArray[Any], right: NDArray[Any], width: int) -> NDArray[np.int64]:
    """One number for each pair of rows."""
    packed: NDArray[np.int64] = left.astype(np.int64) * width + right
    return packed
