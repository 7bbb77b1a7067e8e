"""Which way to find the items whose walks changed costs less. Measures on the spot; decides nothing about the result.

Looking up costs a pass over all footprints, a look at the picks of those that hold a changed node, and walks from the items
whose walks changed. Walking from everywhere costs walks from each item. Both rates, and how many items' walks changed, are
measured on a sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from engine.refresh.starts import LookUp, Walk
from engine.sampling import changed_walks, kernels
from engine.sampling.config import WalkConfig
from engine.sampling.footprints import Footprints
from engine.types import IndexArray, KeyArray

SAMPLE_RUNS = 8

Way = Literal["look up", "walk from everywhere", "no walks"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The way taken, and why.

    Attributes:
        nodes: whose lists of neighbours changed.
        items: that there are.
        expected: how many items' walks are likely to have changed.
        look_up_s: what finding those is estimated to take on one core; `walks_s`: the walks that follow; `everywhere_s`:
            walks from all items.
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
            f" {self.walks_s:.2g} s, against {self.everywhere_s:.2g} s for walks from every item, on one core"
        )

    def to_json(self) -> dict[str, Any]:
        """For the run's row."""
        return {**asdict(self), "why": str(self)}


def choose(walk: Walk, look_up: LookUp, footprints: KeyArray, nodes: int, new: int, config: WalkConfig) -> Plan:
    """Choose by estimated cost, in seconds of one core.

    Args:
        footprints: uint64 `[N, W]`.
        nodes: whose lists of neighbours changed.
        new: items without a footprint, which are walked from in any case.
    """
    items = len(footprints)
    if not nodes and not new:
        return Plan("no walks", 0, items)

    def walk_some(rows: IndexArray) -> int:
        return len(walk(rows, Footprints(len(rows), config).stamp))

    def look_some_up(rows: IndexArray) -> int:
        return len(look_up(rows, footprints[rows]))

    walk_s, _ = _an_item(walk_some, items, kernels.BLOCK)
    look_up_s, share = _an_item(look_some_up, items, changed_walks.STARTS)
    expected = round(items * share)
    whole_s, walks_s, everywhere_s = items * look_up_s, (expected + new) * walk_s, (items + new) * walk_s
    way: Way = "look up" if whole_s + walks_s < everywhere_s else "walk from everywhere"
    return Plan(way, nodes, items, expected, whole_s, walks_s, everywhere_s)


def _an_item(work: Callable[[IndexArray], int], items: int, run: int) -> tuple[float, float]:
    """Measure work on runs of items spread over all. A run is what is done in step, so that it stays in this thread, whose
    own time tells of the work alone and not of what else the machine does.

    Returns:
        How long an item takes, and how many it finds of one.
    """
    runs = [_run(int(at), items, run) for at in np.linspace(0, max(0, items - run), SAMPLE_RUNS)]
    work(runs[0])  # loads what is compiled
    begun = time.thread_time()
    found = sum(work(rows) for rows in runs)
    measured = max(1, sum(len(rows) for rows in runs))
    return (time.thread_time() - begun) / measured, found / measured


def _run(at: int, items: int, run: int) -> IndexArray:
    return np.arange(at, min(at + run, items), dtype=np.int32)
