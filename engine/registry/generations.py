"""Generations: their life, which one serves, and every flip. Knows rows; nothing of what is in a generation's folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.errors import InputError, NotReadyError, SupersededError
from engine.registry.database import Database, utc_now
from engine.registry.generation import (
    LIVE,
    Generation,
    GenerationKind,
    GenerationState,
    Publication,
    generation_of,
    name_of,
    row_of,
)
from engine.registry.leases import Lease, check_token
from engine.registry.tables import WORDS, GenerationRow, PublicationRow, ServingRow, ShadowRow


class Generations:
    """The generations of one registry: `registry.generations`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        *,
        watermark: int,
        as_of: datetime,
        config: dict[str, Any],
        snapshot_path: Path,
        folder: Path,
        kind: GenerationKind = "full",
        parent: str | None = None,
        model: str | None = None,
        seed: int | None = None,
        training: int | None = None,
        slot: str = LIVE,
    ) -> Generation:
        """Enter a generation that is about to be built, at `folder/<its id>`.

        Args:
            slot: what it is to answer; see `Generation`.

        Raises:
            UnknownNameError: there is no such parent.
        """
        with self._database.write() as session:
            row = GenerationRow(
                slot=slot,
                state=GenerationState.BUILDING,
                kind=kind,
                parent=None if parent is None else row_of(session, parent).number,
                model=model,
                seed=seed,
                training=training,
                created_at=utc_now(),
                as_of=as_of,
                watermark=watermark,
                config=config,
                metrics={},
                files={},
                snapshot_path=str(snapshot_path),
                path="",
            )
            session.add(row)
            session.flush()
            row.path = str(folder / name_of(row.number))
            session.flush()
            return generation_of(row, None)

    def ready(
        self,
        generation_id: str,
        *,
        metrics: dict[str, Any],
        files: dict[str, Any],
        certificate: dict[str, Any] | None = None,
    ) -> Generation:
        """Mark a generation whole and good: it lies in its folder and has passed the gate, but does not serve yet.

        Raises:
            UnknownNameError: there is no such generation.
            InputError: it is not being built any more.
        """
        with self._database.write() as session:
            row = row_of(session, generation_id)
            if row.state != GenerationState.BUILDING:
                raise InputError(f"generation {generation_id} is {row.state}, not being built")
            row.state, row.metrics, row.files, row.certificate = GenerationState.READY, metrics, files, certificate
            session.flush()
            return generation_of(row, _serving(session, row.slot))

    def publish(
        self, generation_id: str, *, cause: str = "build", lease: Lease | None = None, replaces: str | None = None
    ) -> Generation:
        """Let a ready or once published generation serve: one row flips, in one transaction.

        Args:
            cause: a word for the history.
            lease: must still be held, which is checked within the transaction.
            replaces: id of the generation that must still serve: what is built upon one must not undo a later flip.

        Raises:
            UnknownNameError: there is no such generation.
            InputError: it has failed, is deleted or not whole yet.
            LeaseLostError: another process took the lease over.
            SupersededError: another generation than `replaces` serves by now.
        """
        with self._database.alone() as session:
            row = row_of(session, generation_id)
            if row.state not in (GenerationState.READY, GenerationState.PUBLISHED):
                why = f": {row.reason}" if row.reason else ""
                raise InputError(f"generation {generation_id} is {row.state} and cannot serve{why}")
            if lease is not None:
                check_token(session, lease)
            served = _serving(session, row.slot)
            if replaces is not None and served != row_of(session, replaces).number:
                now = "nothing" if served is None else name_of(served)
                raise SupersededError(
                    f"{generation_id} was made from {replaces}, but {now} serves by now: {generation_id} is not published"
                )
            self._flip(session, row, served, cause, lease)
            return generation_of(row, row.number)

    def before(self, generation_id: str | None = None, *, slot: str = LIVE) -> Generation:
        """The generation that `rollback` would let serve.

        Raises:
            NotReadyError, UnknownNameError, InputError: see `rollback`.
        """
        with self._database.read() as session:
            row, served = _before(session, slot, generation_id)
            return generation_of(row, served)

    def rollback(self, generation_id: str | None = None, *, slot: str = LIVE) -> Generation:
        """Let an earlier generation serve again.

        Args:
            generation_id: which, and its slot with it; when None, the newest one kept of `slot` that is older than what
                serves there.

        Raises:
            NotReadyError: nothing serves, or nothing older is kept.
            UnknownNameError: there is no such generation.
            InputError: it never served, is deleted, or serves already.
        """
        with self._database.alone() as session:
            row, served = _before(session, slot, generation_id)
            self._flip(session, row, served, "rollback", None)
            return generation_of(row, row.number)

    def fail(self, generation_id: str, reason: str) -> None:
        """Mark a generation that did not make it, and say why.

        Raises:
            InputError: it served already.
        """
        with self._database.alone() as session:
            row = row_of(session, generation_id)
            if row.state == GenerationState.PUBLISHED:
                raise InputError(f"generation {generation_id} was published: it cannot fail any more")
            row.state, row.reason = GenerationState.FAILED, reason[:WORDS]

    def delete(self, generation_id: str) -> Generation:
        """Mark a generation deleted; the caller removes its files after that, never before.

        Raises:
            InputError: it serves or runs as a shadow.
        """
        with self._database.alone() as session:
            row = row_of(session, generation_id)
            if row.number == _serving(session, row.slot):
                raise InputError(f"generation {generation_id} serves: it cannot be deleted")
            tried = select(ShadowRow).where(ShadowRow.generation == row.number, ShadowRow.stopped_at.is_(None))
            if session.scalar(tried) is not None:
                raise InputError(f"generation {generation_id} runs as a shadow: it cannot be deleted")
            row.state = GenerationState.DELETED
            session.flush()
            return generation_of(row, None)

    def withdraw(self, slot: str) -> Generation | None:
        """Let nothing serve in a slot any more; what served is kept, and can be rolled back to by name.

        Returns:
            What served, if anything did.

        Raises:
            InputError: for the slot `LIVE`, in which something always serves.
        """
        if slot == LIVE:
            raise InputError("related items and home feeds cannot be withdrawn, only replaced")
        with self._database.alone() as session:
            served = session.get(ServingRow, slot)
            if served is None:
                return None
            row = session.get_one(GenerationRow, served.generation)
            row.retired_at = utc_now()
            session.delete(served)
            session.flush()
            return generation_of(row, None)

    def serving(self, slot: str = LIVE) -> Generation | None:
        """The generation that answers, or None before the first is published."""
        with self._database.read() as session:
            row = session.scalar(
                select(GenerationRow)
                .join(ServingRow, ServingRow.generation == GenerationRow.number)
                .where(ServingRow.slot == slot)
            )
            return generation_of(row, row.number) if row else None

    def serving_id(self, slot: str = LIVE) -> str | None:
        """Only the id of `serving`, cheaply: what a reader asks again and again."""
        with self._database.read() as session:
            number = _serving(session, slot)
            return None if number is None else name_of(number)

    def list(self) -> tuple[Generation, ...]:
        """All generations, deleted ones too, newest first."""
        with self._database.read() as session:
            serving = set(session.scalars(select(ServingRow.generation)))
            rows = session.scalars(select(GenerationRow).order_by(GenerationRow.number.desc()))
            return tuple(generation_of(row, row.number if row.number in serving else None) for row in rows)

    def slots(self) -> tuple[str, ...]:
        """What something serves in, by name."""
        with self._database.read() as session:
            return tuple(session.scalars(select(ServingRow.slot).order_by(ServingRow.slot)))

    def get(self, generation_id: str) -> Generation:
        """One generation.

        Raises:
            UnknownNameError: there is no such generation.
        """
        with self._database.read() as session:
            row = row_of(session, generation_id)
            return generation_of(row, _serving(session, row.slot))

    def publications(self, limit: int = 100, *, of: str | None = None) -> tuple[Publication, ...]:
        """The last flips, newest first; those to one generation where `of` names it."""
        asked = select(PublicationRow).order_by(PublicationRow.number.desc()).limit(limit)
        with self._database.read() as session:
            if of is not None:
                asked = asked.where(PublicationRow.generation == row_of(session, of).number)
            rows = session.scalars(asked)
            return tuple(
                Publication(
                    name_of(row.generation),
                    None if row.replaced is None else name_of(row.replaced),
                    row.cause,
                    row.token,
                    row.at,
                )
                for row in rows
            )

    def _flip(self, session: Session, row: GenerationRow, served: int | None, cause: str, lease: Lease | None) -> None:
        now = utc_now()
        if served is not None and served != row.number:
            session.get_one(GenerationRow, served).retired_at = now
        row.state, row.retired_at = GenerationState.PUBLISHED, None
        row.published_at = row.published_at or now
        session.flush()
        session.merge(ServingRow(slot=row.slot, generation=row.number, since=now))
        token = None if lease is None else lease.token
        session.add(PublicationRow(generation=row.number, replaced=served, cause=cause[:64], token=token, at=now))


