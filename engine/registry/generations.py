"""Generations: their life, which one serves, and every flip. Knows rows; nothing of what is in a generation's folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.errors import InputError, NotReadyError, SupersededError, UnknownNameError
from engine.registry.database import Database, utc_now
from engine.registry.leases import Lease, check_token
from engine.registry.tables import WORDS, GenerationRow, PublicationRow, ServingRow, ShadowRow

_SLOT = "live"

GenerationKind = Literal["full", "delta"]


class GenerationState(StrEnum):
    """Where a generation is in its life. Which published one serves is told apart: see `Generations.serving`.

    `BUILDING -> READY -> PUBLISHED -> DELETED`; a generation that does not make it is FAILED. A DELETED one is a row
    without files: it can neither be opened nor serve again.
    """

    BUILDING = "building"
    READY = "ready"
    PUBLISHED = "published"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Generation:
    """One immutable published set, as the registry knows it.

    Attributes:
        id: its name in every answer, such as "g0007".
        kind: "full" was built from nothing, "delta" from its parent and the changes since.
        parent: id of the generation it was made from; None for a full one.
        model, seed: of the checkpoint that made its vectors; None where it was given vectors.
        training: number of the training run whose model it holds.
        published_at: when it first served; `retired_at` when another one took over.
        as_of: the graph was read at this time or later; `watermark` is the rev up to which it is true.
        metrics: what was measured before publishing.
        certificate: how far its vectors may be from an exact refresh: `largest_error`, the largest account of skipped
            change (Euclidean, of unit vectors), and `skipped`, how many nodes have one. None is exact.
        files: path in the folder -> {"bytes", "sha256"}.
        path, snapshot_path: folders.
        reason: why it failed, where it did.
    """

    id: str
    state: GenerationState
    kind: GenerationKind
    parent: str | None
    model: str | None
    seed: int | None
    training: int | None
    created_at: datetime
    published_at: datetime | None
    retired_at: datetime | None
    as_of: datetime
    watermark: int
    config: dict[str, Any]
    metrics: dict[str, Any]
    certificate: dict[str, Any] | None
    files: dict[str, Any]
    snapshot_path: Path
    path: Path
    reason: str | None
    serving: bool


@dataclass(frozen=True, slots=True)
class Publication:
    """One flip of what serves.

    Attributes:
        cause: "build", "refresh", "rollback", "promote", ...
        token: of the lease it was made under, where there was one.
    """

    generation: str
    replaced: str | None
    cause: str
    token: int | None
    at: datetime


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
    ) -> Generation:
        """Enter a generation that is about to be built, at `folder/<its id>`.

        Raises:
            UnknownNameError: there is no such parent.
        """
        with self._database.write() as session:
            row = GenerationRow(
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
            return _generation(row, None)

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
            return _generation(row, _serving(session))

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
            served = _serving(session)
            if replaces is not None and served != row_of(session, replaces).number:
                now = "nothing" if served is None else name_of(served)
                raise SupersededError(
                    f"{generation_id} was made from {replaces}, but {now} serves by now: {generation_id} is not published"
                )
            self._flip(session, row, served, cause, lease)
            return _generation(row, row.number)

    def rollback(self, generation_id: str | None = None) -> Generation:
        """Let an earlier generation serve again.

        Args:
            generation_id: which; the newest one kept that is older than what serves when None.

        Raises:
            NotReadyError: nothing serves, or nothing older is kept.
            UnknownNameError: there is no such generation.
            InputError: it never served, is deleted, or serves already.
        """
        with self._database.alone() as session:
            served = _serving(session)
            if served is None:
                raise NotReadyError("no generation is published yet", hint="Run `engine build` first.")
            if generation_id is None:
                row = session.scalar(
                    select(GenerationRow)
                    .where(GenerationRow.state == GenerationState.PUBLISHED, GenerationRow.number < served)
                    .order_by(GenerationRow.number.desc())
                    .limit(1)
                )
                if row is None:
                    raise NotReadyError(f"no generation older than {name_of(served)} is kept")
            else:
                row = row_of(session, generation_id)
            if row.number == served:
                raise InputError(f"generation {name_of(row.number)} serves already")
            if row.state != GenerationState.PUBLISHED:
                raise InputError(
                    f"generation {generation_id} is {row.state}: only one that served can be rolled back to"
                )
            self._flip(session, row, served, "rollback", None)
            return _generation(row, row.number)

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
            if row.number == _serving(session):
                raise InputError(f"generation {generation_id} serves: it cannot be deleted")
            tried = select(ShadowRow).where(ShadowRow.generation == row.number, ShadowRow.stopped_at.is_(None))
            if session.scalar(tried) is not None:
                raise InputError(f"generation {generation_id} runs as a shadow: it cannot be deleted")
            row.state = GenerationState.DELETED
            session.flush()
            return _generation(row, _serving(session))

    def serving(self) -> Generation | None:
        """The generation that answers, or None before the first is published."""
        with self._database.read() as session:
            row = session.scalar(
                select(GenerationRow)
                .join(ServingRow, ServingRow.generation == GenerationRow.number)
                .where(ServingRow.slot == _SLOT)
            )
            return _generation(row, row.number) if row else None

    def serving_id(self) -> str | None:
        """Only the id of `serving`, cheaply: what a reader asks again and again."""
        with self._database.read() as session:
            number = _serving(session)
            return None if number is None else name_of(number)

    def list(self) -> tuple[Generation, ...]:
        """All generations, deleted ones too, newest first."""
        with self._database.read() as session:
            live = _serving(session)
            rows = session.scalars(select(GenerationRow).order_by(GenerationRow.number.desc()))
            return tuple(_generation(row, live) for row in rows)

    def get(self, generation_id: str) -> Generation:
        """One generation.

        Raises:
            UnknownNameError: there is no such generation.
        """
        with self._database.read() as session:
            return _generation(row_of(session, generation_id), _serving(session))

    def publications(self, limit: int = 100) -> tuple[Publication, ...]:
        """The last flips, newest first."""
        with self._database.read() as session:
            rows = session.scalars(select(PublicationRow).order_by(PublicationRow.number.desc()).limit(limit))
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
        session.merge(ServingRow(slot=_SLOT, generation=row.number, since=now))
        token = None if lease is None else lease.token
        session.add(PublicationRow(generation=row.number, replaced=served, cause=cause[:64], token=token, at=now))


def name_of(number: int) -> str:
    """The id of a generation's row."""
    return f"g{number:04d}"


