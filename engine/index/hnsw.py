"""Approximate search by HNSW (Malkov & Yashunin, 2018). The only module that imports hnswlib.

What hnswlib leaves open is settled here: `ef` is kept with the file, a short write is caught, fewer than k matches are no
error, and queries may run while vectors are added (hnswlib alone is unsafe then).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import hnswlib
import numpy as np

from engine.errors import CorruptFileError, DiskFullError, InputError
from engine.files import Checked, atomic_folder, open_folder
from engine.index.exact import ExactIndex
from engine.index.locks import ReadWriteLock
from engine.index.protocol import Hits, LabelArray, check_k, check_labels, check_vectors
from engine.progress import progress
from engine.types import FloatArray

FORMAT = 1
FILE = "index.bin"
SMALL = 4096
"""So many vectors are kept beside the graph, where a search is as broad as the index."""
_BUILD_BLOCK = 10_000


@dataclass(frozen=True, slots=True)
class HnswConfig:
    """How the graph is built and searched.

    Attributes:
        m: links a node keeps on each layer above the lowest, which keeps twice as many.
        ef_construction: search breadth while building.
        ef: search breadth of a query; `tune` raises it until the wanted ann_recall is met.
        seed: of the layer draw.
        threads: of the build and of batched queries. More than one makes the graph depend on timing.
    """

    m: int = 16
    ef_construction: int = 200
    ef: int = 64
    seed: int = 0
    threads: int = 1


class HnswIndex:
    """An HNSW graph of vectors under int64 labels, by inner product: by cosine where all have length 1.

    Vectors of varied lengths make as good a graph as long as what is asked for are inner products (Morozov and Babenko,
    "Non-metric similarity graphs for maximum inner product search", NeurIPS'18, section 3). hnswlib adds 1 to all of them in
    float32, so the longest vector should not be much shorter than .01.
    """

    def __init__(self, graph: Any, config: HnswConfig, removed: set[int]) -> None:
        self._graph = graph
        self._config = config
        self._removed = removed
        self._small: ExactIndex | None = None
        self._lock = ReadWriteLock()

    @classmethod
    def build(cls, vectors: FloatArray, labels: LabelArray, config: HnswConfig = HnswConfig()) -> Self:
        """An index of float32 `[N, dim]` under int64 `[N]`.

        Raises:
            InputError: see `VectorIndex.add`.
        """
        checked = check_vectors(vectors)
        wanted = check_labels(labels, len(checked))
        graph = hnswlib.Index("ip", checked.shape[1])
        graph.init_index(
            max(1, len(checked)), M=config.m, ef_construction=config.ef_construction, random_seed=config.seed
        )
        graph.set_ef(config.ef)
        graph.set_num_threads(config.threads)
        with progress("Indexing vectors", len(checked)) as advance:
            for start in range(0, len(checked), _BUILD_BLOCK):
                part = slice(start, start + _BUILD_BLOCK)
                graph.add_items(checked[part], wanted[part], num_threads=config.threads)
                advance(len(wanted[part]))
        return cls(graph, config, set())

    @property
    def dim(self) -> int:
        return int(self._graph.dim)

    @property
    def config(self) -> HnswConfig:
        """What it was built with, and the `ef` it answers with."""
        return self._config

    def __len__(self) -> int:
        return int(self._graph.element_count) - len(self._removed)

    def query(self, vectors: FloatArray, k: int, ef: int | None = None) -> Hits:
        """See `VectorIndex.query`. An `ef` below the index's own has no effect; a search as broad as the index is exact."""
        queries = check_vectors(vectors, self.dim)
        wanted = check_k(k)
        with self._lock.reading:
            own = self._config.ef
            # hnswlib has one ef for all threads, but a search for n is as broad as n: ask for more and cut.
            breadth = wanted if ef is None or ef <= own else max(wanted, ef)
            if max(breadth, own) >= len(self):
                return self._exact().query(queries, wanted)
            try:
                labels, distances = self._graph.knn_query(queries, k=breadth)
            except RuntimeError:
                # It ends in an error, not in fewer, when it finds less than it was asked for.
                return self._exact().query(queries, wanted)
        return Hits(labels[:, :wanted].view(np.int64), 1.0 - distances[:, :wanted])

    def _exact(self) -> ExactIndex:
        """All that can be found, to be searched exactly. A few vectors are kept: the graph takes long to hand them out."""
        if self._small is not None:
            return self._small
        live = self._live()
        exact = ExactIndex(self._vectors_of(live), live)
        if len(live) <= SMALL:
            self._small = exact
        return exact

    def labels(self) -> LabelArray:
        """The labels that can be found, increasing."""
        with self._lock.reading:
            return self._live()

    def vectors_of(self, labels: LabelArray) -> FloatArray:
        """The vectors as they lie in the graph, float32 `[n, dim]`.

        Raises:
            InputError: a label that is not in the index.
        """
        with self._lock.reading:
            try:
                return self._vectors_of(labels)
            except RuntimeError as error:
                raise InputError(f"one of {len(labels):,} labels is not in the index") from error

    def _vectors_of(self, labels: LabelArray) -> FloatArray:
        if not len(labels):
            return np.empty((0, self.dim), np.float32)
        return np.asarray(self._graph.get_items(labels), dtype=np.float32)

    def _live(self) -> LabelArray:
        known = np.sort(np.asarray(self._graph.get_ids_list(), dtype=np.int64))
        return known[~np.isin(known, list(self._removed))] if self._removed else known

    def add(self, vectors: FloatArray, labels: LabelArray) -> None:
        """See `VectorIndex.add`."""
        checked = check_vectors(vectors, self.dim)
        fresh = check_labels(labels, len(checked))
        with self._lock.writing:
            needed = int(self._graph.element_count) + len(fresh)
            if needed > int(self._graph.max_elements):
                self._graph.resize_index(max(needed, int(self._graph.max_elements * 1.5)))
            self._graph.add_items(checked, fresh, num_threads=self._config.threads)
            self._removed.difference_update(fresh.tolist())
            self._small = None

    def remove(self, labels: LabelArray) -> None:
        """See `VectorIndex.remove`. The vector stays as a bridge of the graph; answers skip it."""
        gone = np.unique(np.asarray(labels, dtype=np.int64)).tolist()
        with self._lock.writing:
            for label in gone:
                try:
                    self._graph.get_items([label])
                except RuntimeError as error:
                    raise InputError(f"label {label} is not in the index") from error
            for label in gone:
                self._graph.mark_deleted(label)
            self._removed.update(gone)
            self._small = None

    def set_ef(self, ef: int) -> None:
        """Change the breadth of a query; it is saved with the index."""
        with self._lock.writing:
            self._graph.set_ef(ef)
            self._config = HnswConfig(**{**asdict(self._config), "ef": ef})

    def save(self, path: Path) -> None:
        """See `VectorIndex.save`. The written file is read back before it counts as written."""
        with self._lock.reading:
            facts = {
                "kind": "hnsw",
                "format": FORMAT,
                "dim": self.dim,
                "config": asdict(self._config),
                "removed": sorted(self._removed),
            }
            with atomic_folder(path, facts) as folder:
                file = folder / FILE
                self._graph.save_index(str(file))
                # hnswlib says nothing when the disk is full.
                if file.stat().st_size != int(self._graph.index_file_size()):
                    raise DiskFullError(
                        f"the index {path} was written only in part: most likely no space is left on the disk",
                        hint="Free some space, or point ENGINE_HOME at another disk. What was there before is unharmed.",
                    )
                if int(_read(file, self.dim).element_count) != int(self._graph.element_count):
                    raise CorruptFileError(f"the index {path} does not read back as it was written")

    @classmethod
    def load(cls, path: Path, checked: Checked | None = None) -> Self:
        """See `VectorIndex.load`.

        Args:
            checked: knows the checksums that were computed already.
        """
        facts = open_folder(path, what="index", checked=checked)
        if (facts.get("kind"), facts.get("format")) != ("hnsw", FORMAT):
            raise CorruptFileError(f"index {path}: not an HNSW index of format {FORMAT}")
        config = HnswConfig(**facts["config"])
        graph = _read(path / FILE, int(facts["dim"]))
        graph.set_ef(config.ef)
        graph.set_num_threads(config.threads)
        return cls(graph, config, set(facts["removed"]))


def _read(file: Path, dim: int) -> Any:
    graph = hnswlib.Index("ip", dim)
    try:
        graph.load_index(str(file))
    except RuntimeError as error:
        raise CorruptFileError(f"index file {file}: {error}") from error
    return graph
