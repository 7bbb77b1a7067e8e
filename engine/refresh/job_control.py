"""What people tell the scheduler and what it tells them, by way of the registry: pause, resume, run now, status.

Works from any process, whether a scheduler runs or not. Knows names and rows; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import UnknownNameError
from engine.registry import Job, Registry, Run, holder_name
from engine.settings import SchedulerSettings

LEASE = "scheduler"
"""Whoever holds it is the scheduler that runs jobs; the others stand by."""
PAUSED, ASKED = "scheduler/paused/", "scheduler/run-now/"
"""Flags of these prefixes and the name of a job."""
SCHEDULED = (Job.REFRESH, Job.RECONCILE, Job.CANARY, Job.MODELS, Job.RETRAIN, Job.GC, Job.RECEIPTS, Job.INSPECT)
"""The jobs that have a schedule. Compaction follows a canary."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job as the registry knows it.

    Attributes:
        schedule: in words.
        asked: the cause of a run that somebody asked for and that has not begun.
        last: its newest run, or None.
    """

    name: str
    schedule: str
    paused: bool
    asked: str | None
    last: Run | None


@dataclass(frozen=True, slots=True)
class SchedulerStatus:
    """All jobs.

    Attributes:
        leader: the scheduler that runs them, as host and process, or None.
    """

    leader: str | None
    jobs: tuple[JobStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def job_named(name: str) -> Job:
    """A job that has a schedule.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in SCHEDULED:
        raise UnknownNameError(f"there is no job {name!r}", hint=f"Known: {', '.join(SCHEDULED)}.")
    return Job(name)


def pause(registry: Registry, name: str) -> None:
    """Let a job rest until it is resumed; a run that goes on ends as it would, and asking for one still works.

    Raises:
        UnknownNameError: there is no such job.
    """
    registry.flags.set(PAUSED + job_named(name), {"by": holder_name()})


def resume(registry: Registry, name: str) -> bool:
    """Let a paused job run again when it is due; whether it was paused.

    Raises:
        UnknownNameError: there is no such job.
    """
    return registry.flags.clear(PAUSED + job_named(name))


def ask(registry: Registry, name: str, cause: str) -> None:
    """Ask for one run of a job, paused or not; the scheduler begins it within a second or two, or when one is there.

    Raises:
        UnknownNameError: there is no such job.
    """
    registry.flags.set(ASKED + job_named(name), {"cause": cause})


def scheduler_status(registry: Registry, settings: SchedulerSettings) -> SchedulerStatus:
    """Who runs the jobs, and how each of them does."""
    lease = registry.leases.get(LEASE)
    alive = lease is not None and lease.holder is not None and lease.expires_at > datetime.now(UTC)
    paused, asked = registry.flags.list(PAUSED), registry.flags.list(ASKED)
    jobs = (
        JobStatus(
            job,
            settings.of(job).words,
            PAUSED + job in paused,
            asked.get(ASKED + job, {}).get("cause"),
            registry.runs.last(job),
        )
        for job in SCHEDULED
    )
    return SchedulerStatus(lease.holder if lease is not None and alive else None, tuple(jobs))


def asked_jobs(registry: Registry, names: Iterable[str]) -> list[str]:
    """Those of some jobs that somebody asked for."""
    asked = registry.flags.list(ASKED)
    return [name for name in names if ASKED + name in asked]