def row_of(session: Session, generation_id: str) -> GenerationRow:
    """The row of an id.

    Raises:
        UnknownNameError: there is no such generation.
    """
    matched = re.fullmatch(r"g(\d{1,9})", generation_id)
    row = session.get(GenerationRow, int(matched[1])) if matched else None
    if row is None:
        raise UnknownNameError(
            f"there is no generation {generation_id!r}", hint="`engine generations list` shows them."
        )
    return row


def _serving(session: Session) -> int | None:
    return session.scalar(select(ServingRow.generation).where(ServingRow.slot == _SLOT))


def _generation(row: GenerationRow, serving: int | None) -> Generation:
    return Generation(
        id=name_of(row.number),
        state=GenerationState(row.state),
        kind="delta" if row.kind == "delta" else "full",
        parent=None if row.parent is None else name_of(row.parent),
        model=row.model,
        seed=row.seed,
        training=row.training,
        created_at=row.created_at,
        published_at=row.published_at,
        retired_at=row.retired_at,
        as_of=row.as_of,
        watermark=row.watermark,
        config=row.config,
        metrics=row.metrics,
        certificate=row.certificate,
        files=row.files,
        snapshot_path=Path(row.snapshot_path),
        path=Path(row.path),
        reason=row.reason,
        serving=row.number == serving,
    )
