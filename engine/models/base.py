"""What every retrieval method is given and what it must answer. Knows no method, no file and no protocol.

A method is an `ItemScorer`: it sees a `RelatedData` once, in `fit`, and from then on scores every item for a batch of
query items. Evaluation, early stopping and serving all talk to methods through these two shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from engine.types import FloatArray, IndexArray, ItemContextGraph

if TYPE_CHECKING:
    from engine.features.word_counts import WordCounts
    from engine.graph.snapshot import NodeTable


@dataclass(frozen=True, slots=True)
class RelatedPairs:
    """Query items and the one item each should find.

    Attributes:
        query: int32 `[P]`, row numbers of items.
        answer: int32 `[P]`, aligned; never equal to `query`.
    """

    query: IndexArray
    answer: IndexArray

    def __len__(self) -> int:
        return len(self.query)

    @staticmethod
    def empty() -> RelatedPairs:
        return RelatedPairs(np.empty(0, np.int32), np.empty(0, np.int32))


@dataclass(frozen=True, slots=True)
class RelatedData:
    """All that a related-items method may learn from. Test pairs are not in here, nor is any edge that leaks one.

    Attributes:
        graph: the training edges; items kept out of the graph are rows without neighbours.
        items: every item with its fields, cold ones too; row numbers agree with `graph`.
        contexts: the contexts with their fields (a board's title says what its items are); row numbers agree with
            `graph`. None when there is nothing to say about them.
        validation: pairs carved from the training part; the answers' edges are not in `graph`, but both ends still have
            some. For early stopping, tuning and blend weights.
        validation_cold: the same with answers that have no edge at all in `graph`.
        seed: of everything random in the method.
        workdir: a folder the method may keep checkpoints in, to resume; None when it may not write.
        words: by text field of the items, or "context.FIELD", what was counted of its texts already.
    """

    graph: ItemContextGraph
    items: NodeTable
    validation: RelatedPairs = field(default_factory=RelatedPairs.empty)
    validation_cold: RelatedPairs = field(default_factory=RelatedPairs.empty)
    seed: int = 0
    workdir: Path | None = None
    contexts: NodeTable | None = None
    words: Mapping[str, WordCounts] | None = None

    @property
    def num_items(self) -> int:
        return self.graph.num_items


@runtime_checkable
class ItemScorer(Protocol):
    """A method that scores all items for a query item.

    `report()` returns what a reader of the results wants to know about the fit (the configuration in force, epochs run,
    weights learned), JSON-able.
    """

    name: str

    def fit(self, data: RelatedData) -> None:
        """Learn from the training edges and the items' fields.

        Raises:
            TrainingError: the data holds nothing to learn from.
        """
        ...

    def score(self, queries: IndexArray) -> FloatArray:
        """Score every item for each query.

        Args:
            queries: int32 `[B]`, row numbers of items.

        Returns:
            float32 `[B, N]`, higher is better, no NaN; -inf where the method cannot say anything about the item. The
            query's own column may hold anything.
        """
        ...

    def report(self) -> dict[str, Any]:
        """What the fit did and with which settings."""
        ...
