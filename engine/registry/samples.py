"""Quality samples: what was measured of generations while they serve. Knows numbers, measures nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from engine.registry.database import Database, utc_now
from engine.registry.generation import name_of, row_of
from engine.registry.tables import QualityRow


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    Attributes:
        name: what was measured, such as "ann_recall".
        corpus: where; None for a whole generation.
        detail: how, JSON-able.
    """

    generation: str
    name: str
    value: float
    corpus: str | None
    detail: dict[str, Any]
    at: datetime


class Samples:
    """The quality samples of one registry: `registry.samples`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        generation_id: str,
        name: str,
        value: float,
        *,
        corpus: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Sample:
        """Enter a measurement made now.

        Raises:
            UnknownNameError: there is no such generation.
        """
        with self._database.write() as session:
            number = row_of(session, generation_id).number
            row = QualityRow(
                generation=number, name=name, corpus=corpus, value=value, detail=detail or {}, at=utc_now()
            )
            session.add(row)
            session.flush()
            return _sample(row)

    def recent(
        self, name: str, *, generation_id: str | None = None, corpus: str | None = None, limit: int = 100
    ) -> tuple[Sample, ...]:
        """The last measurements of one thing, newest first."""
        asked = select(QualityRow).where(QualityRow.name == name).order_by(QualityRow.number.desc()).limit(limit)
        with self._database.read() as session:
            if generation_id is not None:
                asked = asked.where(QualityRow.generation == row_of(session, generation_id).number)
            if corpus is not None:
                asked = asked.where(QualityRow.corpus == corpus)
            return tuple(map(_sample, session.scalars(asked)))

    def prune(self, before: datetime) -> int:
        """Drop measurements made before a time; how many there were."""
        with self._database.write() as session:
            numbers = session.scalars(select(QualityRow.number).where(QualityRow.at < before)).all()
            session.execute(delete(QualityRow).where(QualityRow.at < before))
            return len(numbers)


def _sample(row: QualityRow) -> Sample:
    return Sample(name_of(row.generation), row.name, row.value, row.corpus, row.detail, row.at)
