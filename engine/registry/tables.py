"""The registry's tables. The same on SQLite and Postgres; migrations/sql brings a database to this shape."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, ForeignKey, Index, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

WORDS = 4096
"""The longest reason, in characters."""


class UtcTime(TypeDecorator[datetime]):
    """A point in time, always with its zone: SQLite would drop it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012 - SQLAlchemy reads it from the class


class GenerationRow(Base):
    """One row a generation that was ever begun; `engine.registry.generations.Generation` explains the columns."""

    __tablename__ = "generations"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    slot: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16))
    parent: Mapped[int | None] = mapped_column(ForeignKey("generations.number"))
    model: Mapped[str | None] = mapped_column(String(64))
    seed: Mapped[int | None] = mapped_column(BigInteger)
    training: Mapped[int | None] = mapped_column(ForeignKey("training_runs.number"))
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    as_of: Mapped[datetime]
    watermark: Mapped[int] = mapped_column(BigInteger)
    config: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    certificate: Mapped[dict[str, Any] | None]
    files: Mapped[dict[str, Any]]
    snapshot_path: Mapped[str] = mapped_column(String(4096))
    path: Mapped[str] = mapped_column(String(4096))
    reason: Mapped[str | None] = mapped_column(String(WORDS))


class ServingRow(Base):
    """What serves in each slot: the one row that publishing flips."""

    __tablename__ = "serving"

    slot: Mapped[str] = mapped_column(String(64), primary_key=True)
    generation: Mapped[int] = mapped_column(ForeignKey("generations.number"))
    since: Mapped[datetime]


class PublicationRow(Base):
    """Every flip there was: what served when, why, and under which lease."""

    __tablename__ = "publications"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    generation: Mapped[int] = mapped_column(ForeignKey("generations.number"))
    replaced: Mapped[int | None] = mapped_column(ForeignKey("generations.number"))
    cause: Mapped[str] = mapped_column(String(64))
    token: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime]


class TrainingRow(Base):
    """One row a training."""

    __tablename__ = "training_runs"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    state: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(64))
    config: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    watermark: Mapped[int] = mapped_column(BigInteger)
    path: Mapped[str] = mapped_column(String(4096))
    metrics: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(WORDS))


class RunRow(Base):
    """One row a run of a job."""

    __tablename__ = "runs"
    __table_args__ = (Index(None, "job", "number"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job: Mapped[str] = mapped_column(String(32))
    cause: Mapped[str] = mapped_column(String(512))
    outcome: Mapped[str] = mapped_column(String(16))
    holder: Mapped[str] = mapped_column(String(256))
    token: Mapped[int | None] = mapped_column(BigInteger)
    generation: Mapped[int | None] = mapped_column(ForeignKey("generations.number"))
    plan: Mapped[dict[str, Any]]
    counts: Mapped[dict[str, Any]]
    timings: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(WORDS))


class LeaseRow(Base):
    """One row a lease that was ever taken; it stays, so that the token only grows."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(256))
    token: Mapped[int] = mapped_column(BigInteger)
    beat: Mapped[int] = mapped_column(BigInteger)
    ttl_s: Mapped[float]
    expires_at: Mapped[datetime]


class ConsumerRow(Base):
    """How far a reader of the change feed is."""

    __tablename__ = "consumers"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    watermark: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]


class ReceiptRow(Base):
    """One row a request to forget a node."""

    __tablename__ = "receipts"
    __table_args__ = (Index(None, "kind", "subject"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(1024))
    state: Mapped[str] = mapped_column(String(16))
    rev: Mapped[int | None] = mapped_column(BigInteger)
    removed: Mapped[dict[str, Any]]
    digest: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class QualityRow(Base):
    """One measurement of a generation that serves."""

    __tablename__ = "quality_samples"
    __table_args__ = (Index(None, "name", "number"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    generation: Mapped[int] = mapped_column(ForeignKey("generations.number"))
    name: Mapped[str] = mapped_column(String(64))
    corpus: Mapped[str | None] = mapped_column(String(256))
    value: Mapped[float]
    detail: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class ShadowRow(Base):
    """One row a trial of a candidate beside what serves."""

    __tablename__ = "shadows"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    generation: Mapped[int] = mapped_column(ForeignKey("generations.number"))
    share: Mapped[float]
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]


class ShadowSampleRow(Base):
    """One question that both answered."""

    __tablename__ = "shadow_samples"
    __table_args__ = (Index(None, "shadow"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    shadow: Mapped[int] = mapped_column(ForeignKey("shadows.number"))
    live: Mapped[int] = mapped_column(ForeignKey("generations.number"))
    question: Mapped[str] = mapped_column(String(256))
    k: Mapped[int]
    overlap: Mapped[float | None]
    live_ids: Mapped[list[str]]
    shadow_ids: Mapped[list[str]]
    live_s: Mapped[float]
    shadow_s: Mapped[float]
    error: Mapped[str | None] = mapped_column(String(WORDS))
    at: Mapped[datetime]


class FlagRow(Base):
    """Small things to remember by name, such as which jobs are paused."""

    __tablename__ = "flags"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[dict[str, Any]]
    at: Mapped[datetime]
