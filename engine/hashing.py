"""Stable 64-bit keys of ids and digests of content. Knows no files and no graph."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.types import KeyArray


def key64(node_id: str) -> int:
    """The 64-bit key of one external id: the first 8 bytes of its BLAKE2b, little-endian."""
    return int.from_bytes(hashlib.blake2b(node_id.encode(), digest_size=8).digest(), "little")


def keys64(node_ids: Iterable[str]) -> KeyArray:
    """`key64` of many ids.

    Returns:
        uint64 `[N]`. Walks start from these keys and break ties by them, never by row numbers.
    """
    blake = hashlib.blake2b
    packed = b"".join(blake(i.encode(), digest_size=8).digest() for i in node_ids)
    return np.frombuffer(packed, dtype="<u8").astype(np.uint64, copy=False)


def salted_digest(salt: str, node_id: str) -> str:
    """What stands for an id that must no longer be written down: hex of 16 bytes, of use only beside the salt (hex) and the id."""
    return hashlib.blake2b(node_id.encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def digest(value: Any) -> str:
    """A SHA-256 hex digest of any JSON-able value, equal for equal values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def mix64(value: KeyArray) -> KeyArray:
    """The finaliser of splitmix64, uint64 `[N]`: every bit of the result depends on all bits given."""
    with np.errstate(over="ignore"):
        value = value + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return value ^ (value >> np.uint64(31))
