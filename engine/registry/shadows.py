"""Shadows: a candidate that answers beside what serves, for a share of the questions, and how alike the answers were.

Knows rows; asks nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from engine.errors import InputError
from engine.registry.database import Database, utc_now
from engine.registry.generation import GenerationState, name_of, row_of
from engine.registry.tables import WORDS, ShadowRow, ShadowSampleRow


@dataclass(frozen=True, slots=True)
class Shadow:
    """A trial of a candidate.

    Attributes:
        share: of the users (or query items) whose questions it answers too, in (0, 1].
    """

    number: int
    generation: str
    share: float
    started_at: datetime
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShadowSample:
    """One question that both answered.

    Attributes:
        live: id of the generation that really answered.
        question: what was asked, in words without the user's id.
        overlap: share of the live answer's items that the shadow's holds too; None where the shadow failed.
        live_s, shadow_s: how long each took.
        error: what the shadow failed with.
    """

    live: str
    question: str
    k: int
    overlap: float | None
    live_ids: tuple[str, ...]
    shadow_ids: tuple[str, ...]
    live_s: float
    shadow_s: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ShadowSummary:
    """A trial so far.

    Attributes:
        samples: questions that were recorded; `errors` of them the shadow failed to answer.
        overlap: the mean, and `least_overlap` the smallest; None before the first answer.
        live_s, shadow_s: mean seconds.
    """

    shadow: Shadow
    samples: int
    errors: int
    overlap: float | None
    least_overlap: float | None
    live_s: float | None
    shadow_s: float | None


class Shadows:
    """The shadows of one registry: `registry.shadows`. At most one runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, generation_id: str, share: float) -> Shadow:
        """Let a whole generation answer beside what serves; another shadow ends.

        Raises:
            UnknownNameError: there is no such generation.
            InputError: it is not whole, or the share is not in (0, 1].
        """
        if not 0 < share <= 1:
            raise InputError(f"share {share} is not above 0 and at most 1")
        with self._database.alone() as session:
            candidate = row_of(session, generation_id)
            if candidate.state not in (GenerationState.READY, GenerationState.PUBLISHED):
                raise InputError(f"generation {generation_id} is {candidate.state} and cannot answer")
            self._stop(session)
            row = ShadowRow(generation=candidate.number, share=share, started_at=utc_now())
            session.add(row)
            session.flush()
            return _shadow(row)

    def stop(self) -> Shadow | None:
        """End the shadow that runs; None where none does."""
        with self._database.alone() as session:
            row = self._stop(session)
            return None if row is None else _shadow(row)

    def running(self) -> Shadow | None:
        """The shadow that runs, cheaply: what a reader asks again and again."""
        with self._database.read() as session:
            row = _running(session)
            return None if row is None else _shadow(row)

    def record(self, shadow: Shadow, samples: Sequence[ShadowSample]) -> None:
        """Write samples down."""
        now = utc_now()
        with self._database.write() as session:
            for one in samples:
                session.add(
                    ShadowSampleRow(
                        shadow=shadow.number,
                        live=row_of(session, one.live).number,
                        question=one.question[:256],
                        k=one.k,
                        overlap=one.overlap,
                        live_ids=list(one.live_ids),
                        shadow_ids=list(one.shadow_ids),
                        live_s=one.live_s,
                        shadow_s=one.shadow_s,
                        error=None if one.error is None else one.error[:WORDS],
                        at=now,
                    )
                )

    def samples(self, shadow: Shadow, *, limit: int = 100) -> tuple[ShadowSample, ...]:
        """The last samples of a shadow, newest first."""
        asked = (
            select(ShadowSampleRow)
            .where(ShadowSampleRow.shadow == shadow.number)
            .order_by(ShadowSampleRow.number.desc())
            .limit(limit)
        )
        with self._database.read() as session:
            return tuple(
                ShadowSample(
                    name_of(row.live),
                    row.question,
                    row.k,
                    row.overlap,
                    tuple(row.live_ids),
                    tuple(row.shadow_ids),
                    row.live_s,
                    row.shadow_s,
                    row.error,
                )
                for row in session.scalars(asked)
            )

    def summary(self, shadow: Shadow) -> ShadowSummary:
        """A shadow so far."""
        row = ShadowSampleRow
        asked = select(
            func.count(),
            func.count(row.error),
            func.avg(row.overlap),
            func.min(row.overlap),
            func.avg(row.live_s),
            func.avg(row.shadow_s),
        ).where(row.shadow == shadow.number)
        with self._database.read() as session:
            count, errors, mean, least, live_s, shadow_s = session.execute(asked).one()
        return ShadowSummary(shadow, count, errors, mean, least, live_s, shadow_s)

    def list(self) -> tuple[Shadow, ...]:
        """All shadows there were, newest first."""
        with self._database.read() as session:
            return tuple(map(_shadow, session.scalars(select(ShadowRow).order_by(ShadowRow.number.desc()))))

    def prune(self, before: datetime) -> int:
        """Drop samples recorded before a time; how many there were."""
        with self._database.write() as session:
            numbers = session.scalars(select(ShadowSampleRow.number).where(ShadowSampleRow.at < before)).all()
            session.execute(delete(ShadowSampleRow).where(ShadowSampleRow.at < before))
            return len(numbers)

    def forget(self, ids: Collection[str]) -> int:
        """Delete the samples that name one of these ids; how many."""
        named = set(ids)
        with self._database.alone() as session:
            rows = [
                row
                for row in session.scalars(select(ShadowSampleRow))
                if named & {*row.live_ids, *row.shadow_ids} or any(node_id in row.question for node_id in named)
            ]
            for row in rows:
                session.delete(row)
            return len(rows)

    def _stop(self, session: Session) -> ShadowRow | None:
        row = _running(session)
        if row is not None:
            row.stopped_at = utc_now()
            session.flush()
        return row


def _running(session: Session) -> ShadowRow | None:
    return session.scalar(
        select(ShadowRow).where(ShadowRow.stopped_at.is_(None)).order_by(ShadowRow.number.desc()).limit(1)
    )


def _shadow(row: ShadowRow) -> Shadow:
    return Shadow(row.number, name_of(row.generation), row.share, row.started_at, row.stopped_at)
