"""Choices that depend on the seed and on external ids alone, so that the order of rows changes nothing. Knows arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        drawn = mix(drawn ^ key)
    return drawn


def mix(value: KeyArray) -> KeyArray:
    """The finaliser of splitmix64, uint64 `[N]`."""
    with np.errstate(over="ignore"):
        value = value + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return value ^ (value >> np.uint64(31))


def pack(left: NDArray[Any], right: NDArray[Any], width: int) -> NDArray[np.int64]:
    """One number for each pair of rows."""
    packed: NDArray[np.int64] = left.astype(np.int64) * width + right
    return packed
