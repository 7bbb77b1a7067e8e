"""Inner products as cosines, so that an index of unit vectors finds the largest ones. Knows numbers only.

An item's vector v is stretched by one column to (v, sqrt(M^2 - |v|^2)) / M, where M is the longest one's length, and a user's u
becomes (u, 0) / |u|: their cosine is u.v / (|u| M), which ranks the items of one user as u.v does (Bachrach et al., RecSys'14).
"""

from __future__ import annotations

import numpy as np

from engine.types import FloatArray


def longest_of(vectors: FloatArray) -> float:
    """M of some items, `[N, d]`; 1 where all are zeros."""
    return float(np.linalg.norm(vectors.astype(np.float64), axis=1).max(initial=0.0)) or 1.0


def stretched_items(vectors: FloatArray, longest: float) -> FloatArray:
    """float32 `[N, d + 1]`, unit length.

    Args:
        longest: M; none is longer, but for rounding.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    last = np.sqrt(np.maximum(longest**2 - lengths**2, 0.0))
    unit = np.column_stack([vectors, last]) / longest
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return np.asarray(unit, np.float32)


def stretched_users(vectors: FloatArray) -> FloatArray:
    """float32 `[U, d + 1]`, unit length or zeros."""
    lengths = np.linalg.norm(vectors, axis=1)
    unit = np.column_stack([vectors, np.zeros(len(vectors))]) / np.where(lengths > 0, lengths, 1.0)[:, None]
    return np.asarray(unit, np.float32)
