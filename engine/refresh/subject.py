"""What a refresh is of: something that serves, and how it goes on from what it keeps. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from engine.embedding.bounds import Certificate
from engine.embedding.kept import Limits
from engine.graph.snapshot_apply import Applied
from engine.refresh.delta import Delta
from engine.registry import Generation, Lease
from engine.serving.view import View


class Plan(Protocol):
    """Which way was taken, and why; `str` says it."""

    def to_json(self) -> dict[str, Any]:
        """For the run's row."""
        ...


@dataclass(frozen=True, slots=True)
class Advanced:
    """What serves, brought to the graph as it is now.

    Attributes:
        delta: from what serves.
        plan: how what changed was found.
        counts: JSON-able; "embedded" and "put_off" are among them.
        certificate: how far the vectors may be from exact.
    """

    delta: Delta
    plan: Plan
    counts: Mapping[str, int]
    certificate: Certificate


class Subject(Protocol):
    """What serves in one slot, and how it is brought up to date."""

    @property
    def view(self) -> View:
        """What serves."""
        ...

    def keeps(self) -> str | None:
        """Whether it keeps what a refresh goes on from, whole: None, or why it does not."""
        ...

    def advance(self, applied: Applied, as_of: datetime, limits: Limits) -> Advanced | None:
        """What the changes alter; None where that can only be told from the whole graph.

        Raises:
            EngineError: the graph as it is now cannot be answered about.
        """
        ...

    def anew(self, as_of: datetime, work: Path, lease: Lease) -> Generation:
        """Embed the graph as it is now by the same model, and let that serve.

        Args:
            work: an empty folder on the disk where generations are.

        Raises:
            see `refresh.refresh.refresh`.
        """
        ...
