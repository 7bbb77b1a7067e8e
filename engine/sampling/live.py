"""Neighbourhoods straight from Neo4j: walks in step, one Cypher round trip a hop, bit for bit what a snapshot gives.

Knows the live graph's neighbour lists (`live_lists`) and the compiled passes (`kernels`), which do the drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from engine.errors import InputError, UnknownNameError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.queries import load_queries
from engine.hashing import keys64
from engine.sampling import counting, kernels
from engine.sampling.config import WalkConfig
from engine.sampling.live_lists import NeighbourLists, Side, WatermarkMovedError
from engine.settings import GraphMapping
from engine.types import FloatArray, IndexArray, KeyArray, KeyOrder

TRIES = 3
DEFAULT_CAPACITY = 16_000_000
"""List entries kept, 4 bytes each."""
_NOWHERE = kernels.NOWHERE
"""Also the item of a walker whose context has none."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LiveNeighbourhoods:
    """Neighbourhoods by id.

    Attributes:
        ids: for each seed its neighbours, most visited first.
        weight: float32 `[B, T]`, L1-normalised visit counts, 0 past the end of a list.
    """

    ids: list[list[str]]
    weight: FloatArray


class LiveSampler:
    """Consistent walks over the graph as it stands. Can be pickled; each process fetches for itself.

    Args:
        relation: what connects contexts and items; "auto" takes saves where there are any, else interactions, as
            `Snapshot.walk_graph` does.
        capacity: neighbour list entries to keep.
    """

    def __init__(
        self,
        graph: Graph,
        mapping: GraphMapping,
        config: WalkConfig,
        *,
        relation: Literal["auto", "saves", "interactions"] = "auto",
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        if relation not in ("auto", "saves", "interactions"):
            raise UnknownNameError(f"no relation {relation!r} to walk on", hint="Known: auto, saves, interactions.")
        self.config = config
        self._graph = graph
        self._mapping = mapping
        if relation == "auto":
            found = graph.read(load_queries()["sample/has_saves"].render(mapping))
            relation = "saves" if found[0]["saves"] else "interactions"
        self._lists = NeighbourLists(graph, mapping, relation, capacity)

    @property
    def round_trips(self) -> int:
        """How often the graph was asked so far."""
        return self._lists.fetched

    def neighbourhoods(self, item_ids: Sequence[str]) -> LiveNeighbourhoods:
        """The neighbourhoods of items by id, all true at one watermark.

        Raises:
            UnknownNodeError: an item that the graph does not have.
            GraphUnavailableError: the server is down or vanished.
        """

        def walk() -> LiveNeighbourhoods:
            found = self._find(self._lists.items, item_ids, "item")
            return self._walked(found, keys64(item_ids), [])

        return self._at_one_watermark(walk)

    def neighbourhoods_of_new(self, item_ids: Sequence[str], contexts: Sequence[Sequence[str]]) -> LiveNeighbourhoods:
        """`neighbourhoods` of items that are not in the graph yet.

        Args:
            item_ids: the ids they will have.
            contexts: for each the ids of the contexts that hold it, in the order of its saves.

        Raises:
            UnknownNodeError: a context that the graph does not have.
            InputError: as many lists as ids are needed.
        """
        if len(item_ids) != len(contexts):
            raise InputError(f"there are {len(item_ids)} new items and {len(contexts)} lists of contexts")

        def walk() -> LiveNeighbourhoods:
            joined = [name for part in contexts for name in part]
            ends = np.cumsum([len(part) for part in contexts])[:-1]
            lists = np.split(self._find(self._lists.contexts, joined, "context"), ends) if contexts else []
            starts = -2 - np.arange(len(item_ids), dtype=np.int32)
            return self._walked(starts, keys64(item_ids), lists)

        return self._at_one_watermark(walk)

    def close(self) -> None:
        """Close the connection; another question opens it again."""
        self._graph.close()

    def _at_one_watermark(self, walk: Callable[[], T]) -> T:
        """Try until no writer came between; the last try makes writers wait."""
        for _ in range(TRIES):
            try:
                return self._once(walk)
            except WatermarkMovedError:
                self._lists.forget()
        hold = load_queries()["snapshot/hold_writers"].render(self._mapping)

        def alone(run: Callable[[str], object]) -> T:
            run(hold)
            self._lists.forget()
            return self._once(walk)

        return self._graph.write_transaction(alone)

    def _once(self, walk: Callable[[], T]) -> T:
        try:
            return walk()
        finally:
            if not self._lists.lasting:
                self._lists.forget()

    def _find(self, side: Side, ids: Sequence[str], what: str) -> IndexArray:
        number = self._lists.find(side, ids)
        for name in ids:
            if name not in number:
                raise UnknownNodeError(f"there is no {what} with the id {name!r} in the graph")
        return np.array([number[name] for name in ids], dtype=np.int32)

    def _walked(self, starts: IndexArray, keys: KeyArray, new_lists: Sequence[IndexArray]) -> LiveNeighbourhoods:
        config = self.config
        visits = self._visits(starts, keys, new_lists)
        items = self._lists.items
        idx = np.empty((len(starts), config.top_t), dtype=np.int32)
        weight = np.empty((len(starts), config.top_t), dtype=np.float32)
        order = KeyOrder.of(np.array(items.keys, dtype=np.uint64))
        counting.top(visits, order.rank, order.by_rank, idx, weight)
        return LiveNeighbourhoods([[items.ids[i] for i in row if i >= 0] for row in idx.tolist()], weight)

    def _visits(self, starts: IndexArray, keys: KeyArray, new_lists: Sequence[IndexArray]) -> IndexArray:
        """int32 `[B, walk_length * num_walks]` as `kernels.walk` fills it, by this sampler's own item numbers."""
        config = self.config
        origin = kernels.origins(kernels.streams(np.uint64(config.seed), keys), config.num_walks)
        draws = np.empty(len(origin), dtype=np.uint64)
        visits = np.empty((len(starts), config.walk_length, config.num_walks), dtype=np.int32)
        back = round(config.restart * kernels.RESTART_SCALE)
        home = np.repeat(starts, config.num_walks)
        at = home
        for step in range(config.walk_length):
            kernels.draw(origin, step, 0, draws)
            at = np.where((draws >> kernels.RESTART_SHIFT).astype(np.int64) < back, home, at)
            context = self._hop(self._lists.items, at, origin, step, 0, draws, new_lists)
            kernels.draw(origin, step, 1, draws)
            at = self._hop(self._lists.contexts, context, origin, step, 1, draws, [])
            at = np.where(at == _NOWHERE, home, at)
            visits[:, step] = np.where(at == home, _NOWHERE, at).reshape(len(starts), -1)
        return visits.reshape(len(starts), -1)

    def _hop(
        self,
        side: Side,
        at: IndexArray,
        origin: KeyArray,
        step: int,
        hop: int,
        draws: KeyArray,
        new_lists: Sequence[IndexArray],
    ) -> IndexArray:
        """Where each walker goes, `_NOWHERE` where it cannot. Numbers below -1 are new items with lists of their own."""
        nodes, inverse = np.unique(at, return_inverse=True)
        known = nodes[nodes >= 0].tolist()
        lists = dict(zip(known, self._lists.of(side, known), strict=True))
        lists[_NOWHERE] = np.empty(0, dtype=np.int32)
        lists.update({-2 - number: part for number, part in enumerate(new_lists)})
        parts = [lists[node] for node in nodes.tolist()]
        size = np.array([len(part) for part in parts], dtype=np.int32)
        first = np.cumsum(size) - size
        position = np.empty(len(at), dtype=np.int32)
        kernels.pick(origin, step, hop, draws, size[inverse], position)
        joined = np.concatenate([*parts, np.array([_NOWHERE], dtype=np.int32)])
        there = np.where(position < 0, len(joined) - 1, first[inverse] + position)
        picked: IndexArray = joined[there]
        return picked
