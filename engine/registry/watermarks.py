"""How far each reader of the change feed is. Knows revs; nothing of the changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from engine.registry.database import Database, utc_now
from engine.registry.generation import GenerationState
from engine.registry.tables import ConsumerRow, GenerationRow


@dataclass(frozen=True, slots=True)
class Consumer:
    """A reader of the change feed and the rev up to which it has read."""

    name: str
    watermark: int
    at: datetime


class Watermarks:
    """The consumers of one registry: `registry.watermarks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def advance(self, name: str, rev: int) -> Consumer:
        """Note that a consumer has read up to `rev`; an earlier rev than before changes nothing."""
        with self._database.alone() as session:
            row = session.get(ConsumerRow, name)
            if row is None:
                row = ConsumerRow(name=name, watermark=rev, at=utc_now())
                session.add(row)
            elif rev > row.watermark:
                row.watermark, row.at = rev, utc_now()
            session.flush()
            return Consumer(row.name, row.watermark, row.at)

    def forget(self, name: str) -> None:
        """Take a consumer out, so that nothing waits for it any more."""
        with self._database.alone() as session:
            row = session.get(ConsumerRow, name)
            if row is not None:
                session.delete(row)

    def get(self, name: str) -> Consumer | None:
        """One consumer; None where it has never read."""
        with self._database.read() as session:
            row = session.get(ConsumerRow, name)
            return None if row is None else Consumer(row.name, row.watermark, row.at)

    def list(self) -> tuple[Consumer, ...]:
        """All consumers, by name."""
        with self._database.read() as session:
            rows = session.scalars(select(ConsumerRow).order_by(ConsumerRow.name))
            return tuple(Consumer(row.name, row.watermark, row.at) for row in rows)

    def passed(self) -> int:
        """The rev that every consumer and every generation that may serve has passed; 0 where there is neither.

        Tombstones up to it tell nobody anything: a generation that is rolled back to goes on from its own watermark.
        """
        alive = (GenerationState.BUILDING, GenerationState.READY, GenerationState.PUBLISHED)
        with self._database.read() as session:
            by_readers = session.scalar(select(func.min(ConsumerRow.watermark)))
            by_kept = session.scalar(select(func.min(GenerationRow.watermark)).where(GenerationRow.state.in_(alive)))
        return min((rev for rev in (by_readers, by_kept) if rev is not None), default=0)
