"""Small things to remember by name, such as which jobs are paused. Knows names and JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from engine.registry.database import Database, utc_now
from engine.registry.tables import FlagRow


class Flags:
    """The flags of one registry: `registry.flags`. Names are like paths: "paused/refresh"."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, name: str, value: dict[str, Any]) -> None:
        """Remember a value; it replaces the one before."""
        with self._database.alone() as session:
            session.merge(FlagRow(name=name, value=value, at=utc_now()))

    def clear(self, name: str) -> bool:
        """Forget a value; whether there was one."""
        with self._database.alone() as session:
            row = session.get(FlagRow, name)
            if row is None:
                return False
            session.delete(row)
            return True

    def get(self, name: str) -> dict[str, Any] | None:
        """A value, or None."""
        with self._database.read() as session:
            row = session.get(FlagRow, name)
            return None if row is None else row.value

    def list(self, prefix: str = "") -> dict[str, dict[str, Any]]:
        """All values whose names start with `prefix`, by name."""
        with self._database.read() as session:
            asked = select(FlagRow).where(FlagRow.name.startswith(prefix, autoescape=True)).order_by(FlagRow.name)
            return {row.name: row.value for row in session.scalars(asked)}
