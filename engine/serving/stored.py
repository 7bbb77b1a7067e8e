"""What lies in a generation's folder, opened, whichever format it has. Knows files; asks nothing of what it opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import open_array
from engine.errors import CorruptFileError
from engine.files import Checked, Stamp, stamp_of
from engine.index.hnsw import FILE, HnswIndex
from engine.index.layered import LayeredIndex, hnsw_file
from engine.serving import layout
from engine.types import FloatArray, KeyArray

Graphs = Mapping[Stamp, HnswIndex]
"""HNSW graphs by the file they were loaded from."""


class Stored:
    """The arrays and indexes of one folder.

    Args:
        facts: its manifest.

    Raises:
        CorruptFileError: an unknown format.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder = folder
        self._format = facts.get("format")
        if self._format not in (1, layout.FORMAT):
            raise CorruptFileError(
                f"generation {folder}: format {self._format!r} is neither 1 nor {layout.FORMAT}",
                hint="It was written by a newer engine, or damaged: `engine build` makes a new one.",
            )

    def vectors(self) -> FloatArray:
        """float32 `[N, d]`, mapped."""
        vectors: FloatArray = self._array(layout.VECTORS)
        return vectors

    def item_keys(self) -> KeyArray:
        """uint64 `[N]`, mapped."""
        keys: KeyArray = self._array(layout.ITEM_KEYS)
        return keys

    def _array(self, name: str) -> Any:
        if self._format != 1:
            return open_array(self._folder, name)
        path = self._folder / f"{name}.npy"
        try:
            return np.asarray(np.load(path, mmap_mode="c"))
        except ValueError as error:
            raise CorruptFileError(f"generation {self._folder}: {path.name} cannot be read ({error})") from error

    def indexes(
        self, corpora: int, vectors: FloatArray, known: Graphs, checked: Checked
    ) -> tuple[dict[int, LayeredIndex], dict[Stamp, HnswIndex]]:
        """The index of each corpus, and the graphs in use.

        Args:
            known: graphs that are open already.

        Raises:
            CorruptFileError: see `LayeredIndex.load`.
        """
        indexes, graphs = {}, {}
        for number in range(corpora):
            folder = layout.index_folder(self._folder, number)
            file = folder / FILE if self._format == 1 else hnsw_file(folder)
            if not file.is_file():
                raise CorruptFileError(f"generation {self._folder}: {file.relative_to(self._folder)} is missing")
            stamp = stamp_of(file)
            graph = known.get(stamp)
            if self._format == 1:
                indexes[number] = LayeredIndex.of(graph or HnswIndex.load(folder, checked), vectors)
            else:
                indexes[number] = LayeredIndex.load(folder, vectors, graph, checked)
            graphs[stamp] = indexes[number].hnsw
        return indexes, graphs
