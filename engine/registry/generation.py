"""What a generation is to the registry: its states, its values, and the row they are read from. Changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from engine.errors import UnknownNameError
from engine.registry.tables import GenerationRow

GenerationKind = Literal["full", "delta"]
LIVE = "live"
"""The slot of what answers for related items and home feeds."""


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
        slot: what it answers: `LIVE`, or the name of a model about users and items. In each slot at most one serves.
        kind: "full" was built from nothing, "delta" from its parent and the changes since.
        parent: id of the generation it was made from; None for a full one.
        model, seed: of the checkpoint that made its vectors; None where it was given vectors.
        training: number of the training run whose model it holds.
        published_at: when it first served; `retired_at` when another one took over.
        as_of: the graph was read at this time or later; `watermark` is the rev up to which it is true.
        metrics: what was measured before publishing.
        certificate: how far its vectors may be from an exact refresh: `largest_error`, the largest account of skipped
            change (Euclidean, of unit vectors; None where nothing is known of it), and `skipped`, how many nodes have one.
            None is exact.
        files: path in the folder -> {"bytes", "sha256"}.
        path, snapshot_path: folders.
        reason: why it failed, where it did.
    """

    id: str
    slot: str
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


def generation_of(row: GenerationRow, serving: int | None) -> Generation:
    """The values of a row; `serving` is the number of the one that serves."""
    return Generation(
        id=name_of(row.number),
        slot=row.slot,
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
