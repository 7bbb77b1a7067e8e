"""Items newer than the generation: embedded from what is known of them, and searched exactly beside the index.

They need no retraining and wait for no rebuild. Knows views and how to be given an embedder; knows no model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.errors import InputError
from engine.serving.filters import Condition, holds
from engine.serving.query import Query, boost_cosines
from engine.types import FloatArray, IndexArray

MOST = 20_000
"""How many are kept; the next build takes them over."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item that no generation knows yet.

    Attributes:
        fields: field name -> plain value (a list of strings where it is categorical, floats where it is a vector).
        contexts: ids of what it was saved into, in the order of the saves.
    """

    item_id: str
    corpus: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FreshItem:
    """A new item with its embedding.

    Attributes:
        vector: float32 `[d]`, unit length.
        contexts: int32, rows of those of its contexts that the generation knows.
    """

    item: NewItem
    vector: FloatArray
    contexts: IndexArray
    title: str | None


class FreshItems:
    """The new items of one client; a change makes a new tuple, so that readers never see half of one."""

    def __init__(self) -> None:
        self._items: tuple[FreshItem, ...] = ()
        self._vectors: FloatArray = np.empty((0, 0), np.float32)
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Any:
        return iter(self._items)

    def get(self, item_id: str) -> FreshItem | None:
        """The new item of that id."""
        return next((fresh for fresh in self._items if fresh.item.item_id == item_id), None)

    def put(self, fresh: FreshItem) -> None:
        """Keep a new item, in place of an older state of it.

        Raises:
            InputError: too many are kept.
        """
        with self._writing:
            kept = tuple(one for one in self._items if one.item.item_id != fresh.item.item_id)
            if len(kept) >= MOST:
                raise InputError(f"{MOST:,} new items are kept already", hint="Run `engine build` to take them over.")
            self._set((*kept, fresh))

    def drop(self, unwanted: Callable[[str], bool]) -> None:
        """Keep no item whose id is unwanted."""
        with self._writing:
            kept = tuple(one for one in self._items if not unwanted(one.item.item_id))
            if len(kept) < len(self._items):
                self._set(kept)

    def _set(self, items: tuple[FreshItem, ...]) -> None:
        vectors = np.stack([one.vector for one in items]) if items else np.empty((0, 0), np.float32)
        self._items, self._vectors = items, vectors

    def search(
        self, query: Query, corpus: str, demands: Sequence[Condition], excluded: frozenset[str], count: int
    ) -> list[tuple[FreshItem, float]]:
        """The best new items of a corpus that meet all demands, with their cosines."""
        items, vectors = self._items, self._vectors
        open_to = [
            at
            for at, one in enumerate(items)
            if one.item.corpus == corpus
            and one.item.item_id not in excluded
            and one.item.item_id not in query.ids
            and holds(demands, one.item.fields)
        ]
        if not open_to:
            return []
        scores = boost_cosines(query.vectors @ vectors[open_to].T, query.weights)
        best = np.argsort(-scores, kind="stable")[:count]
        return [(items[open_to[at]], float(scores[at])) for at in best.tolist()]
