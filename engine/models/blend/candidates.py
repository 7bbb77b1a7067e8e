"""The few hundred items of a validation query that any part ranks high: what blend weights are learned on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.models.base import ItemScorer, RelatedPairs
from engine.models.blend.weights import BlendWeights, Flags
from engine.models.ranking import BATCH
from engine.types import FloatArray, IndexArray, OffsetArray

DEPTH = 200
"""Items taken from the top of each part, once among items with edges and once among the others."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of P pairs laid end to end; the answer is the first of its pair's.

    Attributes:
        begin: int64 `[P]`, where each pair's candidates begin.
        size: int64 `[P]`, how many it has.
        embedding, walk, content: float32 `[C]`, the parts' scores.
        connected: bool `[C]`, whether both items have edges.
    """

    begin: OffsetArray
    size: OffsetArray
    embedding: FloatArray
    walk: FloatArray
    content: FloatArray
    connected: Flags

    def __len__(self) -> int:
        return len(self.begin)

    def log_walk(self, floor: float) -> FloatArray:
        """float32 `[C]`."""
        logs: FloatArray = np.log(self.walk + np.float32(floor))
        return logs

    def ranks(self, weights: BlendWeights, log_walk: FloatArray) -> NDArray[np.float64]:
        """The answers' ranks among their candidates by `weights.combine`, ties shared, float64 `[P]`.

        Args:
            log_walk: `log_walk(weights.floor)`, made once for many rankings.
        """
        return _ranks(self.begin, self.size, self.embedding, log_walk, self.content, self.connected, weights.vector())


@compiled
def _ranks(
    begin: OffsetArray,
    size: OffsetArray,
    embedding: FloatArray,
    log_walk: FloatArray,
    content: FloatArray,
    connected: Flags,
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """One pass over all candidates: the search asks for ranks a thousand times."""
    ranks = np.empty(len(begin))
    for pair in range(len(begin)):
        own, better, tied = 0.0, 0, 0
        for at in range(begin[pair], begin[pair] + size[pair]):
            if connected[at]:
                score = weights[0] * embedding[at] + weights[1] * log_walk[at] + weights[2] * content[at]
            else:
                score = weights[3] * embedding[at] + weights[4] * content[at] + weights[5]
            if at == begin[pair]:
                own = score
            better += score > own
            tied += score == own
        ranks[pair] = better + (tied + 1) / 2
    return ranks


def gather(
    pairs: RelatedPairs, embedding: ItemScorer, walks: ItemScorer, content: ItemScorer, has_edges: Flags
) -> Candidates:
    """Score the pairs' queries with each part and keep the union of their tops."""
    columns: list[list[NDArray[np.float32]]] = [[], [], []]
    sizes: list[int] = []
    connected: list[Flags] = []
    for start in range(0, len(pairs), BATCH):
        queries, answers = pairs.query[start : start + BATCH], pairs.answer[start : start + BATCH]
        scores = [part.score(queries) for part in (embedding, walks, content)]
        for row, (query, answer) in enumerate(zip(queries, answers, strict=True)):
            joined = has_edges & has_edges[query]
            items = _union([score[row] for score in scores], joined, int(query), int(answer))
            for column, score in zip(columns, scores, strict=True):
                column.append(score[row, items])
            connected.append(joined[items])
            sizes.append(len(items))
    size = np.array(sizes, dtype=np.int64)
    begin = np.cumsum(size) - size
    first, second, third = (np.concatenate(column) if column else np.empty(0, np.float32) for column in columns)
    flags = np.concatenate(connected) if connected else np.empty(0, bool)
    return Candidates(begin, size, first, second, third, flags)


def _union(scores: list[FloatArray], joined: Flags, query: int, answer: int) -> IndexArray:
    """The answer, then the top of each part among the items that a walk can join to the query, and among the others."""
    tops: list[NDArray[np.int64]] = []
    for group in (np.flatnonzero(joined), np.flatnonzero(~joined)):
        depth, found = min(DEPTH, len(group)), len(tops)
        for score in scores if depth else []:
            own = score[group]
            if own.min() < own.max():  # a part that says the same of all has no top
                top = np.argpartition(-own, depth - 1)[:depth]
                tops.append(group[top[own[top] > own.min()]])
        if len(tops) == found:
            tops.append(group[:depth])  # no part tells them apart, but a shift may still put them all first
    items = np.unique(np.concatenate(tops))
    items = items[(items != query) & (items != answer)]
    return np.concatenate([[answer], items]).astype(np.int32)
