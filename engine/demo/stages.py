"""Steps that are done once: a step whose inputs have not changed is taken from what it left behind.

Knows names, digests and JSON; nothing of what the steps do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.files import write_json
from engine.hashing import digest

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """One finished step.

    Attributes:
        result: what the step returned, JSON-able.
        seconds: what it took when it ran.
        kept: True when it was taken from an earlier run.
    """

    result: Result
    seconds: float
    kept: bool


class Stages:
    """The steps of one demo, remembered in one file that is replaced whole after each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._read()

    def run(self, name: str, inputs: Any, work: Callable[[], Result], *, holds: Callable[[Result], bool]) -> Stage:
        """Do a step, or take its result from an earlier run.

        Args:
            name: of the step.
            inputs: all that the result depends on, JSON-able.
            work: the step; interrupted, it leaves nothing behind and runs again next time.
            holds: whether what an earlier run left is still there.
        """
        key = digest(inputs)
        known = self._known.get(name)
        if known is not None and known["inputs"] == key and holds(known["result"]):
            return Stage(known["result"], known["seconds"], kept=True)
        started = time.monotonic()
        result = json.loads(json.dumps(work()))
        seconds = time.monotonic() - started
        self._known[name] = {"inputs": key, "result": result, "seconds": seconds}
        write_json(self._path, self._known)
        return Stage(result, seconds, kept=False)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            known: dict[str, dict[str, Any]] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return known
