"""The engine's care for its indexes: compare them with exact search, build them anew. Asks no questions of what serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.client.following import follow_flip

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.registry import Generation
    from engine.serving.canary import IndexHealth


def check_indexes(engine: Engine) -> tuple[IndexHealth, ...]:
    """Compare the index of each corpus with exact search; write it down, and ask for compaction where it is needed.

    Raises:
        NotReadyError: nothing is published yet.
    """
    from engine.refresh.compact import measure

    return measure(engine.registry, engine.view(), engine.settings.gate.ann_recall)


def compact(engine: Engine, *, everything: bool = False, cause: str = "command line") -> Generation | None:
    """Build indexes anew that have grown past their limits, beside what serves, and publish a delta with them.

    Args:
        everything: all indexes, whether they need it or not.
        cause: a word for the history of runs.

    Returns:
        What serves now; None where there was nothing to do.

    Raises:
        NotReadyError: nothing is published yet.
        LeaseHeldError: another process compacts already.
        TrainingError: a new index does not pass the gate.
    """
    from dataclasses import replace

    from engine.refresh.compact import compact
    from engine.refresh.model import INDEX, gate_of

    built = compact(
        engine.registry,
        engine.settings.home / "generations",
        index=replace(INDEX, threads=engine.settings.threads),
        gate=gate_of(engine.settings),
        everything=everything,
        cause=cause,
    )
    follow_flip(engine)
    return built
