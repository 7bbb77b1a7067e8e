"""Which items are shown in the graph otherwise than the generation has them. Reads; writes nothing.

An item is right where its digest, over embedding and neighbourhood, is that of the generation. Its related items may change
while it does not: where one of them changed or went, or a changed item is now as near as the last of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.graph.inspection import InspectionWriter
from engine.graph.snapshot import NodeTable
from engine.refresh.state import State
from engine.serving.view import View
from engine.types import FloatArray, IndexArray

HANDLES_A_READ = 10_000
ALL_SHARE = 0.2
"""Where more items than this share differ, all of them are written."""
NO_FLOOR = -2.0
"""Below every cosine: an item with fewer related ones than wanted takes any that comes."""
_FORMAT = 1
HALF = 0
"""The digest of what is not shown, or half written."""
_SLACK = 1e-5
_BLOCK_ROWS = 8_192

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Around:
    """The neighbourhoods of all rows: `idx` int32 and `weight` float32 `[N, T]`, -1 past their ends."""

    idx: IndexArray
    weight: FloatArray

    @staticmethod
    def of(view: View) -> Around:
        """What a generation keeps of them; T is 0 where it keeps none."""
        rows, state = len(view.items), State.open(view.folder)
        if state is None:
            return Around(np.empty((rows, 0), np.int32), np.empty((rows, 0), np.float32))
        kept = state.kept(rows)
        return Around(kept.idx, kept.weight)


@dataclass(slots=True)
class Shown:
    """What the graph shows now, by row of the generation.

    Attributes:
        handle: int64 `[N]`, -1 for an item that is not shown.
        digest: int64 `[N]`, 0 for one that is not shown or half written.
        links: int64 `[N]`, the digest of its neighbours and related items.
        floor: float32 `[N]`, the score of the last of its related items.
        linked: whether it leads to an item.
        gone: handles of what the generation does not have.
    """

    handle: NDArray[np.int64]
    digest: NDArray[np.int64]
    links: NDArray[np.int64]
    floor: FloatArray
    linked: Mask
    gone: list[int] = field(default_factory=list)

    @staticmethod
    def read(writer: InspectionWriter, items: NodeTable) -> Shown:
        """Read all of it once."""
        size = len(items)
        shown = Shown(
            np.full(size, -1, np.int64),
            np.full(size, HALF, np.int64),
            np.full(size, HALF, np.int64),
            np.full(size, NO_FLOOR, np.float32),
            np.zeros(size, bool),
        )
        for block in _blocks(writer.known(), HANDLES_A_READ):
            rows = items.index_of([one["id"] for one in block])
            shown.gone += [one["handle"] for one, row in zip(block, rows, strict=True) if row < 0]
            there = [(row, one) for row, one in zip(rows.tolist(), block, strict=True) if row >= 0]
            at = np.array([row for row, _ in there], np.int64)
            shown.handle[at] = [one["handle"] for _, one in there]
            shown.digest[at] = [one["digest"] or HALF for _, one in there]
            shown.links[at] = [one["links"] or HALF for _, one in there]
            shown.floor[at] = [NO_FLOOR if one["floor"] is None else one["floor"] for _, one in there]
            shown.linked[at] = [one["linked"] for _, one in there]
        return shown


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be written.

    Attributes:
        digest: int64 `[N]`, of the generation; never 0.
        changed: rows whose embeddings are to be written.
        touched: rows whose neighbours and related items are; those of `changed` are among them.
    """

    digest: NDArray[np.int64]
    changed: Mask
    touched: Mask

    @staticmethod
    def of(writer: InspectionWriter, view: View, around: Around, shown: Shown, top_k: int) -> Difference:
        """Compare a generation with what is shown."""
        alive = view.items.alive
        digest = np.zeros(len(alive), np.int64)
        for part in _slices(len(alive)):
            digest[part] = list(_digests(view, around, part, top_k))
        changed = alive & ((shown.digest != digest) | ~shown.linked)
        if int(changed.sum()) + len(shown.gone) > ALL_SHARE * view.items.num_alive:
            return Difference(digest, changed, alive)
        if not changed.any() and not shown.gone:
            return Difference(digest, changed, changed)
        touched = _listing(writer, shown, changed) | _near(view, around, shown, changed)
        return Difference(digest, changed, alive & (changed | touched))


def _digests(view: View, around: Around, part: slice, top_k: int) -> Iterator[int]:
    """Of each row: format, how many related items, corpus, embedding, neighbourhood."""
    items, idx = view.items, around.idx[part]
    keys = np.where(idx >= 0, items.key[np.maximum(idx, 0)], np.uint64(0))
    vectors, weights = (np.ascontiguousarray(one[part]) for one in (view.vectors, around.weight))
    heads = [*(f"{_FORMAT} {top_k} {name} ".encode() for name in items.corpora), b""]  # the last is a dead row's
    for corpus, vector, key, weight in zip(items.corpus[part].tolist(), vectors, keys, weights, strict=True):
        told = heads[corpus] + vector.tobytes() + key.tobytes() + weight.tobytes()
        yield short_digest(told)


def short_digest(told: bytes) -> int:
    """64 bits of a digest, as Neo4j keeps them; never 0."""
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little", signed=True) or 1


def _listing(writer: InspectionWriter, shown: Shown, changed: Mask) -> Mask:
    """Rows that list a row that changed or went among their related items."""
    handles = np.concatenate([shown.handle[changed & (shown.handle >= 0)], np.array(shown.gone, np.int64)])
    listing: set[int] = set()
    for start in range(0, len(handles), HANDLES_A_READ):
        listing.update(writer.listing(handles[start : start + HANDLES_A_READ].tolist()))
    return (shown.handle >= 0) & np.isin(shown.handle, np.fromiter(listing, np.int64, len(listing)))


def _near(view: View, around: Around, shown: Shown, changed: Mask) -> Mask:
    """Rows that a changed row is near enough to be listed by, and those with a neighbour that was not wholly shown."""
    found, corpus = np.zeros(len(changed), bool), view.items.corpus
    half = np.flatnonzero(changed & (shown.digest == HALF))
    for part in _slices(len(changed)):
        found[part] = np.isin(around.idx[part], half).any(axis=1)
        for number in range(len(view.items.corpora)):
            mine, rows = corpus[part] == number, np.flatnonzero(changed & (corpus == number))
            for block in _slices(len(rows)):
                best = (view.vectors[part] @ view.vectors[rows[block]].T).max(axis=1)
                found[part] |= mine & (best >= shown.floor[part] - _SLACK)
    return found


def _slices(rows: int) -> Iterator[slice]:
    for start in range(0, rows, _BLOCK_ROWS):
        yield slice(start, start + _BLOCK_ROWS)


def _blocks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    block: list[Any] = []
    for row in rows:
        block.append(row)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
