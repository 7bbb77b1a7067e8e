"""Neighbourhoods by consistent random walks over a snapshot. Knows no server and no model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, UnknownNodeError
from engine.sampling import counting, kernels
from engine.sampling.config import WalkConfig
from engine.types import IndexArray, ItemContextGraph, KeyArray, Neighbourhoods, OffsetArray

OnBlock = Callable[["WalkedBlock"], None]
_NONE = np.empty(0, dtype=np.int32)
VISITS_A_BLOCK = 1 << 22
"""Bounds the memory of one block when walks are many and long."""


def neighbourhoods(
    graph: ItemContextGraph,
    seeds: NDArray[np.integer],
    config: WalkConfig,
    *,
    threads: int | None = None,
    start_key: KeyArray | None = None,
    on_block: OnBlock | None = None,
) -> Neighbourhoods:
    """The most visited items of each seed's walks (PinSage, section 3.1), with L1-normalised visit counts.

    A walk's draws depend on (config.seed, the start's key, walk, step) alone, so a row of the result does not depend on
    the other seeds, their order, the threads or the row numbers. The start itself is not counted. Ties go to the smaller
    64-bit key, which stands for the id.

    Args:
        seeds: `[B]` item rows; a row may come twice.
        threads: how many to use; all cores when None.
        start_key: uint64 `[B]`, other keys to draw with than the items' own.
        on_block: is given the walks of each block of seeds (`WalkedBlock.starts` are places in `seeds`), in the thread
            that walked them and before it walks on. For whoever has to know which nodes the walks stood on.

    Returns:
        `[B, config.top_t]`; a seed without contexts has no neighbours.

    Raises:
        UnknownNodeError: a row that is not there.
        InputError: as many keys as seeds are needed.
    """
    return _walk_and_count(graph, starts_in_graph(graph, seeds, start_key), config, threads, on_block)


def starts_in_graph(graph: ItemContextGraph, seeds: NDArray[np.integer], start_key: KeyArray | None = None) -> Starts:
    """Check item rows and make start nodes of them; `neighbourhoods` describes the errors."""
    rows = np.ascontiguousarray(seeds, dtype=np.int64)
    if rows.ndim != 1:
        raise InputError(f"seeds must be one row of item rows, not of shape {rows.shape}")
    if len(rows) and (rows.min() < 0 or rows.max() >= graph.num_items):
        bad = rows[(rows < 0) | (rows >= graph.num_items)][0]
        raise UnknownNodeError(f"there is no item row {bad}; the graph has {graph.num_items} items")
    keys = graph.item_key[rows] if start_key is None else start_key
    return Starts(np.empty((len(rows), 2), dtype=np.int64), _NONE, rows.astype(np.int32), keys)


def neighbourhoods_of_new(
    graph: ItemContextGraph,
    contexts: Sequence[NDArray[np.integer]],
    start_key: KeyArray,
    config: WalkConfig,
    *,
    threads: int | None = None,
) -> Neighbourhoods:
    """`neighbourhoods` of items that are not in the graph yet, from the contexts that hold them.

    Args:
        contexts: for each new item the context rows, in the order of its saves.
        start_key: uint64 `[B]`, `hashing.keys64` of the new ids.

    Raises:
        UnknownNodeError: a context row that is not there.
        InputError: as many keys as items are needed.
    """
    joined = np.concatenate([_NONE, *contexts]).astype(np.int32)
    if len(joined) and (joined.min() < 0 or joined.max() >= graph.num_contexts):
        bad = joined[(joined < 0) | (joined >= graph.num_contexts)][0]
        raise UnknownNodeError(f"there is no context row {bad}; the graph has {graph.num_contexts} contexts")
    ends = np.cumsum([len(part) for part in contexts], dtype=np.int64)
    spans = np.stack([ends - [len(part) for part in contexts], ends], axis=1).astype(np.int64)
    rows = np.full(len(contexts), kernels.NOT_IN_GRAPH, dtype=np.int32)
    return _walk_and_count(graph, Starts(spans, joined, rows, start_key), config, threads)


class Starts:
    """Start nodes.

    Args:
        spans: int64 `[B, 2]`, from where to where a new item's contexts stand in `contexts`.
        rows: int32 `[B]` item rows, `kernels.NOT_IN_GRAPH` for new items.
        keys: uint64 `[B]`.
    """

    def __init__(self, spans: OffsetArray, contexts: IndexArray, rows: IndexArray, keys: KeyArray) -> None:
        if len(keys) != len(rows):
            raise InputError(f"there are {len(rows)} start nodes and {len(keys)} start keys")
        self.spans = spans
        self.contexts = np.ascontiguousarray(contexts)
        self.rows = rows
        self.keys = np.ascontiguousarray(keys, dtype=np.uint64)


def blocks_of(starts: int, config: WalkConfig) -> list[slice]:
    """Cut start nodes into blocks that are walked in step."""
    size = max(1, min(kernels.BLOCK, VISITS_A_BLOCK // (config.num_walks * config.walk_length)))
    return [slice(at, min(at + size, starts)) for at in range(0, starts, size)]


@dataclass(frozen=True, slots=True)
class WalkedBlock:
    """The walks of a few start nodes. The arrays are used again for the next block.

    What `items` and `contexts` hold are all the nodes whose neighbour lists a walk picked from: as long as none of them
    changes, the walk stays what it is.

    Attributes:
        starts: which start nodes.
        visits: int32 `[B, walk_length * num_walks]`, the item rows that steps ended on, -1 for none or the start itself.
        items: int32 `[walk_length, B, num_walks]`, the item rows that steps left from, after the restart was decided;
            `kernels.NOT_IN_GRAPH` for a start that is new.
        contexts: int32 `[walk_length, B, num_walks]`, the context rows that steps went by, `kernels.NOWHERE` from an
            item without contexts.
    """

    starts: slice
    visits: IndexArray
    items: IndexArray
    contexts: IndexArray


def walked_blocks(
    graph: ItemContextGraph, starts: Starts, config: WalkConfig, blocks: Sequence[slice]
) -> Iterator[WalkedBlock]:
    """Walk block by block."""
    walks, length = config.num_walks, config.walk_length
    begin = kernels.streams(np.uint64(config.seed), starts.keys)
    restart = round(config.restart * kernels.RESTART_SCALE)
    size = max((block.stop - block.start for block in blocks), default=0)
    items, contexts, visits = (np.empty(size * walks * length, dtype=np.int32) for _ in range(3))
    for block in blocks:
        used = (block.stop - block.start) * walks * length
        walked = WalkedBlock(
            block,
            visits[:used].reshape(-1, length * walks),
            items[:used].reshape(length, -1, walks),
            contexts[:used].reshape(length, -1, walks),
        )
        kernels.walk(
            graph.item_to_context.indptr,
            graph.item_to_context.indices,
            graph.context_to_item.indptr,
            graph.context_to_item.indices,
            starts.spans[block],
            starts.contexts,
            starts.rows[block],
            begin[block],
            walks,
            restart,
            walked.items.reshape(length, -1),
            walked.contexts.reshape(length, -1),
            walked.visits,
        )
        yield walked


def _walk_and_count(
    graph: ItemContextGraph, starts: Starts, config: WalkConfig, threads: int | None, on_block: OnBlock | None = None
) -> Neighbourhoods:
    total = len(starts.rows)
    idx = np.empty((total, config.top_t), dtype=np.int32)
    weight = np.empty((total, config.top_t), dtype=np.float32)
    order = graph.item_order

    def work(part: Sequence[slice]) -> None:
        for walked in walked_blocks(graph, starts, config, part):
            counting.top(walked.visits, order.rank, order.by_rank, idx[walked.starts], weight[walked.starts])
            if on_block is not None:
                on_block(walked)

    in_threads(work, blocks_of(total, config), threads)
    return Neighbourhoods(idx, weight)


def in_threads(work: Callable[[Sequence[slice]], None], blocks: Sequence[slice], threads: int | None) -> None:
    """Share blocks out to threads; the kernels release the interpreter lock."""
    count = min(threads or os.cpu_count() or 1, len(blocks))
    if count <= 1:
        work(blocks)
        return
    with ThreadPoolExecutor(count) as pool:
        # Interleaved, so that each thread gets its share of the popular and of the rare.
        for done in [pool.submit(work, blocks[number::count]) for number in range(count)]:
            done.result()
