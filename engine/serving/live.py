"""The generation that serves now, opened; another one when the registry says so. Knows the registry and views; no graph."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engine.errors import NotReadyError
from engine.registry import Generation, Registry
from engine.serving.recommend import Recommender
from engine.serving.view import Origin, View

LOOK_EVERY_S = 0.5
"""How often the registry is asked whether another generation serves."""


class Live:
    """Hands out the recommender of the serving generation. Who got one may finish on it after another is published.

    Args:
        make: a recommender for a view just opened.
    """

    def __init__(self, registry: Registry, make: Callable[[View], Recommender]) -> None:
        self._registry = registry
        self._make = make
        self._current: Recommender | None = None
        self._look_at = 0.0
        self._opening = threading.Lock()

    def recommender(self) -> Recommender:
        """The serving generation's recommender.

        Raises:
            NotReadyError: nothing is published yet.
            CorruptFileError: what is published is damaged.
        """
        current = self._current
        if current is not None and time.monotonic() < self._look_at:
            return current
        with self._opening:
            serving = self._registry.generations.serving_id()
            if serving is None:
                raise NotReadyError("no generation is published yet", hint="Run `engine build` first.")
            if self._current is None or self._current.view.origin.generation != serving:
                self._current = self._make(open_view(self._registry.generations.get(serving)))
            self._look_at = time.monotonic() + LOOK_EVERY_S
            return self._current

    def look_again(self) -> None:
        """Ask the registry on the next question, however recently it was asked."""
        self._look_at = 0.0


def open_view(generation: Generation, like: View | None = None) -> View:
    """Open a generation's folder and snapshot; see `View.open`."""
    origin = Origin(generation.id, generation.watermark, generation.as_of)
    return View.open(origin, generation.path, generation.snapshot_path, like)
