"""Exact search by one matrix product. The truth that HNSW is measured against, and the index of small sets.

Knows numpy alone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from engine.errors import CorruptFileError, InputError
from engine.files import atomic_folder, open_folder
from engine.index.protocol import Hits, LabelArray, check_k, check_labels, check_vectors, empty_hits
from engine.types import FloatArray

FORMAT = 1
_BLOCK_SCORES = 16_000_000
"""How many scores are held at a time (64 MB)."""


@dataclass(frozen=True, slots=True)
class _Rows:
    vectors: FloatArray
    labels: LabelArray


class ExactIndex:
    """All vectors in one matrix; a change makes a new matrix, so that readers never see half of one."""

    def __init__(self, vectors: FloatArray, labels: LabelArray) -> None:
        self._rows = _Rows(vectors, labels)
        self._writing = threading.Lock()

    @classmethod
    def build(cls, vectors: FloatArray, labels: LabelArray) -> Self:
        """An index of float32 `[N, dim]` under int64 `[N]`.

        Raises:
            InputError: see `VectorIndex.add`.
        """
        checked = check_vectors(vectors)
        return cls(checked, check_labels(labels, len(checked)))

    @property
    def dim(self) -> int:
        return int(self._rows.vectors.shape[1])

    def __len__(self) -> int:
        return len(self._rows.labels)

    def query(self, vectors: FloatArray, k: int, ef: int | None = None) -> Hits:
        rows = self._rows
        queries = check_vectors(vectors, self.dim)
        hits = empty_hits(len(queries), check_k(k))
        block = max(1, _BLOCK_SCORES // max(1, len(rows.labels)))
        for start in range(0, len(queries), block):
            part = slice(start, start + block)
            top_of(queries[part] @ rows.vectors.T, rows.labels, Hits(hits.labels[part], hits.scores[part]))
        return hits

    def add(self, vectors: FloatArray, labels: LabelArray) -> None:
        with self._writing:
            checked = check_vectors(vectors, self.dim)
            fresh = check_labels(labels, len(checked))
            keep = ~np.isin(self._rows.labels, fresh)
            self._rows = _Rows(
                np.concatenate([self._rows.vectors[keep], checked]), np.concatenate([self._rows.labels[keep], fresh])
            )

    def remove(self, labels: LabelArray) -> None:
        with self._writing:
            gone = np.asarray(labels, dtype=np.int64)
            missing = gone[~np.isin(gone, self._rows.labels)]
            if len(missing):
                raise InputError(f"label {int(missing[0])} is not in the index")
            keep = ~np.isin(self._rows.labels, gone)
            self._rows = _Rows(self._rows.vectors[keep], self._rows.labels[keep])

    def save(self, path: Path) -> None:
        rows = self._rows
        with atomic_folder(path, {"kind": "exact", "format": FORMAT}) as folder:
            np.save(folder / "vectors.npy", rows.vectors)
            np.save(folder / "labels.npy", rows.labels)

    @classmethod
    def load(cls, path: Path) -> Self:
        facts = open_folder(path, what="index")
        if (facts.get("kind"), facts.get("format")) != ("exact", FORMAT):
            raise CorruptFileError(f"index {path}: not an exact index of format {FORMAT}")
        return cls(np.load(path / "vectors.npy"), np.load(path / "labels.npy"))


def top_of(scores: FloatArray, labels: LabelArray, into: Hits) -> None:
    """Write the best of `scores` `[B, N]` into `into` `[B, k]`; equal scores go by label, so that answers are stable."""
    k = min(into.labels.shape[1], scores.shape[1])
    if k == 0:
        return
    if k < scores.shape[1]:
        bound = -np.partition(-scores, k - 1, axis=1)[:, k - 1]
    else:
        bound = np.full(len(scores), -np.inf, np.float32)
    for row, least in enumerate(bound):
        near = np.flatnonzero(scores[row] >= least)
        best = near[np.lexsort((labels[near], -scores[row, near]))[:k]]
        into.labels[row, :k] = labels[best]
        into.scores[row, :k] = scores[row, best]
