"""The process that runs jobs when they are due. apscheduler is imported here alone. Knows no job: it is given calls by name.

APScheduler says when; everything else is in the registry: which scheduler runs the jobs (a lease: any number may stand by),
what is paused and what was asked for (flags), when a job ran last (rows of runs). So a scheduler that takes over goes on
where the last one was, and nothing runs twice. What a job publishes it publishes under a lease of its own, whose fencing
token is checked in that very transaction: a process that was paused and overtaken cannot publish.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from engine.errors import ConfigError, EngineError, LeaseHeldError
from engine.refresh.job_control import ASKED, LEASE, PAUSED, asked_jobs
from engine.registry import Held, Registry
from engine.settings import JobSettings, SchedulerSettings

log = logging.getLogger(__name__)

Call = Callable[[str], object]
"""Runs a job once, given the cause in words, and records the run."""
SCHEDULE = "schedule"
"""The cause of a run that nobody asked for."""
_JUMP_S = 5.0
_UNWIND_S = 5.0


class Interrupted(BaseException):
    """Raised within a job, between two of its steps, where the scheduler stops before the job has ended."""

    def __repr__(self) -> str:
        return "interrupted: the scheduler was told to stop"


class Scheduler:
    """Runs jobs when they are due, or stands by for the scheduler that does.

    Args:
        jobs: what to run, by name; each has its schedule in `settings`.

    Raises:
        ConfigError: a cron expression or the time zone cannot be read.
    """

    def __init__(self, registry: Registry, settings: SchedulerSettings, jobs: Mapping[str, Call]) -> None:
        self._registry = registry
        self._settings = settings
        self._jobs = dict(jobs)
        self._zone = _zone(settings.timezone)
        self._triggers = {
            name: trigger
            for name in self._jobs
            if (trigger := trigger_of(name, settings.of(name), self._zone)) is not None
        }
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._told = ""

    @property
    def running(self) -> tuple[str, ...]:
        """The jobs that run right now; after `run`, those that could not be interrupted."""
        with self._lock:
            return tuple(self._running)

    def run(self, stop: threading.Event) -> None:
        """Lead or stand by until `stop` is set; then end or interrupt what runs and give the lease back.

        Where the registry does not answer, it goes on asking.
        """
        while not stop.is_set():
            try:
                with self._registry.leases.hold(LEASE, ttl_s=self._settings.lease_ttl_s) as held:
                    self._tell("this scheduler runs the jobs")
                    self._lead(held, stop)
                self._told = ""
            except LeaseHeldError as error:
                self._tell(f"standing by: {error.message}")
                stop.wait(self._settings.poll_s)
            except EngineError as error:
                self._tell(f"the registry does not answer: {error.message}")
                stop.wait(self._settings.poll_s)

    def _lead(self, held: Held, stop: threading.Event) -> None:
        planner = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2 * len(self._jobs) + 1)},
            job_defaults={
                "coalesce": True,
                "max_instances": 1,
                "misfire_grace_time": max(1, int(self._settings.misfire_grace_s)),
            },
            timezone=self._zone,
        )
        for name, trigger in self._triggers.items():
            planner.add_job(self._fire, trigger, args=[name, held], id=name, name=name, next_run_time=self._next(name))
        planner.start()
        try:
            self._watch(planner, held, stop)
        finally:
            planner.shutdown(wait=False)
            self._end_jobs(self._settings.stop_grace_s if stop.is_set() else 0.0)

    def _watch(self, planner: BackgroundScheduler, held: Held, stop: threading.Event) -> None:
        """Until told to stop, or until the lease is lost."""
        shift = time.time() - time.monotonic()
        while not stop.wait(self._settings.poll_s):
            if held.lost:
                log.warning("another scheduler took over")
                return
            try:
                for name in asked_jobs(self._registry, self._jobs):
                    if name not in self.running:
                        planner.add_job(
                            self._fire, args=[name, held, True], id=f"{name} now", name=name, replace_existing=True
                        )
                now = time.time() - time.monotonic()
                if abs(now - shift) > _JUMP_S:
                    log.warning("the clock was set by %+.0f s: every job is planned anew", now - shift)
                    for name in self._triggers:
                        planner.modify_job(name, next_run_time=self._next(name))
                    shift = now
            except EngineError as error:
                self._tell(f"the registry does not answer: {error.message}")

    def _next(self, name: str) -> datetime | None:
        last = self._registry.runs.last(name)
        return next_time(
            self._triggers[name],
            None if last is None else last.started_at,
            datetime.now(self._zone),
            self._settings.misfire_grace_s,
        )

    def _fire(self, name: str, held: Held, asked: bool = False) -> None:
        """Run a job once, unless it runs already, rests, or this process is the scheduler no more."""
        with self._lock:
            if name in self._running:
                return
            self._running[name] = threading.get_ident()
        try:
            held.check()
            cause = self._cause(name, asked)
            if cause is not None:
                log.info("%s begins: %s", name, cause)
                self._jobs[name](cause)
        except LeaseHeldError as error:
            log.info("%s: %s", name, error.message)
        except EngineError as error:
            log.error("%s: %s", name, error.message)
        except Interrupted as interrupted:
            log.warning("%s: %r", name, interrupted)
        except Exception:
            # One job that breaks must not end the others.
            log.exception("%s failed", name)
        finally:
            with self._lock:
                self._running.pop(name, None)

    def _cause(self, name: str, asked: bool) -> str | None:
        flags = self._registry.flags
        request = flags.get(ASKED + name)
        if request is not None and flags.clear(ASKED + name):
            return str(request["cause"])
        return None if asked or flags.get(PAUSED + name) is not None else SCHEDULE

    def _end_jobs(self, grace_s: float) -> None:
        self._wait(grace_s)
        with self._lock:
            for thread in self._running.values():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interrupted))
        self._wait(_UNWIND_S)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:
            time.sleep(0.05)

    def _tell(self, what: str) -> None:
        """Say a thing once, not at every look."""
        if what != self._told:
            log.info("%s", what)
        self._told = what


def trigger_of(name: str, settings: JobSettings, zone: tzinfo) -> Any:
    """What says when a job is due; None where it only runs when asked for.

    Raises:
        ConfigError: the cron expression cannot be read.
    """
    jitter = settings.jitter_s or None
    if settings.every_s is not None:
        return IntervalTrigger(seconds=settings.every_s, timezone=zone, jitter=jitter)
    if settings.cron is None:
        return None
    try:
        trigger = CronTrigger.from_crontab(settings.cron, timezone=zone)
    except ValueError as error:
        raise ConfigError(
            f"setting scheduler.{name}.cron: {settings.cron!r} cannot be read: {error}",
            hint="Five fields: minute, hour, day of month, month, day of week (mon-sun).",
        ) from error
    trigger.jitter = jitter
    return trigger


def next_time(trigger: Any, last: datetime | None, now: datetime, grace_s: float) -> datetime | None:
    """When a job is due, from when it ran last: now, where that is past or it never ran at its interval.

    Args:
        last: in the future where the clock was set back; counts as now.
        grace_s: a cron time that was missed by more than this is left out.

    Returns:
        None for a cron expression that names no time at all.
    """
    at_interval = isinstance(trigger, IntervalTrigger)
    planned: datetime | None = now
    if last is not None:
        planned = trigger.get_next_fire_time(min(last, now).astimezone(now.tzinfo), now)
    elif not at_interval:
        planned = trigger.get_next_fire_time(None, now)
    if planned is None or planned > now:
        return planned
    if at_interval or (now - planned).total_seconds() <= grace_s:
        return now
    following: datetime | None = trigger.get_next_fire_time(None, now)
    return following


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"setting scheduler.timezone: there is no time zone {name!r}") from error
