"""How far what answers is behind the graph, asked of the graph as seldom as that can be told. Knows origins and the graph.

An answer is as old as the oldest change that its generation has not seen, not as the generation itself: where nothing
changed, nothing is old.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.errors import EngineError, InputError, StaleAnswerError
from engine.graph.changes_lag import oldest_unseen
from engine.graph.connection import Graph
from engine.serving.view import Origin


@dataclass(frozen=True, slots=True)
class Age:
    """How far a generation is behind, at most.

    Attributes:
        seconds: since the oldest change that it has not seen; 0 where it has seen all of them.
        unsure: why this is only a bound, the age of the generation itself; None where it is not.
    """

    seconds: float
    unsure: str | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """What the graph said about one watermark. A first unseen change stays the first one; that there is none is true
    for the moment of the look alone."""

    watermark: int
    behind_s: float | None
    at: float

    def age_s(self) -> float:
        return (self.behind_s or 0.0) + time.monotonic() - self.at


class Freshness:
    """The age of answers.

    Args:
        graph: opens the graph; called when it is first asked.
    """

    def __init__(self, graph: Callable[[], Graph]) -> None:
        self._graph = graph
        self._look: _Look | None = None
        self._looking = threading.Lock()

    def check(self, origin: Origin, limit_s: float) -> None:
        """Refuse to answer from a generation that is too far behind.

        Raises:
            InputError: the limit is below 0.
            StaleAnswerError: it is, or may be, more than `limit_s` behind.
        """
        if isinstance(limit_s, bool) or not isinstance(limit_s, int | float) or not limit_s >= 0:
            raise InputError(f"max_staleness_s must be a number of at least 0, not {limit_s!r}")
        age = self.age(origin, limit_s)
        if age.seconds > limit_s:
            told = f"is {age.seconds:.1f} s" if age.unsure is None else f"may be up to {age.seconds:.1f} s"
            why = "" if age.unsure is None else f", as {age.unsure}"
            raise StaleAnswerError(
                f"generation {origin.generation} {told} behind the graph{why}; {limit_s:g} s were asked for",
                hint="`engine status` says why it was not refreshed; `engine refresh` does it now.",
            )

    def age(self, origin: Origin, limit_s: float) -> Age:
        """How far a generation is behind; the graph is only asked where what is known leaves open whether it is more than
        `limit_s`. A limit of 0 always asks, unless it is known to be behind."""
        look = self._look
        if look is None or look.watermark != origin.watermark or (look.behind_s is None and look.age_s() > limit_s):
            # Whoever waits for the lock may take what the one before has just learned.
            asked = time.monotonic()
            with self._looking:
                look = self._look
                if look is None or look.watermark != origin.watermark or (look.behind_s is None and look.at < asked):
                    try:
                        told = self._ask(origin.watermark)
                    except EngineError as error:
                        return _unsure(origin, f"the graph cannot be asked ({error.message})")
                    if isinstance(told, str):
                        return _unsure(origin, told)
                    self._look = look = told
            if look.behind_s is None:
                return Age(0.0)
        return Age(look.age_s())

    def _ask(self, watermark: int) -> _Look | str:
        before = time.monotonic()
        unseen = oldest_unseen(self._graph(), watermark)
        if unseen.rev == 0:
            return "the graph counts no changes"
        if unseen.rev < watermark:
            return f"the graph is at rev {unseen.rev}, before its watermark {watermark}"
        if unseen.rev > watermark and unseen.age_s is None:
            return "the graph keeps no times of its changes"
        return _Look(watermark, unseen.age_s, before)


def _unsure(origin: Origin, why: str) -> Age:
    return Age((datetime.now(UTC) - origin.as_of).total_seconds(), why)
