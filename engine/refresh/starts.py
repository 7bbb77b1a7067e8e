"""Walk again from the items whose walks may have changed, and find those whose neighbourhoods did.

Two ways lead to the same result: look the changed nodes up in the footprints and walk from the items that may have stood on
one, or walk from every item. `plan` chooses. Knows walks and arrays; no model and no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from engine.embedding.kept import Kept, joined
from engine.sampling.config import WalkConfig
from engine.sampling.footprints import Footprints, may_hold
from engine.sampling.walks import OnBlock
from engine.types import IndexArray, KeyArray, Neighbourhoods

Walk = Callable[[IndexArray, OnBlock], Neighbourhoods]
"""The neighbourhoods of some items in the graph as it is now, as the model pools them."""
STARTS_A_PART = 32_768
ROWS_A_SCAN = 16_384


@dataclass(frozen=True, slots=True)
class Rewalked:
    """What walking again found.

    Attributes:
        around: int32, increasing: items whose neighbourhood differs; `before` is what it was.
        filtered: int32, increasing: items whose footprint differs; `filters` is what it is now, uint64 `[F, W]`.
    """

    around: IndexArray
    before: Neighbourhoods
    filtered: IndexArray
    filters: KeyArray


def look_up(footprints: KeyArray, nodes: KeyArray) -> IndexArray:
    """The items whose walks may have picked from one of the nodes, int32, increasing."""
    return np.flatnonzero(may_hold(_scans(footprints), nodes)).astype(np.int32)


def _scans(footprints: KeyArray) -> Iterator[KeyArray]:
    for at in range(0, len(footprints), ROWS_A_SCAN):
        yield footprints[at : at + ROWS_A_SCAN]


def walk_again(walk: Walk, kept: Kept, footprints: KeyArray, starts: IndexArray, config: WalkConfig) -> Rewalked:
    """Walk from some items, and put those neighbourhoods that differ into `kept`.

    Args:
        footprints: uint64 `[N, W]`.
        starts: int32, increasing.
    """
    around, filtered = [], []
    idx, weight = [np.empty((0, kept.idx.shape[1]), np.int32)], [np.empty((0, kept.idx.shape[1]), np.float32)]
    filters = [np.empty((0, footprints.shape[1]), np.uint64)]
    for at in range(0, len(starts), STARTS_A_PART):
        part = starts[at : at + STARTS_A_PART]
        prints = Footprints(len(part), config)
        found, before = walk(part, prints.stamp), kept.around(part)
        differs = (found.idx != before.idx).any(axis=1) | (found.weight != before.weight).any(axis=1)
        around.append(part[differs])
        idx.append(before.idx[differs])
        weight.append(before.weight[differs])
        kept.idx[part[differs]], kept.weight[part[differs]] = found.idx[differs], found.weight[differs]
        other = (prints.filters != footprints[part]).any(axis=1)
        filtered.append(part[other])
        filters.append(prints.filters[other])
    return Rewalked(
        joined(around),
        Neighbourhoods(np.concatenate(idx), np.concatenate(weight)),
        joined(filtered),
        np.concatenate(filters),
    )
