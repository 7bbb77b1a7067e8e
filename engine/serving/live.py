"""The generation that serves now, opened; another one when the registry says so. Knows the registry and views; no graph.

A thread looks for a flip, opens the new generation beside the one that answers, and puts it in its place in one
assignment: a question never waits for it, and one that is under way finishes on what it began with.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from engine.errors import CorruptFileError, EngineError, InputError, NotReadyError
from engine.registry import LIVE, Generation, GenerationState, Receipt, Registry
from engine.serving.view import Origin, View

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
"""How often the registry is asked whether another generation serves while questions come; it costs a millisecond."""
IDLE_LOOK_EVERY_S = 0.5
AGAIN_AFTER_S = 10.0
"""How long a generation that could not be opened is left alone."""
_BROKEN = (EngineError, OSError, ValueError, KeyError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why what answers is not what serves.

    Attributes:
        generation: that could not be opened; None where the registry could not be asked.
        at: monotonic seconds of the last try.
    """

    generation: str | None
    message: str
    at: float


class Answering(Protocol):
    """What answers from one view."""

    @property
    def view(self) -> View: ...

    @property
    def ready(self) -> Sequence[str]:
        """What has been asked for, and so need no making any more."""
        ...

    def prepare(self, names: Iterable[str]) -> None:
        """Make now what the first questions of these kinds would have to wait for."""
        ...

    def hide(self, receipts: Sequence[Receipt]) -> None:
        """Leave out what was forgotten after this view's watermark."""
        ...


A = TypeVar("A", bound=Answering)


class Live(Generic[A]):
    """Hands out the recommender of the serving generation. Who got one may finish on it after another is published.

    Args:
        make: a recommender for a view just opened.
        slot: of which generations.
    """

    def __init__(self, registry: Registry, make: Callable[[View], A], slot: str = LIVE) -> None:
        self._registry = registry
        self._make = make
        self._slot = slot
        self._current: A | None = None
        self._trouble: Trouble | None = None
        self._asked = self._look_now = False
        self._moving = threading.Lock()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def recommender(self) -> A:
        """The serving generation's recommender.

        Raises:
            NotReadyError: nothing is published yet.
            CorruptFileError: what is published is damaged, and nothing older is open.
        """
        self._asked = True
        current = self._current
        if current is not None and not self._look_now and self._watcher is not None and self._watcher.is_alive():
            return current
        with self._moving:
            self._look_now = False
            self._follow()
            if self._watcher is None or not self._watcher.is_alive():
                self._watcher = threading.Thread(target=self._watch, name="serving generation", daemon=True)
                self._watcher.start()
            assert self._current is not None
            return self._current

    @property
    def trouble(self) -> Trouble | None:
        """Why what answers is not what serves; None where it is."""
        return self._trouble

    @property
    def answering(self) -> str | None:
        """The id of the generation that is open; None before the first question."""
        current = self._current
        return None if current is None else current.view.origin.generation

    @property
    def view(self) -> View | None:
        """What is open; None before the first question."""
        current = self._current
        return None if current is None else current.view

    def look_again(self) -> None:
        """Ask the registry on the next question, however recently it was asked."""
        self._look_now = True

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S if self._asked else IDLE_LOOK_EVERY_S):
            self._asked = False
            with self._moving:
                self._follow()

    def _follow(self) -> None:
        """Open what serves, unless it is open. What answers stays where that fails; raises where nothing answers yet."""
        while True:
            serving: str | None = None
            try:
                serving = self._registry.generations.serving_id(self._slot)
                if serving is None:
                    raise self._nothing_serves()
                if self._stays(serving):
                    self._hide(self._current)
                    return
                current = self._current
                like = None if current is None else current.view
                opened = self._make(open_view(self._registry.generations.get(serving), like))
                if current is not None:
                    opened.prepare(current.ready)
                self._hide(opened)
                self._current, self._trouble = opened, None
            except _BROKEN as error:
                if serving is not None and self._flipped(serving):
                    continue  # so quickly that its files went while they were read
                if self._current is None:
                    raise
                self._note(serving, error)
            return

    def _hide(self, recommender: A | None) -> None:
        if recommender is not None:
            recommender.hide(self._registry.receipts.newer_than(recommender.view.origin.watermark))

    def _nothing_serves(self) -> NotReadyError:
        if self._slot == LIVE:
            return NotReadyError("no generation is published yet", hint="Run `engine build` first.")
        return NotReadyError(f"no model {self._slot!r} is published", hint=f"`engine build {self._slot}` trains one.")

    def _stays(self, serving: str) -> bool:
        trouble = self._trouble
        if self.answering == serving:
            self._trouble = None
            return True
        return (
            self._current is not None
            and trouble is not None
            and trouble.generation == serving
            and time.monotonic() < trouble.at + AGAIN_AFTER_S
        )

    def _flipped(self, serving: str) -> bool:
        try:
            return self._registry.generations.serving_id(self._slot) not in (serving, None)
        except EngineError:
            return False

    def _note(self, serving: str | None, error: Exception) -> None:
        what = "the registry cannot be asked what serves" if serving is None else f"{serving} cannot be opened"
        message = f"{what}: {error.message if isinstance(error, EngineError) else repr(error)}"
        if self._trouble is None or self._trouble.message != message:
            log.error("%s; %s goes on answering", message, self.answering)
        self._trouble = Trouble(serving, message, time.monotonic())


def open_view(generation: Generation, like: View | None = None) -> View:
    """Open a generation's folder and snapshot; see `View.open`.

    Raises:
        InputError: it is not whole yet, failed, or deleted.
        CorruptFileError: it is damaged.
    """
    if generation.state not in (GenerationState.READY, GenerationState.PUBLISHED):
        raise InputError(f"generation {generation.id} is {generation.state} and cannot answer")
    origin = Origin(generation.id, generation.watermark, generation.as_of, generation.certificate)
    try:
        return View.open(origin, generation.path, generation.snapshot_path, like)
    except CorruptFileError as error:
        raise CorruptFileError(
            error.message,
            hint="`engine generations rollback` goes back to an older one; `engine build` makes a new one.",
        ) from error


def serving_view(registry: Registry, view: View | None) -> View:
    """The generation that serves, opened: `view` where that is it.

    Raises:
        NotReadyError: nothing serves.
        CorruptFileError: it is damaged.
    """
    serving = registry.generations.serving()
    if serving is None:
        raise NotReadyError("no generation is published yet", hint="Run `engine build` first.")
    if view is not None and view.origin.generation == serving.id:
        return view
    return open_view(serving, view)
