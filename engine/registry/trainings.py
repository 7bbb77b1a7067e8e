"""Trainings: what was learned from which watermark, and where the result lies. Knows rows, no model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.errors import EngineError, UnknownNameError
from engine.registry.database import Database, utc_now
from engine.registry.tables import WORDS, TrainingRow


class TrainingState(StrEnum):
    """Where a training is. A `DELETED` one is a row without files."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Training:
    """One training.

    Attributes:
        config: the settings that differ from the model's defaults.
        watermark: of the snapshot it learned from.
        path: the folder of what was trained.
    """

    number: int
    state: TrainingState
    model: str
    config: dict[str, Any]
    seed: int
    watermark: int
    path: Path
    metrics: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None
    reason: str | None


class Trainings:
    """The trainings of one registry: `registry.trainings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def record(
        self, path: Path, *, model: str, config: dict[str, Any], seed: int, watermark: int
    ) -> Iterator[dict[str, Any]]:
        """Enter a training, or go on under the number of one that was killed, and write down how its block ends.

        Yields:
            The metrics, for the block to fill in. An exception makes it FAILED and goes on.
        """
        run = self.find(path)
        if run is None or run.state is not TrainingState.RUNNING:
            run = self.begin(model=model, config=config, seed=seed, watermark=watermark, path=path)
        metrics: dict[str, Any] = {}
        try:
            yield metrics
        except BaseException as error:
            self.fail(run.number, error.message if isinstance(error, EngineError) else repr(error))
            raise
        self.finish(run.number, metrics)

    def begin(self, *, model: str, config: dict[str, Any], seed: int, watermark: int, path: Path) -> Training:
        """Enter a training that starts now."""
        with self._database.write() as session:
            row = TrainingRow(
                state=TrainingState.RUNNING,
                model=model,
                config=config,
                seed=seed,
                watermark=watermark,
                path=str(path),
                metrics={},
                started_at=utc_now(),
            )
            session.add(row)
            session.flush()
            return _training(row)

    def finish(self, number: int, metrics: dict[str, Any]) -> Training:
        """Mark a training done."""
        with self._database.write() as session:
            row = _row(session, number)
            row.state, row.metrics, row.finished_at = TrainingState.DONE, metrics, utc_now()
            session.flush()
            return _training(row)

    def fail(self, number: int, reason: str) -> None:
        """Mark a training that did not make it, and say why."""
        with self._database.write() as session:
            row = _row(session, number)
            row.state, row.reason, row.finished_at = TrainingState.FAILED, reason[:WORDS], utc_now()

    def delete(self, number: int) -> None:
        """Mark a training deleted; the caller removes its files after that."""
        with self._database.write() as session:
            _row(session, number).state = TrainingState.DELETED

    def find(self, path: Path) -> Training | None:
        """The newest training whose result lies in a folder."""
        asked = select(TrainingRow).where(TrainingRow.path == str(path)).order_by(TrainingRow.number.desc()).limit(1)
        with self._database.read() as session:
            row = session.scalar(asked)
            return None if row is None else _training(row)

    def get(self, number: int) -> Training:
        """One training.

        Raises:
            UnknownNameError: there is no such training.
        """
        with self._database.read() as session:
            return _training(_row(session, number))

    def list(self) -> tuple[Training, ...]:
        """All trainings, newest first."""
        with self._database.read() as session:
            return tuple(map(_training, session.scalars(select(TrainingRow).order_by(TrainingRow.number.desc()))))


def _row(session: Session, number: int) -> TrainingRow:
    row = session.get(TrainingRow, number)
    if row is None:
        raise UnknownNameError(f"there is no training {number}")
    return row


def _training(row: TrainingRow) -> Training:
    return Training(
        number=row.number,
        state=TrainingState(row.state),
        model=row.model,
        config=row.config,
        seed=row.seed,
        watermark=row.watermark,
        path=Path(row.path),
        metrics=row.metrics,
        started_at=row.started_at,
        finished_at=row.finished_at,
        reason=row.reason,
    )
