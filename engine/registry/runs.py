"""Runs of jobs: one row a run, with its cause, plan, counts, timings and outcome. Knows nothing of what a job does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from engine.errors import EngineError, UnknownNameError
from engine.registry.database import Database, utc_now
from engine.registry.generation import name_of, row_of
from engine.registry.leases import holder_name
from engine.registry.tables import WORDS, RunRow


class Job(StrEnum):
    """What a run may be of."""

    REFRESH = "refresh"
    RECONCILE = "reconcile"
    CANARY = "canary"
    COMPACT = "compact"
    RETRAIN = "retrain"
    GC = "gc"
    RECEIPTS = "receipts"
    MODELS = "models"
    INSPECT = "inspect"


class Outcome(StrEnum):
    """How a run ended. `LOST` is a run whose process was gone before it could say."""

    RUNNING = "running"
    DONE = "done"
    NOTHING = "nothing to do"
    PARTIAL = "partial"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        cause: why it ran, in words: "schedule", "command line", "12 changes", ...
        token: of the lease it ran under.
        generation: id of what it published.
        plan, counts, timings: JSON-able; timings in seconds.
        reason: why it failed, or what it left for later.
    """

    number: int
    job: str
    cause: str
    outcome: Outcome
    holder: str
    token: int | None
    generation: str | None
    plan: dict[str, Any]
    counts: dict[str, Any]
    timings: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None
    reason: str | None


@dataclass(slots=True)
class Recorder:
    """What a run says about itself while it runs; `Runs.record` writes it down at the end, however it ends.

    Attributes:
        outcome: how it ends if it does not raise.
    """

    number: int
    plan: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    generation: str | None = None
    outcome: Outcome = Outcome.DONE
    reason: str | None = None

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes to `timings[name]`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


class Runs:
    """The runs of one registry: `registry.runs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def record(
        self, job: str, cause: str, *, plan: dict[str, Any] | None = None, token: int | None = None
    ) -> Iterator[Recorder]:
        """Enter a run, and write down what its block says about itself at the end.

        An exception makes it FAILED and goes on. Earlier runs of the job that never ended are marked LOST when `token`
        is given: only one process holds the lease.
        """
        if token is not None:
            self.lose(job, token)
        run = self.begin(job, cause, plan=plan, token=token)
        told = Recorder(run.number, plan=dict(plan or {}))
        start = time.perf_counter()
        try:
            yield told
        except BaseException as error:
            told.outcome = Outcome.FAILED
            told.reason = error.message if isinstance(error, EngineError) else repr(error)
            told.timings["total"] = time.perf_counter() - start
            with suppress(EngineError):  # a registry that is gone must not hide what went wrong before
                self.finish(told)
            raise
        told.timings["total"] = time.perf_counter() - start
        self.finish(told)

    def begin(self, job: str, cause: str, *, plan: dict[str, Any] | None = None, token: int | None = None) -> Run:
        """Enter a run that starts now."""
        with self._database.write() as session:
            row = RunRow(
                job=job,
                cause=cause[:512],
                outcome=Outcome.RUNNING,
                holder=holder_name(),
                token=token,
                plan=plan or {},
                counts={},
                timings={},
                started_at=utc_now(),
            )
            session.add(row)
            session.flush()
            return _run(row)

    def note(self, told: Recorder) -> None:
        """Write down what a run says so far, for others to read while it goes on."""
        with self._database.write() as session:
            self._take(session, told)

    def finish(self, told: Recorder) -> Run:
        """Write down how a run ended."""
        with self._database.write() as session:
            row = self._take(session, told)
            row.outcome, row.finished_at = told.outcome, utc_now()
            row.reason = None if told.reason is None else told.reason[:WORDS]
            session.flush()
            return _run(row)

    def lose(self, job: str, token: int) -> int:
        """Mark runs of a job that an earlier holder of its lease never ended as LOST; how many there were."""
        with self._database.write() as session:
            rows = session.scalars(
                select(RunRow).where(RunRow.job == job, RunRow.outcome == Outcome.RUNNING, RunRow.token < token)
            ).all()
            for row in rows:
                row.outcome, row.finished_at = Outcome.LOST, utc_now()
                row.reason = f"{row.holder} was gone before it ended"
            return len(rows)

    def get(self, number: int) -> Run:
        """One run.

        Raises:
            UnknownNameError: there is no such run.
        """
        with self._database.read() as session:
            return _run(_row(session, number))

    def list(self, job: str | None = None, *, limit: int = 50) -> tuple[Run, ...]:
        """The last runs, of one job or of all, newest first."""
        asked = select(RunRow).order_by(RunRow.number.desc()).limit(limit)
        with self._database.read() as session:
            return tuple(map(_run, session.scalars(asked if job is None else asked.where(RunRow.job == job))))

    def last(self, job: str, *outcomes: Outcome) -> Run | None:
        """The newest run of a job, of those that ended in one of `outcomes` where any are named."""
        asked = select(RunRow).where(RunRow.job == job).order_by(RunRow.number.desc()).limit(1)
        with self._database.read() as session:
            row = session.scalar(asked.where(RunRow.outcome.in_(outcomes)) if outcomes else asked)
            return None if row is None else _run(row)

    def prune(self, before: datetime) -> int:
        """Remove the rows of runs that had nothing to do and ended before a time, but for each job's newest row; how many."""
        newest = select(func.max(RunRow.number)).group_by(RunRow.job)
        idle = delete(RunRow).where(
            RunRow.outcome == Outcome.NOTHING, RunRow.finished_at < before, RunRow.number.not_in(newest)
        )
        with self._database.write() as session:
            return session.connection().execute(idle).rowcount

    def _take(self, session: Session, told: Recorder) -> RunRow:
        row = _row(session, told.number)
        row.plan, row.counts, row.timings = dict(told.plan), dict(told.counts), dict(told.timings)
        row.generation = None if told.generation is None else row_of(session, told.generation).number
        return row


def _row(session: Session, number: int) -> RunRow:
    row = session.get(RunRow, number)
    if row is None:
        raise UnknownNameError(f"there is no run {number}")
    return row


def _run(row: RunRow) -> Run:
    return Run(
        number=row.number,
        job=row.job,
        cause=row.cause,
        outcome=Outcome(row.outcome),
        holder=row.holder,
        token=row.token,
        generation=None if row.generation is None else name_of(row.generation),
        plan=row.plan,
        counts=row.counts,
        timings=row.timings,
        started_at=row.started_at,
        finished_at=row.finished_at,
        reason=row.reason,
    )
