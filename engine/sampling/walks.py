"""Neighbourhoods by consistent random walks over a snapshot. Knows no server and no model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, UnknownNodeError
from engine.sampling import kernels
from engine.sampling.config import WalkConfig
from engine.types import IndexArray, ItemContextGraph, KeyArray, Neighbourhoods, OffsetArray

_NONE = np.empty(0, dtype=np.int32)
_VISITS_A_BLOCK = 1 << 22
"""Bounds the memory of one block when walks are many and long."""


def neighbourhoods(
    graph: ItemContextGraph,
    seeds: NDArray[np.integer],
    config: WalkConfig,
    *,
    threads: int | None = None,
    start_key: KeyArray | None = None,
) -> Neighbourhoods:
    """The most visited items of each seed's walks (PinSage, section 3.1), with L1-normalised visit counts.

    A walk's draws depend on (config.seed, the start's key, walk, step) alone, so a row of the result does not depend on
    the other seeds, their order, the threads or the row numbers. The start itself is not counted. Ties go to the smaller
    64-bit key, which stands for the id.

    Args:
        seeds: `[B]` item rows; a row may come twice.
        threads: how many to use; all cores when None.
        start_key: uint64 `[B]`, other keys to draw with than the items' own.

    Returns:
        `[B, config.top_t]`; a seed without contexts has no neighbours.

    Raises:
        UnknownNodeError: a row that is not there.
        InputError: as many keys as seeds are needed.
    """
    return _walk_and_count(graph, starts_in_graph(graph, seeds, start_key), config, threads)


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
    size = max(1, min(kernels.BLOCK, _VISITS_A_BLOCK // (config.num_walks * config.walk_length)))
    return [slice(at, min(at + size, starts)) for at in range(0, starts, size)]


def visits_in_blocks(
    graph: ItemContextGraph, starts: Starts, config: WalkConfig, blocks: Sequence[slice]
) -> Iterator[tuple[slice, IndexArray]]:
    """Walk block by block.

    Yields:
        The block, and int32 `[len(block), num_walks * walk_length]` visited item rows, -1 where there was none. The
        array is used again for the next block.
    """
    items, contexts = graph.item_to_context, graph.context_to_item
    begin = kernels.streams(np.uint64(config.seed), starts.keys)
    restart = round(config.restart * kernels.RESTART_SCALE)
    size = max((block.stop - block.start for block in blocks), default=0)
    scratch = np.empty((size, config.num_walks * config.walk_length), dtype=np.int32)
    for block in blocks:
        visits = scratch[: block.stop - block.start]
        kernels.walk(
            items.indptr,
            items.indices,
            contexts.indptr,
            contexts.indices,
            starts.spans[block],
            starts.contexts,
            starts.rows[block],
            begin[block],
            config.num_walks,
            config.walk_length,
            restart,
            visits,
        )
        yield block, visits


def _walk_and_count(graph: ItemContextGraph, starts: Starts, config: WalkConfig, threads: int | None) -> Neighbourhoods:
    total = len(starts.rows)
    idx = np.empty((total, config.top_t), dtype=np.int32)
    weight = np.empty((total, config.top_t), dtype=np.float32)
    order = graph.item_order

    def work(part: Sequence[slice]) -> None:
        for block, visits in visits_in_blocks(graph, starts, config, part):
            kernels.top(visits, order.rank, order.by_rank, idx[block], weight[block])

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
