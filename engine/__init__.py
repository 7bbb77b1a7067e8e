"""A graph-database-backed recommender engine. `from engine import Engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.version import __version__

if TYPE_CHECKING:
    from engine.client import Engine

__all__ = ["Engine", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Engine":
        from engine.client import Engine

        return Engine
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
