"""What was found, on its way to an answer: candidates spread out, named, and why there are no more. Knows one view."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np

from engine.serving.diversify import mmr
from engine.serving.fresh import FreshItem
from engine.serving.names import picked
from engine.serving.query import Found, Scope
from engine.serving.results import ScoredItem
from engine.serving.view import View
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate: a row of the view, or an item newer than it."""

    row: int
    score: float
    fresh: FreshItem | None = None


def vectors_of(view: View, candidates: list[Candidate]) -> FloatArray:
    """float32 `[C, d]`."""
    return np.stack([view.vectors[one.row] if one.fresh is None else one.fresh.vector for one in candidates])


def spread_out(view: View, candidates: list[Candidate], k: int, diversity: float) -> list[Candidate]:
    """The candidates reordered by MMR."""
    if not candidates:
        return candidates
    scores = np.array([one.score for one in candidates], np.float32)
    return [candidates[at] for at in mmr(scores, vectors_of(view, candidates), k, diversity).tolist()]


def named(view: View, found: Found, corpus: str) -> tuple[ScoredItem, ...]:
    """What a method found, with ids and titles."""
    rows = found.rows.tolist()
    ids, titles = picked(view.item_ids, rows), picked(view.item_titles, rows)
    return tuple(map(ScoredItem, ids, found.scores.tolist(), repeat(corpus), titles))


def why_fewer(view: View, count: int, scope: Scope, found: Found | None) -> str:
    """Why an answer holds only `count` items."""
    if found is not None and found.reach is not None:
        return f"only {count}: {found.reach}"
    parts = [f"corpus {view.items.corpora[scope.corpus]!r} holds {len(view.indexes[scope.corpus]):,} items"]
    if scope.matches is not None:
        parts.append(f"{len(scope.matches.rows):,} of them pass the filter")
    if scope.excluded:
        parts.append(f"{len(scope.excluded):,} {'item is' if len(scope.excluded) == 1 else 'items are'} excluded")
    return f"only {count}: {', '.join(parts)}"
