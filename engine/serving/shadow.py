"""A candidate generation answers beside the one that serves, for a share of the questions. Knows the registry and views.

Callers get the live answer and wait for nothing: a question goes into a bounded queue, a thread asks the candidate the
same, and both answers are written down. Where the queue is full the question is left out.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import EngineError
from engine.hashing import key64
from engine.registry import Registry, Shadow, ShadowSample
from engine.serving.live import open_view
from engine.serving.recommend import Recommender
from engine.serving.results import Answer
from engine.serving.view import View

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How often the registry is asked whether a shadow runs."""
MOST_WAITING = 64
MOST_A_WRITE = 16
_KEYS = 1 << 64
_BROKEN = (EngineError, OSError, ValueError, KeyError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and how it was answered.

    Attributes:
        who: the user, or the query's items where there is none: they decide whether the shadow is asked.
        words: what was asked, without the user.
        ask: the same question to another recommender.
        seconds: how long the live answer took.
    """

    who: str
    words: str
    ask: Callable[[Recommender], Answer]
    answer: Answer
    seconds: float


class Shadowing:
    """Asks the shadow that runs, if one does.

    Args:
        make: a recommender for the candidate's view.
    """

    def __init__(self, registry: Registry, make: Callable[[View], Recommender]) -> None:
        self._registry = registry
        self._make = make
        self._shadow: Shadow | None = None
        self._looked_at: float | None = None
        self._candidate: tuple[str, Recommender] | None = None
        self._waiting: queue.Queue[Question] = queue.Queue(MOST_WAITING)
        self._ended = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def answered(self, question: Question) -> None:
        """Hand a question over; cheap, and never waits."""
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if self._looked_at is not None and self._shadow is None:
            return
        try:
            self._waiting.put_nowait(question)
        except queue.Full:
            log.debug("the shadow is not asked: %d questions wait for it already", MOST_WAITING)

    def close(self) -> None:
        """Answer what waits, and stop."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if (self._thread is None or not self._thread.is_alive()) and not self._ended.is_set():
                self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            ended = self._ended.is_set()
            questions = self._next()
            try:
                self._look()
                self._ask_all(questions)
            except EngineError as error:
                log.warning("%d questions to the shadow are not recorded: %s", len(questions), error.message)
            if ended and not questions:
                return

    def _next(self) -> list[Question]:
        """What waits, at most `MOST_A_WRITE`; empty after a while without any."""
        found: list[Question] = []
        try:
            while len(found) < MOST_A_WRITE:
                wait = not found and not self._ended.is_set()
                found.append(self._waiting.get(wait, LOOK_EVERY_S / 4))
        except queue.Empty:
            pass
        return found

    def _look(self) -> None:
        if self._looked_at is None or time.monotonic() >= self._looked_at + LOOK_EVERY_S:
            self._shadow = self._registry.shadows.running()
            self._looked_at = time.monotonic()
            if self._shadow is None or (self._candidate is not None and self._candidate[0] != self._shadow.generation):
                self._candidate = None

    def _ask_all(self, questions: list[Question]) -> None:
        shadow = self._shadow
        if shadow is None:
            return
        chosen = [one for one in questions if in_share(one.who, shadow.share)]
        samples = [self._sample(shadow, one) for one in chosen if one.answer.generation != shadow.generation]
        if samples:
            self._registry.shadows.record(shadow, samples)

    def _sample(self, shadow: Shadow, question: Question) -> ShadowSample:
        live, start = question.answer, time.perf_counter()
        ids: tuple[str, ...] = ()
        overlap, error = None, None
        try:
            ids = question.ask(self._opened(shadow)).ids
            overlap = len(set(ids) & set(live.ids)) / len(live.ids) if live.ids else 1.0
        except _BROKEN as failed:
            error = failed.message if isinstance(failed, EngineError) else repr(failed)
        seconds = time.perf_counter() - start
        return ShadowSample(
            live.generation, question.words, live.k, overlap, live.ids, ids, question.seconds, seconds, error
        )

    def _opened(self, shadow: Shadow) -> Recommender:
        if self._candidate is None:
            view = open_view(self._registry.generations.get(shadow.generation))
            self._candidate = (shadow.generation, self._make(view))
            self._candidate[1].prepare(())
        return self._candidate[1]


def in_share(who: str, share: float) -> bool:
    """Whether somebody belongs to a share of all; who belongs to a small share belongs to every larger one."""
    return key64(who) < share * _KEYS
