"""One generation, opened for reading: snapshot, vectors and indexes that belong together. Knows no method and no registry.

A view never changes. A client that learns of a newer generation opens another view; who holds the old one finishes on it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import CorruptFileError, UnknownNameError, UnknownNodeError
from engine.features.contexts import PREFIX
from engine.features.word_counts import WordCounts
from engine.files import Checked, open_folder
from engine.graph.snapshot import NodeTable, Snapshot
from engine.index.layered import LayeredIndex
from engine.serving import layout
from engine.serving.names import Names, title_field
from engine.serving.stored import Graphs, Stored
from engine.types import FloatArray, IndexArray, ItemContextGraph, OffsetArray, TimeArray


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer is from.

    Attributes:
        certificate: how far the vectors may be from an exact refresh; see `engine.registry.Generation`.
    """

    generation: str
    watermark: int
    as_of: datetime
    certificate: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class View:
    """Everything an answer needs.

    Attributes:
        folder: the generation's folder.
        vectors: float32 `[N, d]`, one row an item of `snapshot`; zeros for a dead one, and for one that nothing is known of.
            PinSage's have length 1, those of a model about users and items any. `[N, 0]` where the generation has none.
        indexes: corpus number -> its index, labelled with the rows of items that have a vector; empty where there are no
            vectors.
        facts: the folder's manifest.
        checked, graphs: the files it has looked at, for the view that comes after it.
    """

    origin: Origin
    folder: Path
    snapshot: Snapshot
    graph: ItemContextGraph
    vectors: FloatArray
    indexes: Mapping[int, LayeredIndex]
    facts: Mapping[str, Any]
    checked: Checked = field(repr=False)
    graphs: Graphs = field(repr=False)

    @staticmethod
    def open(origin: Origin, folder: Path, snapshot_path: Path, like: View | None = None) -> View:
        """Open a published generation, checking that its parts are whole and belong together.

        Args:
            like: a view that is open; what is the same file there is neither checked nor loaded again.

        Raises:
            CorruptFileError: a file is missing, short, altered or of another snapshot.
        """
        checked = Checked(None if like is None else like.checked.seen)
        facts = open_folder(folder, what="generation", checked=checked, apart=layout.STATE)
        stored = Stored(folder, facts)
        if like is not None and like.snapshot.path == snapshot_path:
            snapshot, graph = like.snapshot, like.graph
            checked.keep(like.checked)
        else:
            snapshot = Snapshot.open(snapshot_path, checked=checked)
            graph = snapshot.walk_graph()
        if not np.array_equal(stored.item_keys(), snapshot.items.key):
            raise CorruptFileError(f"generation {folder} was made from another snapshot than {snapshot_path}")
        has_vectors = facts.get("vectors", True)
        vectors = stored.vectors() if has_vectors else np.empty((len(snapshot.items), 0), np.float32)
        corpora = len(snapshot.items.corpora) if has_vectors else 0
        indexes, graphs = stored.indexes(corpora, vectors, {} if like is None else like.graphs, checked)
        view = View(origin, folder, snapshot, graph, vectors, indexes, facts, checked, graphs)
        if like is not None and "names" in like.__dict__:
            view.__dict__["names"] = like.names.followed_by(like.items, view.items)
        if like is not None and "words" in like.__dict__:
            view.__dict__["words"] = {
                name: like.words[name].followed_by(texts) if name in like.words else WordCounts.of(texts)
                for name, texts in view._texts()
            }
        return view

    @property
    def has_vectors(self) -> bool:
        """Whether it answers by vectors."""
        return bool(self.facts.get("vectors", True))

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

    def prepare(self) -> None:
        """Make now what a first answer would have to wait for."""
        _ = self.names

    @functools.cached_property
    def words(self) -> Mapping[str, WordCounts]:
        """The words of the items' text fields, and of the contexts' as "context.FIELD", counted once."""
        return {name: WordCounts.of(texts) for name, texts in self._texts()}

    def _texts(self) -> Iterator[tuple[str, Any]]:
        for prefix, nodes in (("", self.items), (PREFIX, self.contexts)):
            for name, column in nodes.fields.items():
                if column.kind == "text":
                    yield prefix + name, column.values

    @functools.cached_property
    def names(self) -> Names:
        """Ids and titles, read once."""
        return Names.of(self.items)

    @property
    def item_ids(self) -> list[str]:
        """The ids by row."""
        return self.names.ids

    @property
    def item_titles(self) -> list[str | None]:
        """What items are called, by row; None where they have no text field, or nothing in it."""
        return self.names.titles

    @functools.cached_property
    def context_sizes(self) -> OffsetArray:
        """int64 `[contexts]`, how many edges each has."""
        return self.graph.context_to_item.degrees()

    def item_row(self, item_id: str) -> int:
        """The row of an item, or -1."""
        return self.names.rows.get(item_id, -1)

    def user_row(self, user_id: str) -> int:
        """The row of a user.

        Raises:
            UnknownNodeError: there is no such user in this generation.
        """
        row = int(self.snapshot.users.index_of([user_id])[0])
        if row < 0:
            raise UnknownNodeError(
                f"there is no user {user_id!r:.80} in generation {self.origin.generation}",
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
            raise UnknownNameError(f"there is no corpus {corpus!r:.80}", hint=f"There are: {', '.join(corpora)}.")
        return corpora.index(corpus)

    def corpus_or_only(self, default: str) -> str:
        """The default corpus; the only one there is where it holds nothing.

        Raises:
            UnknownNameError: it holds nothing, and there are several others.
        """
        corpora = self.items.corpora
        if default in corpora:
            return default
        if len(corpora) == 1:
            return corpora[0]
        raise UnknownNameError(
            f"no item is in the default corpus {default!r}", hint=f"Name one of: {', '.join(corpora)}."
        )

    def title_field(self) -> str | None:
        """The field that names an item for people."""
        return title_field(self.items)

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
