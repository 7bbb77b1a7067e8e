"""Receipts of deletion: what was removed where, at which rev, and that somebody looked. Knows rows, removes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from engine.errors import InputError, UnknownNameError
from engine.hashing import salted_digest
from engine.registry.database import Database, utc_now
from engine.registry.tables import ReceiptRow


class ReceiptState(StrEnum):
    """`OPEN` until everything named was removed and looked for, then `COMPLETE`."""

    OPEN = "open"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request to forget a node.

    Attributes:
        kind: "item", "user" or "context".
        subject: what tells the node without naming it: see `subject_of`.
        rev: of the graph change that removed it; None until then.
        removed: where -> what was removed there and what was seen afterwards, JSON-able.
        digest: hex SHA-256 over all of the above; None while it is open.
    """

    number: int
    kind: str
    subject: str
    state: ReceiptState
    rev: int | None
    removed: dict[str, Any]
    digest: str | None
    created_at: datetime
    completed_at: datetime | None


def subject_of(salt: str, node_id: str) -> str:
    """What a receipt says instead of an id: whoever knows the id can tell that it is meant, and nobody else can read it.

    Args:
        salt: hex.
    """
    return f"{salt}:{salted_digest(salt, node_id)}"


def is_subject(subject: str, node_id: str) -> bool:
    """Whether an id is what a receipt is about."""
    salt, _, told = subject.partition(":")
    return salted_digest(salt, node_id) == told


class Receipts:
    """The receipts of one registry: `registry.receipts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, kind: str, subject: str) -> Receipt:
        """Enter a request before anything is removed, so that a crash cannot lose it; one that is open already is returned."""
        with self._database.alone() as session:
            row = session.scalar(
                select(ReceiptRow).where(
                    ReceiptRow.kind == kind, ReceiptRow.subject == subject, ReceiptRow.state == ReceiptState.OPEN
                )
            )
            if row is None:
                row = ReceiptRow(kind=kind, subject=subject, state=ReceiptState.OPEN, removed={}, created_at=utc_now())
                session.add(row)
                session.flush()
            return _receipt(row)

    def note(self, number: int, where: str, what: Any, *, rev: int | None = None) -> Receipt:
        """Write down what was removed in one place.

        Raises:
            InputError: the receipt is complete.
        """
        with self._database.alone() as session:
            row = self._open_row(session, number)
            row.removed = {**row.removed, where: what}
            row.rev = row.rev if rev is None else rev
            session.flush()
            return _receipt(row)

    def complete(self, number: int, digest: str) -> Receipt:
        """Close a receipt: all was removed, and was looked for.

        Raises:
            InputError: it is complete already.
        """
        with self._database.alone() as session:
            row = self._open_row(session, number)
            row.state, row.digest, row.completed_at = ReceiptState.COMPLETE, digest, utc_now()
            session.flush()
            return _receipt(row)

    def get(self, number: int) -> Receipt:
        """One receipt.

        Raises:
            UnknownNameError: there is no such receipt.
        """
        with self._database.read() as session:
            return _receipt(_row(session, number))

    def list(
        self, *, kind: str | None = None, subject: str | None = None, state: ReceiptState | None = None
    ) -> tuple[Receipt, ...]:
        """Receipts, newest first."""
        asked = select(ReceiptRow).order_by(ReceiptRow.number.desc())
        for column, value in ((ReceiptRow.kind, kind), (ReceiptRow.subject, subject), (ReceiptRow.state, state)):
            asked = asked if value is None else asked.where(column == value)
        with self._database.read() as session:
            return tuple(map(_receipt, session.scalars(asked)))

    def newer_than(self, rev: int) -> tuple[Receipt, ...]:
        """The receipts of what something that is true up to `rev` may still hold: it was removed later, or is about to be."""
        asked = select(ReceiptRow).where(or_(ReceiptRow.rev.is_(None), ReceiptRow.rev > rev))
        with self._database.read() as session:
            return tuple(map(_receipt, session.scalars(asked.order_by(ReceiptRow.number))))

    def _open_row(self, session: Session, number: int) -> ReceiptRow:
        row = _row(session, number)
        if row.state != ReceiptState.OPEN:
            raise InputError(f"receipt {number} is complete: it cannot change any more")
        return row


def _row(session: Session, number: int) -> ReceiptRow:
    row = session.get(ReceiptRow, number)
    if row is None:
        raise UnknownNameError(f"there is no receipt {number}")
    return row


def _receipt(row: ReceiptRow) -> Receipt:
    return Receipt(
        row.number,
        row.kind,
        row.subject,
        ReceiptState(row.state),
        row.rev,
        row.removed,
        row.digest,
        row.created_at,
        row.completed_at,
    )
