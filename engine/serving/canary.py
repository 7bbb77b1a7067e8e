"""The recall canary: a share of live queries is searched again exactly, in the background, and what is found written down.

Search by HNSW goes wrong silently: answers come, quickly, and only an exact search shows what is missing from them. Knows
views and the registry; builds nothing. `engine.refresh.compact` does what is asked for here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.index.compaction import why_compact
from engine.index.recall import sampled_recall
from engine.registry import Registry
from engine.serving.view import View
from engine.types import FloatArray

log = logging.getLogger(__name__)

MEASURE = "ann_recall"
"""The name of the samples in `registry.samples`."""
WANTED = "wanted/compact/"
"""Flags of this prefix and a corpus say that its index should be built anew, and why."""
K = 10
FLOOR = 0.95
KEPT, LEAST, EVERY, PAUSE_S = 256, 32, 10, 60.0


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """How one index does.

    Attributes:
        queries: how many `ann_recall` was measured with; 0 where the corpus is empty.
        size: items that can be found; `beside` of them by exact search.
        hidden: vectors that the graph keeps only to pass through.
        why: the reason to build it anew, or None.
    """

    corpus: str
    ann_recall: float
    queries: int
    size: int
    beside: int
    hidden: int
    why: str | None


def check_index(view: View, number: int, queries: FloatArray, floor: float = FLOOR) -> IndexHealth:
    """Compare the index of one corpus with exact search.

    Args:
        queries: float32 `[Q, d]`.
        floor: the least ann_recall that is no reason for compaction.
    """
    index, corpus = view.indexes[number], view.items.corpora[number]
    rows = np.flatnonzero(view.items.corpus == number)
    recall = sampled_recall(index, view.vectors, rows, queries, K) if len(rows) and len(queries) else 1.0
    why = why_compact(index)
    if recall < floor:
        why = f"ann_recall@{K} is {recall:.3f}; the floor is {floor}"
    layers = index.layers
    return IndexHealth(
        corpus, recall, len(queries) if len(rows) else 0, len(index), len(layers.segment), len(layers.hidden), why
    )


def own_queries(view: View, number: int, count: int = 200) -> FloatArray:
    """Vectors of a corpus' own items, evenly drawn: queries where there are no live ones."""
    rows = np.flatnonzero(view.items.corpus == number)
    return np.asarray(view.vectors[rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)]])


def record(registry: Registry, generation: str, health: IndexHealth) -> None:
    """Write a measurement down, and ask for compaction where there is a reason."""
    detail = {"k": K, "queries": health.queries, "beside": health.beside, "hidden": health.hidden}
    registry.samples.add(generation, MEASURE, health.ann_recall, corpus=health.corpus, detail=detail)
    if health.why is not None:
        registry.flags.set(WANTED + health.corpus, {"generation": generation, "why": health.why})


class Canary:
    """Keeps some of the queries of one client and measures with them, now and then, in a thread of its own.

    Args:
        every: one query in so many is kept, at most `KEPT` of a corpus.
        least: fewer queries than this measure nothing.
        pause_s: between two measurements.
        floor: see `check_index`.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        every: int = EVERY,
        least: int = LEAST,
        pause_s: float = PAUSE_S,
        floor: float = FLOOR,
    ) -> None:
        self._registry, self._floor = registry, floor
        self._every, self._least, self._pause_s = every, least, pause_s
        self._kept: dict[str, deque[FloatArray]] = {}
        self._asked = 0
        self._next = time.monotonic() + pause_s
        self._busy = threading.Lock()

    def saw(self, view: View, corpus: str, vector: FloatArray) -> None:
        """Take note of a live query, float32 `[d]`. Costs next to nothing and never raises."""
        self._asked += 1
        if self._asked % self._every:
            return
        kept = self._kept.setdefault(corpus, deque(maxlen=KEPT))
        kept.append(vector)
        if len(kept) >= self._least and time.monotonic() >= self._next and self._busy.acquire(blocking=False):
            self._next = time.monotonic() + self._pause_s
            threading.Thread(target=self._measure, args=(view,), name="recall canary", daemon=True).start()

    def _measure(self, view: View) -> None:
        try:
            for corpus, vectors in self._take(view).items():
                health = check_index(view, view.corpus_number(corpus), vectors, self._floor)
                record(self._registry, view.origin.generation, health)
        except Exception:
            # Whatever is wrong here must not harm those who ask.
            log.exception("the recall canary could not measure generation %s", view.origin.generation)
        finally:
            self._busy.release()

    def _take(self, view: View) -> Mapping[str, FloatArray]:
        """The queries kept so far, each used once."""
        taken = {}
        for corpus in list(self._kept):
            kept = self._kept[corpus]
            vectors = [kept.popleft() for _ in range(len(kept))]
            fitting = [vector for vector in vectors if vector.shape == (view.vectors.shape[1],)]
            if fitting and corpus in view.items.corpora:
                taken[corpus] = np.stack(fitting)
        return taken