def _serving(session: Session, slot: str) -> int | None:
    return session.scalar(select(ServingRow.generation).where(ServingRow.slot == slot))


def _before(session: Session, slot: str, generation_id: str | None) -> tuple[GenerationRow, int | None]:
    """What to roll back to, and what serves in its place now."""
    if generation_id is not None:
        return _served_before(session, generation_id)
    served = _serving(session, slot)
    if served is None:
        hint = "Run `engine build` first." if slot == LIVE else f"Run `engine build {slot}` first."
        raise NotReadyError("no generation is published yet", hint=hint)
    row = session.scalar(
        select(GenerationRow)
        .where(
            GenerationRow.slot == slot,
            GenerationRow.state == GenerationState.PUBLISHED,
            GenerationRow.number < served,
        )
        .order_by(GenerationRow.number.desc())
        .limit(1)
    )
    if row is None:
        raise NotReadyError(f"no generation older than {name_of(served)} is kept")
    return row, served


def _served_before(session: Session, generation_id: str) -> tuple[GenerationRow, int | None]:
    row = row_of(session, generation_id)
    served = _serving(session, row.slot)
    if served is None and row.slot == LIVE:
        raise NotReadyError("no generation is published yet", hint="Run `engine build` first.")
    if row.number == served:
        raise InputError(f"generation {generation_id} serves already")
    if row.state != GenerationState.PUBLISHED:
        raise InputError(f"generation {generation_id} is {row.state}: only one that served can be rolled back to")
    return row, served
