"""The engine's jobs: run the scheduler, and steer it from any process. Answers no questions of what serves."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.refresh.job_control import SchedulerStatus


def run_scheduler(engine: Engine, stop: threading.Event) -> tuple[str, ...]:
    """Run the jobs when they are due, or stand by for the scheduler that does, until `stop` is set.

    Returns:
        The jobs that could not be interrupted and go on in threads of this process; none, as a rule.

    Raises:
        ConfigError: a cron expression or the time zone cannot be read.
    """
    from engine.client.jobs import jobs_of
    from engine.errors import EngineError
    from engine.refresh.scheduler import Scheduler

    with contextlib.suppress(EngineError):
        # Opened before there are threads that would each open it; a job that needs it says what is wrong.
        _ = engine.graph
    scheduler = Scheduler(engine.registry, engine.settings.scheduler, jobs_of(engine))
    scheduler.run(stop)
    return scheduler.running


def scheduler_status(engine: Engine) -> SchedulerStatus:
    """Which scheduler runs the jobs, and how each of them does."""
    from engine.refresh.job_control import scheduler_status

    return scheduler_status(engine.registry, engine.settings.scheduler)


def pause_job(engine: Engine, name: str) -> None:
    """Let a job rest until it is resumed; see `engine.refresh.job_control.pause`."""
    from engine.refresh.job_control import pause

    pause(engine.registry, name)


def resume_job(engine: Engine, name: str) -> bool:
    """Let a paused job run again when it is due; whether it was paused."""
    from engine.refresh.job_control import resume

    return resume(engine.registry, name)


def run_job_now(engine: Engine, name: str, *, cause: str = "asked for") -> None:
    """Ask the scheduler for one run of a job, paused or not; see `engine.refresh.job_control.ask`."""
    from engine.refresh.job_control import ask

    ask(engine.registry, name, cause)
