"""What changed in the graph since some snapshots, read and applied once for all that go on from the same one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import EngineError
from engine.graph.changes import Changes, collect_changes
from engine.graph.connection import Graph
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_apply import Applied, apply_changes
from engine.registry import GenerationState, Registry
from engine.settings import GraphMapping

GONE = (GenerationState.FAILED, GenerationState.DELETED)


@dataclass(frozen=True, slots=True)
class Seen:
    """Changes, and since when nothing else was looked at: the graph was read then or later."""

    changes: Changes
    as_of: datetime


class Applying:
    """Reads and applies changes; at the end of its block the snapshots go that no generation came to refer to.

    Args:
        name: the folder of a new snapshot, by the rev that it is true at and how many were made before.
    """

    def __init__(
        self, registry: Registry, graph: Graph, mapping: GraphMapping, name: Callable[[int, int], Path]
    ) -> None:
        self._registry, self._graph, self._mapping, self._name = registry, graph, mapping, name
        self._seen: dict[Path, Seen] = {}
        self._applied: dict[Path, Applied] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(EngineError):  # where the registry does not answer, the next refresh removes them
            wanted = {one.snapshot_path for one in self._registry.generations.list() if one.state not in GONE}
            for folder in self._made:
                if folder.resolve() not in wanted:
                    shutil.rmtree(folder, ignore_errors=True)

    def seen(self, snapshot: Snapshot) -> Seen:
        """What changed since a snapshot on disk.

        Raises:
            ChangesGoneError: the feed no longer reaches back to it.
        """
        path = _path(snapshot)
        if path not in self._seen:
            as_of = datetime.now(UTC)
            self._seen[path] = Seen(collect_changes(self._graph, self._mapping, snapshot.watermark), as_of)
        return self._seen[path]

    def applied(self, snapshot: Snapshot) -> Applied:
        """That, applied to it.

        Raises:
            see `graph.snapshot_apply.apply_changes`.
        """
        path = _path(snapshot)
        if path not in self._applied:
            changes = self.seen(snapshot).changes
            target = self._name(changes.until, len(self._made))
            self._made.append(target)
            self._applied[path] = apply_changes(snapshot, changes, target)
        return self._applied[path]


def _path(snapshot: Snapshot) -> Path:
    assert snapshot.path is not None
    return snapshot.path
