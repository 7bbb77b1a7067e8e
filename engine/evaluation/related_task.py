"""The related-items protocol on one data set: which methods, which split, and how they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.datasets.folder import DatasetFolder
from engine.errors import DataError
from engine.evaluation.outcome import Outcome, from_standing
from engine.evaluation.related_numbers import RelatedProtocol
from engine.evaluation.related_split import RelatedSplit, split_related
from engine.evaluation.task import Sections
from engine.graph.snapshot import Snapshot
from engine.models.base import ItemScorer
from engine.models.methods import Settings, find_method, with_parts
from engine.models.ranking import stand_all
from engine.progress import progress


class RelatedTask:
    """Retrieval methods on pairs of a query item and an answer."""

    split_name = ""

    def __init__(self, data: DatasetFolder, numbers: RelatedProtocol) -> None:
        self._data, self._numbers = data, numbers
        self._snapshot: Snapshot | None = None

    def check(self, names: list[str]) -> None:
        for name in names:
            find_method(name)

    def with_parts(self, names: list[str]) -> list[str]:
        return with_parts(names)

    def configuration(self, name: str, sections: Sections) -> dict[str, Any]:
        return find_method(name).configuration(sections)

    def split(self, seed: int) -> RelatedSplit:
        if self._snapshot is None:
            with progress("Reading the data set") as advance:
                self._snapshot = Snapshot.from_dataset(self._data)
                advance(1)
        split = split_related(self._snapshot, self._numbers, seed)
        if not len(split.test) and not len(split.cold):
            raise DataError(
                "the split has no test pairs", hint="Give the protocol a larger share, or the data more boards."
            )
        return split

    def fit(
        self, name: str, settings: Settings, split: RelatedSplit, parts: Mapping[str, Any], workdir: Path | None
    ) -> ItemScorer:
        method = find_method(name)
        scorer = method.make(settings, {part: parts[part] for part in method.parts})
        scorer.fit(replace(split.training, workdir=workdir))
        return scorer

    def judge(self, what: str, fitted: ItemScorer, split: RelatedSplit) -> tuple[dict[str, Outcome], dict[str, float]]:
        asked = {"warm": split.test.pairs, "cold": split.cold.pairs}
        with progress(f"{what}: ranking", sum(map(len, asked.values()))) as advance:
            return {
                part: from_standing(stand_all(fitted.score, pairs, advance=advance))
                for part, pairs in asked.items()
                if len(pairs)
            }, {}

    def inside(
        self,
        fitted: Any,
        split: RelatedSplit,
        outcomes: Mapping[str, Outcome],
        metrics: Sequence[str],
        ks: Sequence[int],
    ) -> dict[str, Any]:
        """Nothing: no user asks here."""
        return {}
