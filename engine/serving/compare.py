"""How differently two generations answer the same questions. Knows recommenders; no registry.

The questions are fixed by the ids alone: the items with the smallest 64-bit keys that both hold, which is an even draw and
the same one for every pair of generations that hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from engine.serving.operations import AnswerChange, Comparison, CorpusOverlap, MetricChange
from engine.serving.recommend import Recommender

QUERIES = 100
MOST_CHANGED = 5


def compare(
    first: Recommender,
    second: Recommender,
    metrics: tuple[Mapping[str, object], Mapping[str, object]],
    *,
    k: int = 10,
    queries: int = QUERIES,
) -> Comparison:
    """Ask both the same questions, each by its own default method.

    Args:
        metrics: what was measured of each.
        queries: a corpus, as far as both hold so many of its items.
    """
    changes = []
    for corpus, asked in shared_queries(first, second, queries).items():
        for item_id in asked:
            ours, theirs = (one.related(item_id, k).ids for one in (first, second))
            changes.append(AnswerChange(corpus, item_id, overlap(ours, theirs), ours, theirs))
    by_corpus: dict[str, list[float]] = {}
    for change in changes:
        by_corpus.setdefault(change.corpus, []).append(change.overlap)
    return Comparison(
        first=first.view.origin.generation,
        second=second.view.origin.generation,
        k=k,
        metrics=tuple(_changed(*metrics)),
        corpora=tuple(
            CorpusOverlap(name, len(found), float(np.mean(found)), float(np.min(found)), sum(one == 1 for one in found))
            for name, found in sorted(by_corpus.items())
        ),
        most_changed=tuple(sorted((one for one in changes if one.overlap < 1), key=lambda one: one.overlap))[
            :MOST_CHANGED
        ],
    )


def overlap(first: tuple[str, ...], second: tuple[str, ...]) -> float:
    """The share of the longer answer's items that both hold; 1 where both are empty."""
    longest = max(len(first), len(second))
    return len(set(first) & set(second)) / longest if longest else 1.0


def shared_queries(first: Recommender, second: Recommender, count: int) -> dict[str, list[str]]:
    """At most `count` items a corpus that both generations hold, by corpus and in the order of their keys."""
    ours, theirs = first.view, second.view
    found: dict[str, list[str]] = {name: [] for name in ours.items.corpora if name in theirs.items.corpora}
    wanted = set(found)
    by_rank = ours.items.order.by_rank
    rows = by_rank if len(by_rank) else np.arange(len(ours.items))
    for row in rows[ours.items.alive[rows]].tolist():
        corpus = ours.items.corpora[int(ours.items.corpus[row])]
        if corpus in wanted and theirs.item_row(ours.item_ids[row]) >= 0:
            found[corpus].append(ours.item_ids[row])
            if len(found[corpus]) >= count:
                wanted.discard(corpus)
                if not wanted:
                    break
    return found


def _changed(first: Mapping[str, object], second: Mapping[str, object]) -> Iterator[MetricChange]:
    for name in dict.fromkeys((*first, *second)):
        ours, theirs = first.get(name), second.get(name)
        if isinstance(ours, int | float | None) and isinstance(theirs, int | float | None):
            yield MetricChange(name, ours, theirs)
