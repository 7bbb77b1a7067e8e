"""Walk again from the items whose walks changed, and find those whose neighbourhoods did.

Two ways lead to the same result: look up whose walks changed and walk from those, or walk from every item. `plan` chooses.
Knows walks and arrays; no model and no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.embedding.kept import Kept, joined
from engine.sampling.config import WalkConfig
from engine.sampling.footprints import Footprints
from engine.sampling.walks import OnBlock
from engine.types import IndexArray, KeyArray, Neighbourhoods

Walk = Callable[[IndexArray, OnBlock], Neighbourhoods]
"""The neighbourhoods of some items in the graph as it is now, as the model pools them."""
LookUp = Callable[[IndexArray, KeyArray], IndexArray]
"""Those of some items, given with their footprints `[B, W]`, whose walks changed."""
STARTS_A_PART = 32_768


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
