"""One generation, opened for reading: snapshot, vectors and indexes that belong together. Knows no method and no registry.

A view never changes. A client that learns of a newer generation opens another view; who holds the old one finishes on it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import CorruptFileError, UnknownNameError, UnknownNodeError
from engine.files import open_folder
from engine.graph.snapshot import NodeTable, Snapshot
from engine.index.hnsw import HnswIndex
from engine.index.protocol import VectorIndex
from engine.serving import layout
from engine.types import FloatArray, IndexArray, ItemContextGraph, OffsetArray, TimeArray

_TITLES = ("title", "name")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer is from."""

    generation: str
    watermark: int
    as_of: datetime


@dataclass(frozen=True, eq=False)
class View:
    """Everything an answer needs.

    Attributes:
        folder: the generation's folder.
        vectors: float32 `[N, d]`, unit length, one row an item of `snapshot`.
        indexes: corpus number -> its index, labelled with item rows.
        facts: the folder's manifest.
    """

    origin: Origin
    folder: Path
    snapshot: Snapshot
    graph: ItemContextGraph
    vectors: FloatArray
    indexes: Mapping[int, VectorIndex]
    facts: Mapping[str, Any]

    @staticmethod
    def open(origin: Origin, folder: Path, snapshot_path: Path) -> View:
        """Open a published generation, checking that its parts are whole and belong together.

        Raises:
            CorruptFileError: a file is missing, short, altered or of another snapshot.
        """
        facts = open_folder(folder, what="generation")
        if facts.get("format") != layout.FORMAT:
            raise CorruptFileError(f"generation {folder}: format {facts.get('format')!r} is not {layout.FORMAT}")
        snapshot = Snapshot.open(snapshot_path)
        if not np.array_equal(np.load(folder / layout.ITEM_KEYS), snapshot.items.key):
            raise CorruptFileError(f"generation {folder} was made from another snapshot than {snapshot_path}")
        vectors: FloatArray = np.asarray(
            np.load(folder / layout.VECTORS, mmap_mode="c" if len(snapshot.items) else None)
        )
        indexes = {
            number: HnswIndex.load(layout.index_folder(folder, number)) for number in range(len(snapshot.items.corpora))
        }
        return View(origin, folder, snapshot, snapshot.walk_graph(), vectors, indexes, facts)

    @property
    def items(self) -> NodeTable:
        return self.snapshot.items

    @property
    def context_kind(self) -> str:
        """What groups items here: "context", or "user" where nothing was saved into contexts."""
        return "context" if self.snapshot.relations.saves.num_edges else "user"

    @property
    def contexts(self) -> NodeTable:
        """The nodes that group items."""
        return self.snapshot.contexts if self.context_kind == "context" else self.snapshot.users

    @functools.cached_property
    def item_ids(self) -> list[str]:
        """The ids by row, as Python's own strings: an answer needs them at once, and Arrow takes a microsecond for each."""
        return list(self.items.ids)

    @functools.cached_property
    def item_titles(self) -> list[str | None]:
        """What items are called, by row; None where they have no text field, or nothing in it."""
        name = self.title_field()
        return [None] * len(self.items) if name is None else list(self.items.fields[name].values.to_pylist())

    @functools.cached_property
    def context_sizes(self) -> OffsetArray:
        """int64 `[contexts]`, how many edges each has."""
        return self.graph.context_to_item.degrees()

    @functools.cached_property
    def item_rows(self) -> dict[str, int]:
        """Id -> row. A search among the keys would take an answer four times as long as this look-up."""
        rows = {item_id: row for row, item_id in enumerate(self.item_ids)}
        if self.items.num_alive < len(rows):
            del rows[""]  # what dead rows have for an id
        return rows

    def item_row(self, item_id: str) -> int:
        """The row of an item, or -1."""
        return self.item_rows.get(item_id, -1)

    def user_row(self, user_id: str) -> int:
        """The row of a user.

        Raises:
            UnknownNodeError: there is no such user in this generation.
        """
        row = int(self.snapshot.users.index_of([user_id])[0])
        if row < 0:
            raise UnknownNodeError(
                f"there is no user {user_id!r} in generation {self.origin.generation}",
                hint="A user added after it was built is seen by the next `engine build`.",
            )
        return row

    def corpus_number(self, corpus: str) -> int:
        """The number of a corpus.

        Raises:
            UnknownNameError: no item is in such a corpus.
        """
        corpora = self.items.corpora
        if corpus not in corpora:
            raise UnknownNameError(f"there is no corpus {corpus!r}", hint=f"There are: {', '.join(corpora)}.")
        return corpora.index(corpus)

    def title_field(self) -> str | None:
        """The field that names an item for people."""
        texts = [name for name, column in self.items.fields.items() if column.kind == "text"]
        return next((name for name in _TITLES if name in texts), texts[0] if texts else None)

    def titles(self, rows: Sequence[int]) -> list[str | None]:
        """What items are called, where they have a text field."""
        return [self.item_titles[row] for row in rows]

    def user_items(self, user: int) -> tuple[IndexArray, TimeArray | None]:
        """The items a user took up, by interactions and by the contexts they own, by key or, where times are known, oldest
        first.

        Returns:
            int32 `[M]`, each once with its latest time, and int64 `[M]` epoch ms (None where nothing carries a time).
        """
        relations = self.snapshot.relations
        rows: list[NDArray[Any]] = [relations.interactions.forward.row(user)]
        times: list[NDArray[Any] | None] = [_times(relations.interactions.forward, user)]
        for context in relations.owns.forward.row(user):
            rows.append(relations.saves.forward.row(int(context)))
            times.append(_times(relations.saves.forward, int(context)))
        joined = np.concatenate(rows).astype(np.int32)
        if not any(part is not None for part in times):
            return joined[np.unique(self.items.order.ranks(joined), return_index=True)[1]], None
        when = np.concatenate(
            [np.full(len(r), -1, np.int64) if t is None else t for r, t in zip(rows, times, strict=True)]
        )
        order = np.lexsort((when, self.items.order.ranks(joined)))
        last = order[np.append(joined[order][1:] != joined[order][:-1], True)] if len(order) else order
        last = last[np.argsort(when[last], kind="stable")]
        return joined[last], when[last]


def _times(csr: Any, row: int) -> NDArray[np.int64] | None:
    return None if csr.time is None else csr.time[csr.indptr[row] : csr.indptr[row + 1]]
