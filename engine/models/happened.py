"""What has happened by a time, of edges that carry one. Knows no method and no server."""

from __future__ import annotations

import time
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from engine.graph.snapshot_csr import cut
from engine.models.user_item import UserItemEdges
from engine.types import CSR, TimeArray


def epoch_ms(when: datetime) -> int:
    """A time that knows its zone as edges carry it, to the nearest ms."""
    return round(when.timestamp() * 1000)


def happened(times: TimeArray, now: int | None = None) -> NDArray[np.bool_]:
    """bool `[E]`: which edges are not dated after a time. One without a time was always there.

    Args:
        times: int64 `[E]` epoch ms, below 0 where an edge has none.
        now: epoch ms; the wall clock's when None.
    """
    return np.asarray(times <= (int(time.time() * 1000) if now is None else now))


def so_far(edges: UserItemEdges, now: int | None = None) -> UserItemEdges:
    """The edges that have happened; see `happened`."""
    there = None if edges.time is None else happened(edges.time, now)
    return edges if there is None or there.all() else edges.only(there)


def follows_so_far(follows: CSR, now: int | None = None) -> CSR:
    """The follows that have happened; see `happened`."""
    there = None if follows.time is None else happened(follows.time, now)
    return follows if there is None or there.all() else cut(follows, there)
