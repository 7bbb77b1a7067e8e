"""What follows a flip: the graph is to show what serves, where somebody asked for that.

Where a scheduler runs it is asked to do it, so that a job that flips goes on at once; otherwise the process that flipped does.
The flip is over by then, and nothing here fails it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.client.engine import Engine

CAUSE = "another generation serves"

log = logging.getLogger(__name__)


def follow_flip(engine: Engine) -> None:
    """Look at what serves now, and have what the graph shows brought up to it."""
    from engine.client.inspection import KEPT
    from engine.errors import EngineError
    from engine.refresh.job_control import PAUSED, ask, scheduler_status
    from engine.registry import Job

    engine.opened.look_again()
    try:
        flags = engine.registry.flags
        kept = flags.get(KEPT)
        if kept is None or kept.get("generation") == engine.registry.generations.serving_id():
            return
        if flags.get(PAUSED + Job.INSPECT) is not None:
            return
        if scheduler_status(engine.registry, engine.settings.scheduler).leader is not None:
            ask(engine.registry, Job.INSPECT, CAUSE)
        else:
            engine.keep_inspection(cause=CAUSE)
    except EngineError as error:
        log.warning("the graph does not show what serves yet: %s", error.message)
    except KeyboardInterrupt:
        log.warning("interrupted: the graph does not show what serves yet; `engine inspect publish` goes on")
