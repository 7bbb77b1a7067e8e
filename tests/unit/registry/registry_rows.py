"""Rows for the registry's tests: generations in each state, without any files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.registry import Generation, Registry

AS_OF = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def begin(registry: Registry, watermark: int = 7, **told: Any) -> Generation:
    """A generation that is being built."""
    return registry.generations.begin(
        watermark=watermark,
        as_of=AS_OF,
        config={"dim": 64},
        snapshot_path=Path("/home/snapshots/7"),
        folder=Path("/home/generations"),
        **told,
    )


def make(registry: Registry, watermark: int = 7, **told: Any) -> Generation:
    """A generation that is whole and does not serve."""
    begun = begin(registry, watermark, **told)
    return registry.generations.ready(begun.id, metrics={"watermark": watermark}, files={})


def publish(registry: Registry, watermark: int = 7, **told: Any) -> Generation:
    """A generation that serves."""
    return registry.generations.publish(make(registry, watermark, **told).id)
