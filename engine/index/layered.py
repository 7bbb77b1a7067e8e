"""HNSW that stays right while vectors change, and is never written to: what a line of generations shares.

One HNSW graph, built once, finds candidates; they are scored by the vectors as they are now. A label whose vector has
moved far from the one in the graph, or that the graph does not know, lies in a small exact *segment* that takes part in
every answer; what the graph still knows of it, and of labels that are gone, is *hidden*. So an insert waits for no HNSW,
and generations share the file and the loaded graph. Knows files and numbers, not what labels mean.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import CorruptFileError
from engine.files import Checked, link_folder, write_json
from engine.index.exact import top_of
from engine.index.hnsw import FILE, HnswIndex
from engine.index.protocol import NO_LABEL, Hits, LabelArray, check_k, check_vectors, empty_hits
from engine.types import FloatArray

FORMAT = 1
HNSW = "hnsw"
FACTS, HIDDEN, SEGMENT = "layered.json", "hidden.npy", "segment.npy"
LEAST_COSINE = 0.9
"""A unit vector that is less like the one in the graph goes to the segment, and one of any length that is as far off for the
length that it has in the graph."""
_MOVED = 2 * (1 - LEAST_COSINE)
"""The squared distance of unit vectors of that cosine."""
_SPARE = 4
_BLOCK_QUERIES = 256
_BLOCK_ROWS = 65_536

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layers:
    """Which labels the graph does not answer for.

    Attributes:
        hidden: int64, increasing: in the graph, but not to be answered from there.
        segment: int64, increasing: searched exactly. Those that are hidden too have moved too far.
    """

    hidden: LabelArray
    segment: LabelArray

    @staticmethod
    def none() -> Layers:
        return Layers(np.empty(0, np.int64), np.empty(0, np.int64))


class LayeredIndex:
    """An immutable `SearchIndex` over the rows of a matrix; `advance` makes the next one.

    Args:
        hnsw: nobody adds to it or removes from it.
        vectors: float32 `[N, dim]`, the vectors as they are now; a label is a row.
        breadth: how many candidates are scored at least.
        moved: whether any vector differs from the one in the graph.
    """

    def __init__(self, hnsw: HnswIndex, vectors: FloatArray, layers: Layers, breadth: int, moved: bool) -> None:
        self.hnsw = hnsw
        self.layers = layers
        self.breadth = breadth
        self.moved = moved
        self._vectors = vectors
        self._hides = _mask(layers.hidden, len(vectors))
        self._near: FloatArray = vectors[layers.segment]
        self._plain = not (moved or len(layers.hidden) or len(layers.segment))

    @classmethod
    def of(cls, hnsw: HnswIndex, vectors: FloatArray) -> Self:
        """The index of a graph that holds the vectors as they are.

        Args:
            vectors: float32 `[N, dim]`; labels of the graph are rows, and other rows are not in the index.
        """
        return cls(hnsw, vectors, Layers.none(), hnsw.config.ef, moved=False)

    @property
    def dim(self) -> int:
        return self.hnsw.dim

    def __len__(self) -> int:
        return len(self.hnsw) - len(self.layers.hidden) + len(self.layers.segment)

    @property
    def hidden_share(self) -> float:
        """The share of the graph that is there only to be passed through."""
        return len(self.layers.hidden) / max(1, len(self.hnsw))

    def query(self, vectors: FloatArray, k: int, ef: int | None = None) -> Hits:
        """See `SearchIndex.query`."""
        breadth = max(self.breadth, ef or 0)
        if self._plain:
            return self.hnsw.query(vectors, k, breadth)
        queries, wanted = check_vectors(vectors, self.dim), check_k(k)
        hits = empty_hits(len(queries), wanted)
        for start in range(0, len(queries), _BLOCK_QUERIES):
            part = slice(start, start + _BLOCK_QUERIES)
            self._answer(queries[part], breadth, Hits(hits.labels[part], hits.scores[part]))
        return hits

    def _answer(self, queries: FloatArray, breadth: int, into: Hits) -> None:
        found = self._candidates(queries, into.labels.shape[1], breadth)
        scores = np.matmul(self._vectors[found], queries[:, :, None])[:, :, 0]
        scores[found == NO_LABEL] = -np.inf
        beside, segment = queries @ self._near.T, self.layers.segment
        for row in range(len(queries)):
            top_of(
                np.concatenate([scores[row], beside[row]])[None],
                np.concatenate([found[row], segment]),
                Hits(into.labels[row : row + 1], into.scores[row : row + 1]),
            )

    def _candidates(self, queries: FloatArray, k: int, breadth: int) -> LabelArray:
        """int64 `[B, C]` from the graph, `NO_LABEL` where one is hidden; k others wherever the graph has as many."""
        total = len(self.hnsw)
        live = total - len(self.layers.hidden)
        if not live:
            return np.empty((len(queries), 0), np.int64)
        wanted = min(total, max(breadth, math.ceil((k + _SPARE) * total / live)))
        while True:
            found = self.hnsw.query(queries, wanted).labels
            shown = ~self._hides[found]
            if wanted == total or int(shown.sum(axis=1).min(initial=k)) >= min(k, live):
                return np.where(shown, found, NO_LABEL)
            wanted = min(total, 2 * wanted)

    def advance(self, vectors: FloatArray, live: Mask, changed: NDArray[Any]) -> LayeredIndex:
        """The index after some rows changed; this one stays as it is.

        Args:
            vectors: float32 `[M, dim]`, M no less than before.
            live: bool `[M]`, the rows that may be answered.
            changed: the rows whose vectors are others than in this index, each once.
        """
        held = np.zeros(len(vectors), bool)
        held[: len(self._held)] = self._held
        drifted = np.zeros(len(vectors), bool)
        drifted[np.intersect1d(self.layers.hidden, self.layers.segment, assume_unique=True)] = True
        asked = np.asarray(changed, dtype=np.int64)
        asked = asked[held[asked] & live[asked]]
        for start in range(0, len(asked), _BLOCK_ROWS):
            rows = asked[start : start + _BLOCK_ROWS]
            known = self.hnsw.vectors_of(rows)
            drifted[rows] = ~(_squared(vectors[rows] - known) <= _MOVED * _squared(known))
        layers = Layers(np.flatnonzero(held & (~live | drifted)), np.flatnonzero(live & (~held | drifted)))
        following = LayeredIndex(self.hnsw, vectors, layers, self.breadth, self.moved or bool(len(asked)))
        following.__dict__["_held"] = self._held
        return following

    def with_breadth(self, breadth: int) -> LayeredIndex:
        """The same index, scoring another number of candidates."""
        return LayeredIndex(self.hnsw, self._vectors, self.layers, breadth, self.moved)

    @functools.cached_property
    def _held(self) -> Mask:
        """bool `[N]`, the rows that the graph knows."""
        return _mask(self.hnsw.labels(), len(self._vectors))

    def save(self, folder: Path, hnsw: Path | None = None) -> None:
        """Write the index into an open folder.

        Args:
            hnsw: where the graph was saved before; its files are shared, and it is written anew when None.

        Raises:
            DiskFullError: no space left.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if hnsw is None:
            self.hnsw.save(folder / HNSW)
        else:
            link_folder(hnsw, folder / HNSW)
        np.save(folder / HIDDEN, self.layers.hidden)
        np.save(folder / SEGMENT, self.layers.segment)
        write_json(folder / FACTS, {"format": FORMAT, "breadth": self.breadth, "moved": self.moved})

    @classmethod
    def load(
        cls, folder: Path, vectors: FloatArray, hnsw: HnswIndex | None = None, checked: Checked | None = None
    ) -> Self:
        """Open what `save` wrote.

        Args:
            vectors: float32 `[N, dim]`, those it was saved with.
            hnsw: its graph, where another index has it open (`hnsw_file` tells).
            checked: knows the checksums that were computed already.

        Raises:
            CorruptFileError: a file is missing, altered, of an unknown format, or does not fit the vectors.
        """
        try:
            facts = json.loads((folder / FACTS).read_text())
            if facts["format"] != FORMAT:
                raise ValueError(f"format {facts['format']!r} is not {FORMAT}")
            hidden, segment = (np.load(folder / name, allow_pickle=False) for name in (HIDDEN, SEGMENT))
            for labels in (hidden, segment):
                if labels.dtype != np.int64 or not (labels[1:] > labels[:-1]).all():
                    raise ValueError("labels are not increasing whole numbers")
                if len(labels) and not 0 <= labels[0] <= labels[-1] < len(vectors):
                    raise ValueError("a label is no row of the vectors")
            breadth, moved = int(facts["breadth"]), bool(facts["moved"])
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise CorruptFileError(f"index {folder}: cannot be read ({error})") from error
        graph = HnswIndex.load(folder / HNSW, checked) if hnsw is None else hnsw
        if vectors.ndim != 2 or graph.dim != vectors.shape[1]:
            raise CorruptFileError(f"index {folder}: its width is {graph.dim}, not {list(vectors.shape)[-1]}")
        return cls(graph, vectors, Layers(hidden, segment), breadth, moved)


def hnsw_file(folder: Path) -> Path:
    """The graph's file of a saved index: who has opened the same file before can share the graph."""
    return folder / HNSW / FILE


def _squared(vectors: FloatArray) -> FloatArray:
    """Squared lengths, `[n]`."""
    squared: FloatArray = np.einsum("nd,nd->n", vectors, vectors)
    return squared


def _mask(labels: LabelArray, rows: int) -> Mask:
    mask = np.zeros(rows, bool)
    mask[labels] = True
    return mask
