"""Neighbour lists fetched by Cypher and kept: one round trip a hop for all lists that are not there yet.

Knows the queries of `cypher/sample`; not what the lists are for. A list is kept in creation order (edge rev, then the
neighbour's 64-bit key), as the snapshot has it.

Lists are true at one watermark. Each answer carries the graph's counter: where it moved, everything kept is dropped,
which is the simplest rule that is always right. A graph without the engine's counter cannot tell, so its lists are
kept for one call only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import GraphError
from engine.graph.connection import Graph
from engine.graph.queries import load_queries
from engine.hashing import keys64
from engine.settings import GraphMapping
from engine.types import IndexArray, KeyArray

NODES_A_PART = 512
"""Lists are packed into one row for so many nodes."""
ASKED_AT_ONCE = 2
"""Where there are several parts, so many queries share them out and run side by side."""
KNOWN_SENT = 200_000
"""Up to so many nodes whose ids are here already are named to the server, which then need not send them again: to read
and send ids is half of a query's work, to look a node up in the list is not."""


class WatermarkMovedError(Exception):
    """A writer committed since the lists at hand were fetched. Never leaves the sampler."""


@dataclass(slots=True)
class Side:
    """One kind of node: numbers given in the order met, and the neighbour lists of those that were asked for.

    Attributes:
        query: the query that fetches neighbour lists.
        find: the query that finds nodes by id.
    """

    query: str
    find: str
    number: dict[int, int] = field(default_factory=dict)
    handles: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    lists: OrderedDict[int, IndexArray] = field(default_factory=OrderedDict)

    def add(self, handles: Sequence[int], ids: Sequence[str]) -> None:
        """Give numbers to nodes that have none yet."""
        fresh = [(handle, name) for handle, name in zip(handles, ids, strict=True) if handle not in self.number]
        if wrong := [name for _, name in fresh if not isinstance(name, str)]:
            raise GraphError(f"a node has the id {wrong[0]!r}, which is not a string", hint="Ids are strings.")
        for (handle, name), key in zip(fresh, keys64(name for _, name in fresh).tolist(), strict=True):
            self.number[handle] = len(self.handles)
            self.handles.append(handle)
            self.ids.append(name)
            self.keys.append(key)

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self.number, self.handles, self.ids, self.keys, self.lists):
            kept.clear()


class NeighbourLists:
    """The bounded store of lists of both sides.

    Args:
        relation: "saves", or "interactions" to make users the contexts.
        capacity: how many list entries to keep at most, least recently used lists going first.
    """

    def __init__(self, graph: Graph, mapping: GraphMapping, relation: str, capacity: int) -> None:
        context = "context" if relation == "saves" else "user"
        self.items = Side(f"sample/item_{context}s", "sample/find_items")
        self.contexts = Side(f"sample/{context}_items", f"sample/find_{context}s")
        self.capacity = capacity
        self.fetched = 0
        """Round trips made so far; queries side by side are one."""
        self._graph = graph
        self._mapping = mapping
        self._rev: int | None = None
        self._entries = 0

    def __getstate__(self) -> dict[str, Any]:
        kept = Side(self.items.query, self.items.find), Side(self.contexts.query, self.contexts.find)
        return {**self.__dict__, "items": kept[0], "contexts": kept[1], "_rev": None, "_entries": 0}

    def forget(self) -> None:
        """Drop everything kept."""
        self.items.clear()
        self.contexts.clear()
        self._rev, self._entries = None, 0

    def find(self, side: Side, ids: Sequence[str]) -> dict[str, int]:
        """The numbers of nodes by id; an unknown id is not in the answer.

        Raises:
            WatermarkMovedError: see the module.
        """
        self.fetched += 1
        rows = self._ask(side.find, {"ids": list(dict.fromkeys(ids))})
        found, handles = rows[0]["found"], rows[0]["handles"]
        self._check(rows[0]["rev"])
        side.add(handles, found)
        return {name: side.number[handle] for name, handle in zip(found, handles, strict=True)}

    def of(self, side: Side, nodes: Sequence[int]) -> list[IndexArray]:
        """The lists of nodes, as numbers of the other side; at most one round trip, of a few queries at once where many are missing.

        Raises:
            WatermarkMovedError: see the module.
        """
        missing = [node for node in nodes if node not in side.lists]
        found = self._fetch(side, missing) if missing else {}
        lists = []
        for node in nodes:
            kept = side.lists.get(node)
            if kept is None:
                kept = found[node]
            else:
                side.lists.move_to_end(node)
            lists.append(kept)
        for node, fresh in found.items():
            side.lists[node] = fresh
            self._entries += 1 + len(fresh)
        self._evict()
        return lists

    def _fetch(self, side: Side, nodes: list[int]) -> dict[int, IndexArray]:
        other = self.contexts if side is self.items else self.items
        handles = [side.handles[node] for node in nodes]
        count = -(-len(handles) // NODES_A_PART)
        parts = [handles[at::count] for at in range(count)]  # interleaved: popular nodes were met, and numbered, early
        known = other.handles if len(other.handles) <= KNOWN_SENT else []
        shares = [{"parts": parts[at::ASKED_AT_ONCE], "known": known} for at in range(min(ASKED_AT_ONCE, len(parts)))]
        self.fetched += 1
        with ThreadPoolExecutor(len(shares)) as pool:
            rows = [row for answer in pool.map(lambda share: self._ask(side.query, share), shares) for row in answer]
        for row in rows:
            self._check(row["rev"])
            other.add(row["named"], row["ids"])
        source = _numbers(side, [row["sources"] for row in rows])
        target = _numbers(other, [row["targets"] for row in rows])
        rev = _joined([row["revs"] for row in rows])
        is_node = target >= 0
        source, target, rev = source[is_node], target[is_node], rev[is_node]
        keys: KeyArray = np.array(other.keys, dtype=np.uint64)
        order = np.lexsort((keys[target], rev, source))
        source, ends = source[order], target[order].astype(np.int32)
        first, last = np.searchsorted(source, nodes, "left"), np.searchsorted(source, nodes, "right")
        return {node: ends[a:b].copy() for node, a, b in zip(nodes, first, last, strict=True)}

    def _ask(self, name: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self._graph.stream(load_queries()[name].render(self._mapping), params))

    def _check(self, rev: int | None) -> None:
        if self._rev is None:
            self._rev = rev
        elif rev != self._rev:
            raise WatermarkMovedError

    @property
    def lasting(self) -> bool:
        """Whether what is kept may serve another call."""
        return self._rev is not None

    def _evict(self) -> None:
        while self._entries > self.capacity:
            side = max((self.items, self.contexts), key=lambda side: len(side.lists))
            _, gone = side.lists.popitem(last=False)
            self._entries -= 1 + len(gone)


def _joined(columns: list[list[int]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, dtype=np.int64), *(np.array(column, dtype=np.int64) for column in columns)])


def _numbers(side: Side, columns: list[list[int]]) -> NDArray[np.int64]:
    """The numbers of internal ids, -1 for one that has none."""
    distinct, inverse = np.unique(_joined(columns), return_inverse=True)
    numbers = np.array([side.number.get(handle, -1) for handle in distinct.tolist()], dtype=np.int64)
    return numbers[inverse]
