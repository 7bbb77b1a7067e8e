"""What there is, what serves and how far it is behind. Knows registry, graph and the opened generation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.errors import EngineError
from engine.graph.changes_lag import lag
from engine.graph.connection import Graph
from engine.graph.state import read_state
from engine.registry import LIVE, Generation, Job, Outcome, Registry
from engine.serving.live import Live
from engine.serving.operations import (
    Flip,
    GenerationDetail,
    GenerationInfo,
    GenerationList,
    LagInfo,
    ModelInfo,
    ShadowAnswer,
    ShadowStatus,
    Status,
)
from engine.serving.recommend import Recommender
from engine.settings import Settings


def status(settings: Settings, registry: Registry, graph: Callable[[], Graph], live: Live[Recommender]) -> Status:
    """The status; what cannot be reached or opened is part of it, not an error."""
    rev: int | None = None
    try:
        connected = graph()
        rev = read_state(connected).rev or None
        told = f"{connected.uri} (Neo4j {connected.server_version})"
    except EngineError as error:
        told = f"not available: {error.message}"
    serving = registry.generations.serving()
    if serving is None:
        nothing = Status(str(settings.home), told, rev, None, None, None, None, None, (), (), {})
        return replace(nothing, models=_models(registry, rev))
    recommender, trouble = _opened(live)
    found = Status(
        home=str(settings.home),
        graph=told,
        graph_watermark=rev,
        generation=serving.id,
        watermark=serving.watermark,
        as_of=serving.as_of,
        behind=None if rev is None else max(0, rev - serving.watermark),
        items=None if recommender is None else recommender.view.items.num_alive,
        corpora=() if recommender is None else tuple(recommender.view.items.corpora),
        methods=() if recommender is None else recommender.methods,
        metrics=serving.metrics,
        certificate=serving.certificate,
        trouble=trouble,
        models=_models(registry, rev),
    )
    return _with_lag(found, registry, graph(), settings, serving.watermark) if found.behind else found


def _models(registry: Registry, rev: int | None) -> dict[str, ModelInfo]:
    found = {slot: registry.generations.serving(slot) for slot in registry.generations.slots() if slot != LIVE}
    return {
        slot: ModelInfo(one.id, one.watermark, one.as_of, None if rev is None else max(0, rev - one.watermark))
        for slot, one in found.items()
        if one is not None
    }


def _opened(live: Live[Recommender]) -> tuple[Recommender | None, str | None]:
    """What answers here, and why it is not what serves."""
    try:
        recommender = live.recommender()
    except EngineError as error:
        return None, f"nothing answers here: {error.message}"
    trouble = live.trouble
    return recommender, None if trouble is None else f"{trouble.message}; {live.answering} answers"


def _with_lag(found: Status, registry: Registry, graph: Graph, settings: Settings, watermark: int) -> Status:
    try:
        behind = lag(graph, settings.graph.mapping, watermark)
    except EngineError as error:
        return replace(found, why=error.message)
    by_corpus = {
        name: LagInfo(one.changes, *(_seconds(ms) for ms in (one.p50_ms, one.p95_ms, one.oldest_ms)))
        for name, one in behind.corpora.items()
    }
    return replace(found, lag=by_corpus, oldest_unseen_s=_seconds(behind.oldest_ms), why=_why(registry))


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _why(registry: Registry) -> str:
    """What the last refresh says about changes that are still unseen."""
    last = registry.runs.last(Job.REFRESH)
    if last is None:
        return "no refresh ever ran"
    at = f"{last.started_at:%Y-%m-%d %H:%M:%S} UTC"
    because = f": {last.reason}" if last.reason else ""
    match last.outcome:
        case Outcome.RUNNING:
            return f"a refresh has been running since {at} ({last.holder})"
        case Outcome.FAILED:
            return f"the refresh of {at} failed{because}"
        case Outcome.LOST:
            return f"the refresh of {at} was lost{because}"
        case Outcome.PARTIAL:
            return f"the refresh of {at} put a part off{because}"
        case _:
            return f"they came after the last refresh, of {at}"


def generation_list(registry: Registry) -> GenerationList:
    """All generations, newest first."""
    return GenerationList(tuple(map(_info, registry.generations.list())))


def generation_detail(registry: Registry, generation_id: str) -> GenerationDetail:
    """All that is known of one generation."""
    one = registry.generations.get(generation_id)
    flips = registry.generations.publications(of=one.id)
    return GenerationDetail(
        info=_info(one),
        model=one.model,
        seed=one.seed,
        training=one.training,
        as_of=one.as_of,
        published_at=one.published_at,
        retired_at=one.retired_at,
        certificate=one.certificate,
        path=str(one.path),
        snapshot_path=str(one.snapshot_path),
        bytes=sum(entry["bytes"] for entry in one.files.values()),
        flips=tuple(Flip(flip.at, flip.replaced, flip.cause) for flip in flips),
    )


def shadow_status(registry: Registry, *, last: int = 5) -> ShadowStatus | None:
    """The shadow that runs, or the last one; None where there was none."""
    shadow = next(iter(registry.shadows.list()), None)
    if shadow is None:
        return None
    found = registry.shadows.summary(shadow)
    return ShadowStatus(
        shadow.generation,
        shadow.share,
        shadow.started_at,
        shadow.stopped_at,
        found.samples,
        found.errors,
        found.overlap,
        found.least_overlap,
        found.live_s,
        found.shadow_s,
        tuple(
            ShadowAnswer(one.question, one.overlap, one.live_ids, one.shadow_ids, one.error)
            for one in registry.shadows.samples(shadow, limit=last)
        ),
    )


def _info(one: Generation) -> GenerationInfo:
    return GenerationInfo(
        one.id,
        one.slot,
        one.state,
        one.serving,
        one.kind,
        one.parent,
        one.created_at,
        one.watermark,
        one.metrics,
        one.reason,
    )
