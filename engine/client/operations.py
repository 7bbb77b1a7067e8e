"""The engine's generations: which there are, how two differ, back to an earlier one, and away with old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.client.following import follow_flip

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.registry import Generation
    from engine.serving.operations import Collection, Comparison, GenerationDetail, GenerationList


def generations(engine: Engine) -> GenerationList:
    """All generations, newest first."""
    from engine.serving.status import generation_list

    return generation_list(engine.registry)


def generation(engine: Engine, generation_id: str) -> GenerationDetail:
    """All that is known of one generation.

    Raises:
        UnknownNameError: there is no such generation.
    """
    from engine.serving.status import generation_detail

    return generation_detail(engine.registry, generation_id)


def compare_generations(engine: Engine, first: str, second: str, *, k: int = 10, queries: int = 100) -> Comparison:
    """How two generations differ: what was measured of them, and their answers to the same questions.

    Args:
        k: how many items each question asks for.
        queries: how many questions a corpus.

    Raises:
        UnknownNameError: there is no such generation.
        InputError: one of them is deleted, failed or not whole yet, or of a model about users and items.
        CorruptFileError: one of them is damaged.
    """
    from engine.errors import InputError
    from engine.registry import LIVE
    from engine.serving.compare import compare
    from engine.serving.live import open_view

    ours, theirs = engine.registry.generations.get(first), engine.registry.generations.get(second)
    for one in (ours, theirs):
        if one.slot != LIVE:
            raise InputError(
                f"generation {one.id} is of the model {one.slot!r}, which answers no questions about related items",
                hint="`engine evaluate` compares models about users and items.",
            )
    asked = [engine.opened.recommender_of(open_view(one)) for one in (ours, theirs)]
    return compare(asked[0], asked[1], (ours.metrics, theirs.metrics), k=k, queries=queries)


def rollback(engine: Engine, generation_id: str | None = None) -> Generation:
    """Let an earlier generation answer again, at once and in every process.

    Args:
        generation_id: which; the newest one that is older than what serves when None.

    Raises:
        NotReadyError: nothing serves, or nothing older is kept.
        UnknownNameError: there is no such generation.
        InputError: it never served, is deleted, or serves already.
        CorruptFileError: it is damaged; what serves goes on.
    """
    from engine.serving.live import open_view

    generations = engine.registry.generations
    wanted = generations.before(generation_id)
    open_view(wanted)
    rolled_back = generations.rollback(wanted.id)
    follow_flip(engine)
    return rolled_back


def collect_garbage(engine: Engine, *, cause: str = "asked for") -> Collection:
    """Delete the generations that are not kept, and what killed processes left behind. Recorded as a run of "gc".

    What serves, shadows, and the newest ones (see the settings `generations.keep` and `generations.keep_full`) stay.
    Readers that hold an old one open finish on it.
    """
    from engine.refresh.garbage import collect_garbage
    from engine.registry import Job, Outcome

    with engine.registry.runs.record(Job.GC, cause) as told:
        found = collect_garbage(engine.registry, engine.settings.home, engine.settings.generations)
        told.counts = {
            "generations": len(found.deleted),
            "abandoned": len(found.abandoned),
            "folders": len(found.folders),
            "freed_bytes": found.freed_bytes,
        }
        told.reason = found.left
        if not found.folders and not found.deleted and not found.abandoned:
            told.outcome = Outcome.NOTHING
    return found
