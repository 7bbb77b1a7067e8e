"""The registry's database, at the newest schema, and its transactions. Knows the tables' versions, not what is in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from engine.assets import asset_folder
from engine.errors import ConfigError, CorruptFileError, DiskFullError, StorageError
from engine.files import disk_full_as

HEAD = "0003"
"""The newest revision in migrations/sql."""
_LOCK_WAIT_S = 30
_MIGRATION_LOCK = 0x656E67696E65
_WRITER_LOCK = _MIGRATION_LOCK + 1


class Database:
    """Transactions on the registry's database. Safe to use from threads and from several processes.

    Args:
        url: a SQLAlchemy URL; see `open_database` for what it raises.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        self._writer = self._engine.execution_options(writes=True)
        self.shown = self._engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads, true to one moment on SQLite.

        Raises:
            StorageError: the database cannot be used; as for `write` and `alone`.
        """
        with clear_errors(self.shown), Session(self._engine) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits at the end, and leaves nothing behind when its block raises."""
        with clear_errors(self.shown), Session(self._writer) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def alone(self) -> Iterator[Session]:
        """`write`, one at a time over all processes: whatever it reads stays true until it commits."""
        with self.write() as session:
            if self._engine.dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})
            yield session

    def clock(self, session: Session) -> datetime:
        """What time it is for everyone who uses this database: its server's, or this machine's for a file."""
        if self._engine.dialect.name == "postgresql":
            told: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            return told.astimezone(UTC)
        return utc_now()


def utc_now() -> datetime:
    """The time on this machine."""
    return datetime.now(UTC)


def open_database(url: str) -> Engine:
    """Connect and bring the schema to `HEAD`, one process at a time.

    Raises:
        ConfigError: no such dialect or driver, or a malformed URL.
        StorageError: the database cannot be reached, opened or read, or is newer than this engine.
    """
    shown = url
    try:
        parsed = make_url(url)
        shown = parsed.render_as_string(hide_password=True)
        # A pooled connection may have been cut since it was last used: the pool asks before it hands one out.
        pool: dict[str, Any] = (
            {"poolclass": NullPool} if parsed.get_backend_name() == "sqlite" else {"pool_pre_ping": True}
        )
        engine = create_engine(parsed, **pool)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigError(
            f"registry_url {shown}: {error}", hint="Use sqlite:///PATH or postgresql+psycopg://..."
        ) from error
    if engine.dialect.name == "sqlite":
        if parsed.database:
            _make_folder(Path(parsed.database).parent)
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    try:
        with clear_errors(shown):
            if _revision(engine) != HEAD:
                _upgrade(engine, shown)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextlib.contextmanager
def clear_errors(shown: str) -> Iterator[None]:
    """Turn SQLAlchemy's errors into the engine's."""
    try:
        yield
    except SQLAlchemyError as error:
        words = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if "disk is full" in words or "disk full" in words or "No space left" in words:
            raise DiskFullError(f"no space left on the disk while writing the registry {shown}") from error
        if isinstance(error, DatabaseError) and ("not a database" in words or "malformed" in words):
            raise CorruptFileError(
                f"the registry {shown} is damaged: {words}", hint="Restore it from a copy."
            ) from error
        raise StorageError(f"the registry {shown} cannot be used: {words}") from error


@contextlib.contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction to change the schema in."""
    # SQLite refuses at once, without waiting, to turn a reader into a writer beside another: be a writer from the start.
    with engine.execution_options(writes=True, migrates=True).begin() as connection:
        yield connection
        if engine.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            assert not broken, f"the migration left rows that refer to nothing: {broken[:3]}"


def alembic_config(connection: Connection) -> Any:
    """Alembic's configuration for one connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(asset_folder("migrations") / "sql"))
    config.attributes["connection"] = connection
    return config


def _make_folder(folder: Path) -> None:
    try:
        with disk_full_as(folder):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the folder {folder} for the registry cannot be made: {error.strerror}") from error


def _revision(engine: Engine) -> str | None:
    """The schema's revision, or None where there is none yet; asked without loading Alembic, which takes its time."""
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(engine: Engine, shown: str) -> None:
    from alembic import command
    from alembic.util import CommandError

    with migrating(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        try:
            command.upgrade(alembic_config(connection), "head")
        except CommandError as error:
            raise StorageError(
                f"the registry {shown} has a schema this engine does not know: {error}",
                hint="It was made by a newer engine: upgrade this one.",
            ) from error


def _sqlite_connect(connection: Any, _: Any) -> None:
    # pysqlite would begin a transaction late and commit before DDL; _sqlite_begin does it instead.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_S * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("migrates"):
        # A migration makes a table anew under its own name; for that moment others refer to nothing.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")
