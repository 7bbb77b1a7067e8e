"""What the engine asks of the registry and tells it. Knows rows; nothing of what is in a generation's folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.errors import InputError, UnknownNameError
from engine.registry.database import clear_errors, open_database
from engine.registry.tables import GenerationRow, ServingRow

_SLOT = "live"


class GenerationState(StrEnum):
    """Where a generation is in its life. Which published one serves is told apart: see `Registry.serving`."""

    BUILDING = "building"
    PUBLISHED = "published"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Generation:
    """One immutable published set, as the registry knows it.

    Attributes:
        id: its name in every answer, such as "g0007".
        as_of: the graph was read at this time or later; `watermark` is the rev up to which it is true.
        metrics: what was measured before publishing.
        reason: why it failed, where it did.
    """

    id: str
    state: GenerationState
    created_at: datetime
    as_of: datetime
    watermark: int
    config: dict[str, Any]
    metrics: dict[str, Any]
    snapshot_path: Path
    path: Path
    reason: str | None
    serving: bool


class Registry:
    """The generations and the one that serves. Safe to use from threads and from several processes."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        self._shown = self._engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the registry at a SQLAlchemy URL, creating or upgrading it.

        Raises:
            ConfigError: the URL names no known database.
            StorageError: the database cannot be used.
        """
        return cls(url)

    def close(self) -> None:
        self._engine.dispose()

    def begin(
        self, *, watermark: int, as_of: datetime, config: dict[str, Any], snapshot_path: Path, folder: Path
    ) -> Generation:
        """Enter a generation that is about to be built, at `folder/<its id>`."""
        with self._write() as session:
            row = GenerationRow(
                state=GenerationState.BUILDING,
                created_at=datetime.now(UTC),
                as_of=as_of,
                watermark=watermark,
                config=config,
                metrics={},
                snapshot_path=str(snapshot_path),
                path="",
            )
            session.add(row)
            session.flush()
            row.path = str(folder / _name(row.number))
            session.flush()
            return _generation(row, serving=False)

    def publish(self, generation_id: str, metrics: dict[str, Any]) -> Generation:
        """Mark a generation published and let it serve, in one transaction.

        Raises:
            UnknownNameError: there is no such generation.
            InputError: it has failed.
        """
        with self._write() as session:
            row = self._row(session, generation_id)
            if row.state == GenerationState.FAILED:
                raise InputError(f"generation {generation_id} has failed and cannot serve: {row.reason}")
            row.state = GenerationState.PUBLISHED
            row.metrics = metrics
            session.flush()
            session.merge(ServingRow(slot=_SLOT, generation=row.number, since=datetime.now(UTC)))
            return _generation(row, serving=True)

    def fail(self, generation_id: str, reason: str) -> None:
        """Mark a generation that did not make it, and say why."""
        with self._write() as session:
            row = self._row(session, generation_id)
            row.state = GenerationState.FAILED
            row.reason = reason[:4096]

    def serving(self) -> Generation | None:
        """The generation that answers, or None before the first is published."""
        with self._read() as session:
            row = session.scalar(
                select(GenerationRow)
                .join(ServingRow, ServingRow.generation == GenerationRow.number)
                .where(ServingRow.slot == _SLOT)
            )
            return _generation(row, serving=True) if row else None

    def serving_id(self) -> str | None:
        """Only the id of `serving`, cheaply: what a reader asks again and again."""
        with self._read() as session:
            number = session.scalar(select(ServingRow.generation).where(ServingRow.slot == _SLOT))
            return None if number is None else _name(number)

    def list(self) -> tuple[Generation, ...]:
        """All generations, newest first."""
        with self._read() as session:
            live = session.scalar(select(ServingRow.generation).where(ServingRow.slot == _SLOT))
            rows = session.scalars(select(GenerationRow).order_by(GenerationRow.number.desc()))
            return tuple(_generation(row, serving=row.number == live) for row in rows)

    def get(self, generation_id: str) -> Generation:
        """One generation.

        Raises:
            UnknownNameError: there is no such generation.
        """
        with self._read() as session:
            live = session.scalar(select(ServingRow.generation).where(ServingRow.slot == _SLOT))
            row = self._row(session, generation_id)
            return _generation(row, serving=row.number == live)

    def _row(self, session: Session, generation_id: str) -> GenerationRow:
        matched = re.fullmatch(r"g(\d+)", generation_id)
        row = session.get(GenerationRow, int(matched[1])) if matched else None
        if row is None:
            raise UnknownNameError(
                f"there is no generation {generation_id!r}", hint="`engine generations list` shows them."
            )
        return row

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with clear_errors(self._shown), Session(self._engine) as session:
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        writer = self._engine.execution_options(writes=True)
        with clear_errors(self._shown), Session(writer) as session, session.begin():
            yield session


def _name(number: int) -> str:
    return f"g{number:04d}"


def _generation(row: GenerationRow, *, serving: bool) -> Generation:
    return Generation(
        id=_name(row.number),
        state=GenerationState(row.state),
        created_at=row.created_at,
        as_of=row.as_of,
        watermark=row.watermark,
        config=row.config,
        metrics=row.metrics,
        snapshot_path=Path(row.snapshot_path),
        path=Path(row.path),
        reason=row.reason,
        serving=serving,
    )
