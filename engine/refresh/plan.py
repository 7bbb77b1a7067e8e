"""Which way to find the items whose walks changed costs less. Measures on the spot; decides nothing about the result.

Looking up costs a pass over all footprints and a walk for each that may hold a changed node; a popular node is held by
nearly all. Walking from everywhere costs a walk for each item. Both rates, and how many footprints hold a changed node, are
measured on a sample.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from engine.refresh.starts import Walk, look_up
from engine.types import IndexArray, KeyArray

SAMPLE_WALKS = 256
SAMPLE_RUNS, SAMPLE_RUN = 16, 128

Way = Literal["look up", "walk from everywhere", "no walks"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The way taken, and why.

    Attributes:
        nodes: whose lists of neighbours changed.
        items: that there are.
        expected: how many footprints are likely to hold one of the nodes.
        look_up_s: what a pass over the footprints is estimated to take; `walks_s`: the walks that follow;
            `everywhere_s`: walks from all items.
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
            f"{self.way}: {self.nodes:,} nodes have other neighbours; looking them up in {self.items:,} footprints is"
            f" estimated at {self.look_up_s:.2g} s, and the {self.expected:,} walks to follow at {self.walks_s:.2g} s,"
            f" against {self.everywhere_s:.2g} s for walks from every item"
        )

    def to_json(self) -> dict[str, Any]:
        """For the run's row."""
        return {**asdict(self), "why": str(self)}


def choose(walk: Walk, footprints: KeyArray, nodes: KeyArray, new: int) -> Plan:
    """Choose by estimated cost.

    Args:
        footprints: uint64 `[N, W]`.
        nodes: of `footprints.changed_nodes`.
        new: items without a footprint, which are walked from in any case.
    """
    items = len(footprints)
    if not len(nodes) and not new:
        return Plan("no walks", 0, items)
    starts = np.unique(np.linspace(0, max(0, items - 1), SAMPLE_WALKS).astype(np.int32)) if items else _none()
    walk(starts[:1], _ignore)  # loads what is compiled
    look_up(footprints[:1], nodes)
    walk_s = _timed(lambda: walk(starts, _ignore)) / max(1, len(starts))
    runs = [slice(at, at + SAMPLE_RUN) for at in np.linspace(0, max(0, items - SAMPLE_RUN), SAMPLE_RUNS).astype(int)]
    held = sampled = 0
    begun = time.perf_counter()
    for run in runs:
        held += len(look_up(footprints[run], nodes))
        sampled += len(footprints[run])
    scan_s = (time.perf_counter() - begun) / max(1, sampled)
    expected = round(items * held / max(1, sampled))
    look_up_s, walks_s, everywhere_s = items * scan_s, (expected + new) * walk_s, (items + new) * walk_s
    way: Way = "look up" if look_up_s + walks_s < everywhere_s else "walk from everywhere"
    return Plan(way, len(nodes), items, expected, look_up_s, walks_s, everywhere_s)


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _ignore(walked: Any) -> None:
    del walked


def _none() -> IndexArray:
    return np.empty(0, dtype=np.int32)
