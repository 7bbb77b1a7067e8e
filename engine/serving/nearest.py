"""The nearest items to a query by their vectors, through filters and exclusions. Knows views; no other method.

Where a filter lets little through, its rows are scored exactly; where it lets much through, HNSW is asked for more than is
wanted and the rest is dropped. A Python callback inside HNSW would be slower than either by orders of magnitude.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.serving.query import Found, Query, Scope, boost_cosines
from engine.serving.view import View
from engine.types import FloatArray, KeyOrder

EXACT_FACTOR = 30.0
"""What HNSW pays for a candidate over what a scan pays for a row, measured at 64 dimensions."""
SPARE = 4


class NearestMethod:
    """Method "pinsage": the cosine of embeddings. Of a model about users and items: the inner product of a user's vector and
    the items'."""

    name = "pinsage"

    def __init__(self, view: View) -> None:
        self._view = view

    def search(self, query: Query, scope: Scope, count: int) -> Found:
        """The `count` best rows; fewer only where the scope holds fewer that have a vector."""
        if len(query.ids) == 1:
            return self._search_one(query.vectors, scope, count)
        found = [self._search_one(query.vectors[at : at + 1], scope, 2 * count).rows for at in range(len(query.ids))]
        rows = np.unique(np.concatenate(found))
        scores = boost_cosines(query.vectors @ self._view.vectors[rows].T, query.weights)
        return ranked(rows, scores, count, self._view.items.order)

    def _search_one(self, vector: FloatArray, scope: Scope, count: int) -> Found:
        index = self._view.indexes[scope.corpus]
        total = len(index)
        matches = scope.matches
        allowed = total if matches is None else len(matches.rows)
        if allowed * allowed <= EXACT_FACTOR * count * total:
            return self._scan(vector, scope, count)
        fetch = count + min(len(scope.excluded), count + SPARE)
        if matches is not None:
            fetch = int(1.2 * fetch * total / allowed) + SPARE
        while fetch * EXACT_FACTOR < total:
            hits = index.query(vector, fetch)
            found = self._keep(hits.labels[0], hits.scores[0], scope, count)
            if len(found.rows) == count:
                return found
            fetch *= 2
        return self._scan(vector, scope, count)

    def _keep(self, labels: NDArray[np.int64], scores: FloatArray, scope: Scope, count: int) -> Found:
        excluded = scope.excluded
        if scope.matches is not None:
            passed = scope.matches.mask[labels]
            labels, scores = labels[passed], scores[passed]
        rows = labels.tolist()
        first = 1 if rows and rows[0] in excluded else 0
        if excluded.isdisjoint(
            rows[first : first + count]
        ):  # nearly always: only the query itself is left out, at the top
            part = slice(first, first + count)
            return Found(labels[part], scores[part])
        keep = [at for at, row in enumerate(rows) if row not in excluded][:count]
        return Found(labels[keep], scores[keep])

    def _scan(self, vector: FloatArray, scope: Scope, count: int) -> Found:
        rows = rows_in(self._view, scope)
        vectors = self._view.vectors[rows]
        scores = vectors @ vector[0]
        known = scores != 0
        if not known.all():
            known |= vectors.any(axis=1)
            rows, scores = rows[known], scores[known]
        return ranked(rows, scores, count, self._view.items.order)


def rows_in(view: View, scope: Scope) -> NDArray[np.int64]:
    """Every row that the scope allows, increasing."""
    rows = np.flatnonzero(view.items.corpus == scope.corpus) if scope.matches is None else scope.matches.rows
    if not scope.excluded:
        return rows
    return rows[~np.isin(rows, np.fromiter(scope.excluded, np.int64, len(scope.excluded)))]


def ranked(rows: NDArray[np.int64], scores: FloatArray, count: int, order: KeyOrder) -> Found:
    """The best `count` of some rows; equal scores go by key."""
    if len(rows) > count:
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        near = np.flatnonzero(scores >= least)
        rows, scores = rows[near], scores[near]
    best = np.lexsort((order.ranks(rows), -scores))[:count]
    return Found(rows[best], scores[best])
