"""The engine's writes: load a data set, add to the graph, remove from it. Knows no model and no generation.

The rows, and the errors for bad ones, are those of `engine.graph.write.GraphWriter`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.graph.ingest import IngestReport
    from engine.graph.write import WriteResult
    from engine.graph.write_rows import Row


def ingest(
    engine: Engine, folder: Path | str, *, max_rejects: int = 0, rejects_path: Path | None = None
) -> IngestReport:
    """Load a data set folder; see `engine.graph.ingest.ingest`."""
    from engine.graph.ingest import ingest

    return ingest(engine.graph, engine.settings, folder, max_rejects=max_rejects, rejects_path=rejects_path)


def add_items(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Create or change items; see `engine.graph.write.GraphWriter`, as for all of `add_` and `remove_`."""
    return engine.opened.writer.add_items(rows)


def add_contexts(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Create or change contexts and who owns them."""
    return engine.opened.writer.add_contexts(rows)


def add_users(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Create or change users."""
    return engine.opened.writer.add_users(rows)


def add_saves(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Save items into contexts."""
    return engine.opened.writer.add_saves(rows)


def add_interactions(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Record what users took up."""
    return engine.opened.writer.add_interactions(rows)


def add_follows(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Record who follows whom."""
    return engine.opened.writer.add_follows(rows)


def remove_items(engine: Engine, ids: Iterable[str]) -> WriteResult:
    """Remove items and their edges."""
    return engine.opened.writer.remove_items(ids)


def remove_contexts(engine: Engine, ids: Iterable[str]) -> WriteResult:
    """Remove contexts and their edges."""
    return engine.opened.writer.remove_contexts(ids)


def remove_users(engine: Engine, ids: Iterable[str]) -> WriteResult:
    """Remove users and their edges."""
    return engine.opened.writer.remove_users(ids)


def remove_saves(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Take items out of contexts."""
    return engine.opened.writer.remove_saves(rows)


def remove_interactions(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """Take interactions back."""
    return engine.opened.writer.remove_interactions(rows)


def remove_follows(engine: Engine, rows: Iterable[Row]) -> WriteResult:
    """End follows."""
    return engine.opened.writer.remove_follows(rows)
