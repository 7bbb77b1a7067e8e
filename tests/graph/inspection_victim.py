"""A process that publishes for inspection and is killed each time: `python inspection_victim.py`, settings from ENGINE_* variables.

Reads one line a round, `METHOD COUNT`: the call of the writer's method at which to be killed. Each round is a process of its own;
writes how it ended.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import engine.client.inspection as client
import engine.refresh.inspection as inspection
from engine import Engine
from engine.graph.inspection import InspectionWriter


def dying(name: str, left: int) -> None:
    """Make this process die at a call."""
    real = getattr(InspectionWriter, name)
    calls = iter(range(left))

    def deadly(*args: Any) -> Any:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    setattr(InspectionWriter, name, deadly)


def main() -> None:
    client._TTL_S = 1.0
    inspection.ITEMS_A_WRITE = inspection.LINKS_A_WRITE = 7
    for line in sys.stdin:
        name, count = line.split()
        child = os.fork()
        if not child:
            dying(name, int(count))
            with Engine() as opened:
                opened.publish_inspection()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
