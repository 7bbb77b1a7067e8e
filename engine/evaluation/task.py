"""What `run` needs to know of a protocol on a data set. `related_task` and `user_task` are the two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.evaluation.outcome import Outcome
from engine.models.methods import Settings

Sections = Mapping[str, Settings]
"""Method or family -> settings."""


class Split(Protocol):
    """One seed's split."""

    def facts(self) -> dict[str, int]:
        """Sizes worth printing beside the figures."""
        ...


class Task(Protocol):
    """One protocol applied to one data set."""

    split_name: str
    """Of the files it uses or of the way it draws, for the record; empty where there is but one."""

    def check(self, names: list[str]) -> None:
        """See that the methods exist and can answer.

        Raises:
            UnknownNameError: a method that does not exist.
            InputError: a method that cannot answer what the protocol asks.
        """
        ...

    def with_parts(self, names: list[str]) -> list[str]:
        """The methods that must be fitted for `names`, each after its parts."""
        ...

    def configuration(self, name: str, sections: Sections) -> dict[str, Any]:
        """The settings of a method that are in force."""
        ...

    def split(self, seed: int) -> Split:
        """Carve one seed's split.

        Raises:
            DataError: the data has not what the split needs, or the split leaks.
        """
        ...

    def fit(self, name: str, settings: Settings, split: Any, parts: Mapping[str, Any], workdir: Path | None) -> Any:
        """Make a method and fit it; `parts` holds the methods that were fitted before."""
        ...

    def judge(self, what: str, fitted: Any, split: Any) -> tuple[dict[str, Outcome], dict[str, float]]:
        """Ask a fitted method everything that the split holds out.

        Args:
            what: for the progress bar.

        Returns:
            Part -> what was answered, and what the lists are like beyond accuracy.
        """
        ...

    def inside(
        self, fitted: Any, split: Any, outcomes: Mapping[str, Outcome], metrics: Sequence[str], ks: Sequence[int]
    ) -> dict[str, Any]:
        """What a run keeps beside the method's own report, JSON-able: for whom it is good, and what it attends to."""
        ...
