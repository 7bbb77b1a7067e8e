"""A process that refreshes again and again and is killed each time: `python refresh_victim.py HOME URI PASSWORD`.

Reads one line a round: `step NAME`, to be killed where that step begins or ends, `models NAME`, the same for a refresh of models,
or `after SECONDS`, to be killed at that moment. Each round is a process of its own; writes how it ended.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

import engine.refresh.applying as applying
import engine.refresh.delta as delta
import engine.refresh.item_subject as item_subject
import engine.refresh.refresh as refreshing
from engine import Engine
from engine.registry.generations import Generations
from engine.registry.runs import Runs
from engine.settings import GraphSettings, Settings

OWNERS: dict[str, Any] = {
    "clear_dead": refreshing,
    "collect_changes": applying,
    "apply_changes": applying,
    "advance": item_subject,
    "write_delta": refreshing,
    "_patch_vectors": delta,
    "advanced_index": delta,
    "read_manifest": delta,
    "begin": Generations,
    "ready": Generations,
    "publish": Generations,
    "finish": Runs,
}
"""Function of a step -> where it is looked up."""
STEPS = tuple(f"{when} {name}" for name in OWNERS for when in ("before", "after"))


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(step: str) -> None:
    """Make this process die at a step."""
    when, name = step.split()
    real: Callable[..., Any] = getattr(OWNERS[name], name)

    def deadly(*args: Any, **named: Any) -> Any:
        if when == "before":
            die()
        real(*args, **named)
        die()

    setattr(OWNERS[name], name, deadly)


def main() -> None:
    home, uri, password = sys.argv[1:]
    graph = GraphSettings(uri=uri, user="neo4j", password=SecretStr(password))
    settings = Settings(home=Path(home), graph=graph, threads=1)
    for line in sys.stdin:
        how, _, what = line.strip().partition(" ")
        child = os.fork()
        if not child:
            if how == "after":
                threading.Timer(float(what), die).start()
            else:
                dying(what)
            with Engine(settings) as engine:
                refreshed = engine.refresh_models if how == "models" else engine.refresh
                refreshed()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
