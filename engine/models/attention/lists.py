"""Packed lists of neighbours: some of them, some of their entries, and a seeded draw. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.types import FloatArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True)
class Lists:
    """Packed lists.

    Attributes:
        indptr: int64 `[S + 1]`.
        at: int64 `[E]`, what is in them.
        prior: float32 `[E]`, what is added to each entry's logit where they are attended to; None where nothing is.
    """

    indptr: Ints
    at: Ints
    prior: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> Ints:
        """int64 `[S]`, how long each list is."""
        return np.diff(self.indptr)

    @property
    def owner(self) -> Ints:
        """int64 `[E]`, the list that each entry is in."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def rows(self, rows: Ints) -> Lists:
        """Some of the lists."""
        found = rows_of(self.indptr, None, rows)
        return Lists(found.indptr, self.at[found.at], None if self.prior is None else self.prior[found.at])

    def to(self, at: Ints) -> Lists:
        """The same lists, of entries that go by other numbers."""
        return replace(self, at=at)

    def weighed(self, weight: FloatArray) -> Lists:
        """The same lists, where an entry counts in proportion to a weight, float32 `[E]`, above 0.

        Weights are taken as shares of the largest in the list, so that equal ones add nothing at all.
        """
        highest = np.full(len(self), np.float32(TINY))
        np.maximum.at(highest, self.owner, weight)
        return replace(self, prior=np.log(weight) - np.log(highest)[self.owner])

    def only(self, kept: Mask) -> Lists:
        """Without some entries."""
        count = np.concatenate([[0], np.cumsum(kept)])
        return Lists(count[self.indptr], self.at[kept], None if self.prior is None else self.prior[kept])

    def capped(self, most: int, rng: np.random.Generator) -> Lists:
        """At most so many of each list, drawn where there are more; in the order they were in."""
        size = self.sizes
        if not len(size) or size.max() <= most:
            return self
        order = np.lexsort((rng.random(len(self.at)), self.owner))
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order)) - np.repeat(self.indptr[:-1], size)
        return self.only(place < most)


def rows_of(csr_indptr: Ints, entries: Ints | None, rows: Ints) -> Lists:
    """Some rows of a CSR; `entries` None for the positions themselves."""
    size = csr_indptr[rows + 1] - csr_indptr[rows]
    indptr = np.concatenate([[0], np.cumsum(size)])
    at = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - csr_indptr[rows], size)
    return Lists(indptr, at if entries is None else entries[at])
