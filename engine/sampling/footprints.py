"""Which start nodes' walks may have changed: a Bloom filter a start, of the nodes whose lists its walks picked from.

A walk stays what it is as long as no list that it picks from changes (`walks.WalkedBlock`). So the starts whose filter
holds none of the nodes whose lists changed keep their walks; `changed_walks` looks closer at the others. A filter says
"maybe" of a few nodes that it does not hold (Bloom, 1970), which costs that look and never misses one.

Many nodes are looked up in many filters at once by turning 64 filters about, so that a word tells of one bit in all of them.

Nodes enter by row number, which never changes within a lineage of snapshots. Knows no server and no file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.sampling.config import WalkConfig
from engine.sampling.walks import WalkedBlock
from engine.types import IndexArray, KeyArray

PROBES = 5
"""Bits a node."""
BITS_A_VISIT = 14
"""Room for each list that a start's walks can pick from: with five bits a node, one in four hundred is held by mistake."""
_MUL1, _MUL2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_1, _6, _27, _30, _31, _32 = (np.uint64(n) for n in (1, 6, 27, 30, 31, 32))
_LOW, _EVERY, _63 = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(63)


def words_for(config: WalkConfig) -> int:
    """W, how many 64-bit words a filter has."""
    # Of the items, the start stands for itself and for every restart.
    lists = 1 + config.num_walks * (1 + (config.walk_length - 1) * (2 - config.restart))
    return max(2, -(-round(lists * BITS_A_VISIT) // 64))


class Footprints:
    """Filters of some start nodes, filled while they walk: `stamp` is for `walks.neighbourhoods(on_block=...)`.

    Attributes:
        filters: uint64 `[B, W]`.
    """

    def __init__(self, starts: int, config: WalkConfig) -> None:
        self.filters: KeyArray = np.zeros((starts, words_for(config)), dtype=np.uint64)

    def stamp(self, walked: WalkedBlock) -> None:
        """Take in the walks of a block of starts."""
        _stamp(walked.items, walked.contexts, self.filters[walked.starts])


def changed_nodes(items: IndexArray, contexts: IndexArray) -> KeyArray:
    """What to look for in filters, uint64 `[M]`.

    Args:
        items, contexts: rows whose list of neighbours changed.
    """
    return np.concatenate([_hashes(items, 0), _hashes(contexts, 1)])


def holding(filters: KeyArray, nodes: KeyArray) -> tuple[IndexArray, IndexArray]:
    """Which filters may hold which nodes; of those that do, none is left out.

    Args:
        filters: uint64 `[B, W]`.
        nodes: of `changed_nodes`.

    Returns:
        int32 `[P]` and `[P]`: pairs of a filter and a node, by filter and then by node.
    """
    return _holding(filters, _places(nodes, filters.shape[1]))


@compiled
def _hash(row: int, kind: int) -> np.uint64:
    z = (np.uint64(row) << _1 | np.uint64(kind)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> _30)) * _MUL1
    z = (z ^ (z >> _27)) * _MUL2
    return z ^ (z >> _31)


@compiled
def _hashes(rows: IndexArray, kind: int) -> KeyArray:
    out = np.empty(len(rows), dtype=np.uint64)
    for at in range(len(rows)):
        out[at] = _hash(rows[at], kind)
    return out


@compiled
def _bit(node: np.uint64, probe: np.uint64, bits: np.uint64) -> np.uint64:
    """The place of a probe, below `bits`: double hashing (Kirsch and Mitzenmacher, 2006)."""
    return (((node + probe * (node >> _32 | _1)) & _LOW) * bits) >> _32


@compiled
def _stamp(items: NDArray[np.int32], contexts: NDArray[np.int32], filters: KeyArray) -> None:
    """Set the bits of all nodes that walks stood on.

    Args:
        items, contexts: int32 `[length, B, walks]`; -1 is none.
        filters: uint64 `[B, W]`.
    """
    bits = np.uint64(filters.shape[1]) << _6
    for step in range(items.shape[0]):
        for start in range(items.shape[1]):
            own = filters[start]
            last = np.int32(-1)
            for walk in range(items.shape[2]):
                item, context = items[step, start, walk], contexts[step, start, walk]
                if item >= 0 and item != last:
                    _set(own, _hash(item, 0), bits)
                    last = item
                if context >= 0:
                    _set(own, _hash(context, 1), bits)


@compiled
def _set(own: KeyArray, node: np.uint64, bits: np.uint64) -> None:
    for probe in range(PROBES):
        place = _bit(node, np.uint64(probe), bits)
        own[place >> _6] |= _1 << (place & _63)


@compiled
def _places(nodes: KeyArray, words: int) -> KeyArray:
    """The bits of each node, uint64 `[M, PROBES]`."""
    places = np.empty((len(nodes), PROBES), dtype=np.uint64)
    for number in range(len(nodes)):
        for probe in range(PROBES):
            places[number, probe] = _bit(nodes[number], np.uint64(probe), np.uint64(words) << _6)
    return places


@compiled
def _holding(filters: KeyArray, places: KeyArray) -> tuple[IndexArray, IndexArray]:
    found, nodes, total = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.int32), 0
    turned = np.zeros((64, filters.shape[1]), dtype=np.uint64)
    hits, ends = np.empty(len(places), dtype=np.uint64), np.empty(64, dtype=np.int64)
    for first in range(0, len(filters), 64):
        rows = min(64, len(filters) - first)
        turned[:rows], turned[rows:] = filters[first : first + rows], 0
        _turn(turned)
        ends[:] = 0
        for number in range(len(places)):
            held = _EVERY
            for probe in range(PROBES):
                held &= turned[places[number, probe] & _63, places[number, probe] >> _6]
            hits[number] = held
            if held:
                for row in range(rows):
                    ends[row] += np.int64((held >> np.uint64(row)) & _1)
        for row in range(1, rows):
            ends[row] += ends[row - 1]
        held_here = ends[rows - 1]
        while total + held_here > len(found):
            found, nodes = np.concatenate((found, found)), np.concatenate((nodes, nodes))
        for number in range(len(places) - 1, -1, -1):
            if hits[number]:
                for row in range(rows):
                    if (hits[number] >> np.uint64(row)) & _1:
                        ends[row] -= 1
                        found[total + ends[row]], nodes[total + ends[row]] = first + row, number
        total += held_here
    return found[:total], nodes[:total]


@compiled
def _turn(filters: KeyArray) -> None:
    """Turn each word of 64 filters about: bit r of `[b, word]` is what bit b of `[r, word]` was (Warren, Hacker's Delight, 7-3).

    Args:
        filters: uint64 `[64, W]`.
    """
    width, mask = 32, _LOW
    while width:
        for row in range(64):
            if not row & width:
                _swap(filters[row], filters[row + width], np.uint64(width), mask)
        width >>= 1
        mask ^= mask << np.uint64(width)


@compiled
def _swap(low: KeyArray, high: KeyArray, shift: np.uint64, mask: np.uint64) -> None:
    for word in range(len(low)):
        moved = ((low[word] >> shift) ^ high[word]) & mask
        low[word] ^= moved << shift
        high[word] ^= moved
