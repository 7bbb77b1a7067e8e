"""The engine's shadow: a candidate generation that answers beside what serves, before it is promoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.client.following import follow_flip

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.registry import Generation, Shadow
    from engine.serving.operations import ShadowStatus


def start_shadow(engine: Engine, generation_id: str, share: float = 0.1) -> Shadow:
    """Let a generation answer beside what serves, for a share of the users; another shadow ends.

    Callers get the live answers. Both are recorded: see `shadow_status`.

    Args:
        generation_id: made with `build(publish=False)`, or one that served before.
        share: of the users (of the queries' items where no user asks) by a stable hash, in (0, 1].

    Raises:
        UnknownNameError: there is no such generation.
        InputError: it serves already, cannot answer, or the share is out of range.
        CorruptFileError: it is damaged.
    """
    from engine.errors import InputError
    from engine.registry import LIVE
    from engine.serving.live import open_view

    candidate = engine.registry.generations.get(generation_id)
    if candidate.slot != LIVE:
        raise InputError(
            f"generation {generation_id} is of the model {candidate.slot!r}: only related items have shadows"
        )
    if candidate.serving:
        raise InputError(f"generation {generation_id} serves already")
    shadow = engine.registry.shadows.start(generation_id, share)
    try:
        open_view(candidate)
    except BaseException:
        engine.registry.shadows.stop()
        raise
    return shadow


def shadow_status(engine: Engine) -> ShadowStatus | None:
    """How the shadow that runs does, or the last one did; None where there was none."""
    from engine.serving.status import shadow_status

    return shadow_status(engine.registry)


def promote_shadow(engine: Engine) -> Generation:
    """Let the shadow that runs serve, and end it.

    Raises:
        NotReadyError: no shadow runs.
        CorruptFileError: its generation is damaged; what serves goes on.
    """
    from engine.errors import NotReadyError
    from engine.serving.live import open_view

    running = engine.registry.shadows.running()
    if running is None:
        raise NotReadyError("no shadow runs", hint="`engine shadow start GENERATION` lets one.")
    generation = engine.registry.generations.get(running.generation)
    if not generation.serving:  # it serves where a promotion died before its last step
        open_view(generation)
        generation = engine.registry.generations.publish(generation.id, cause="promote")
    engine.registry.shadows.stop()
    follow_flip(engine)
    return generation


def stop_shadow(engine: Engine) -> Shadow | None:
    """End the shadow that runs; None where none does. What it recorded stays."""
    return engine.registry.shadows.stop()
