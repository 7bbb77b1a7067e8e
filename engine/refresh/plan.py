"""Which way to find the items whose walks changed costs less. Measures on the spot; decides nothing about the result.

Looking up costs a pass over all footprints, a look at the picks of those that hold a changed node, and walks from the items
whose walks changed. Walking from everywhere costs walks from each item. Both rates, and how many items' walks changed, are
measured on a sample.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from engine.refresh.starts import LookUp, Walk
from engine.types import IndexArray, KeyArray

SAMPLE_WALKS = 256
SAMPLE_RUNS, SAMPLE_RUN = 8, 512

Way = Literal["look up", "walk from everywhere", "no walks"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The way taken, and why.

    Attributes:
        nodes: whose lists of neighbours changed.
        items: that there are.
        expected: how many items' walks are likely to have changed.
        look_up_s: what finding those is estimated to take; `walks_s`: the walks that follow; `everywhere_s`: walks from all
            items.
    """

    way: Way
    nodes: int
    items: int
    expected: int = 0
    look_up_s: float = 0.0
    walks_s: float = 0.0
    everywhere_s: float = 0.0

    def __str__(self) -> str:
        if self.way == "no walks":
            return "no walks: no list of neighbours changed"
        return (
            f"{self.way}: {self.nodes:,} nodes have other neighbours; looking up whose walks changed, in {self.items:,}"
            f" footprints, is estimated at {self.look_up_s:.2g} s, and walks from those {self.expected:,} at"
            f" {self.walks_s:.2g} s, against {self.everywhere_s:.2g} s for walks from every item"
        )

    def to_json(self) -> dict[str, Any]:
        """For the run's row."""
        return {**asdict(self), "why": str(self)}


def choose(walk: Walk, look_up: LookUp, footprints: KeyArray, nodes: int, new: int) -> Plan:
    """Choose by estimated cost.

    Args:
        footprints: uint64 `[N, W]`.
        nodes: whose lists of neighbours changed.
        new: items without a footprint, which are walked from in any case.
    """
    items = len(footprints)
    if not nodes and not new:
        return Plan("no walks", 0, items)
    starts = np.unique(np.linspace(0, max(0, items - 1), SAMPLE_WALKS).astype(np.int32)) if items else _none()
    runs = [np.arange(at, min(at + SAMPLE_RUN, items), dtype=np.int32) for at in _evenly(items)]
    sampled = np.unique(np.concatenate(runs))
    filters = footprints[sampled]
    walk(starts[:1], _ignore)  # loads what is compiled
    look_up(sampled, filters)
    walk_s = _timed(lambda: walk(starts, _ignore)) / max(1, len(starts))
    begun = time.perf_counter()
    expected = round(items * len(look_up(sampled, filters)) / max(1, len(sampled)))
    look_up_s = items * (time.perf_counter() - begun) / max(1, len(sampled))
    walks_s, everywhere_s = (expected + new) * walk_s, (items + new) * walk_s
    way: Way = "look up" if look_up_s + walks_s < everywhere_s else "walk from everywhere"
    return Plan(way, nodes, items, expected, look_up_s, walks_s, everywhere_s)


def _evenly(items: int) -> list[int]:
    return [int(at) for at in np.linspace(0, max(0, items - SAMPLE_RUN), SAMPLE_RUNS)]


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _ignore(walked: Any) -> None:
    del walked


def _none() -> IndexArray:
    return np.empty(0, dtype=np.int32)
