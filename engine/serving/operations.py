"""What operators read: status, generations, how two of them differ. Frozen values, as answers are; finds nothing out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.serving.results import Shown


@dataclass(frozen=True, slots=True)
class LagInfo:
    """What the serving generation has not seen of one corpus.

    Attributes:
        changes: items, and edges to items, that are new, changed or gone.
        p50_s, p95_s, oldest_s: how long ago they were made; None where the graph kept no times.
    """

    changes: int
    p50_s: float | None
    p95_s: float | None
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What serves of a model about users and items.

    Attributes:
        behind: commits that it has not seen; None where that cannot be said.
    """

    generation: str
    watermark: int
    as_of: datetime
    behind: int | None


@dataclass(frozen=True, slots=True)
class Status(Shown):
    """What there is and what serves.

    Attributes:
        graph: address of the graph server, or what is wrong with it.
        graph_watermark: the newest rev of the graph; None where the graph is not reachable or has none.
        behind: commits that the serving generation has not seen; None where that cannot be said.
        certificate: how far its vectors may be from an exact refresh; None is not at all.
        trouble: why another generation answers here, or none, where that is so.
        lag: by corpus, what it has not seen of it.
        oldest_unseen_s: how long ago the first commit that it has not seen was made.
        why: it has not seen them: what the last refresh did or did not.
        models: of users and items: name -> what serves of it.
    """

    home: str
    graph: str
    graph_watermark: int | None
    generation: str | None
    watermark: int | None
    as_of: datetime | None
    behind: int | None
    items: int | None
    corpora: tuple[str, ...]
    methods: tuple[str, ...]
    metrics: dict[str, Any]
    certificate: dict[str, Any] | None = None
    trouble: str | None = None
    lag: dict[str, LagInfo] = field(default_factory=dict)
    oldest_unseen_s: float | None = None
    why: str | None = None
    models: dict[str, ModelInfo] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GenerationInfo(Shown):
    """One line of `engine generations list`.

    Attributes:
        slot: what it answers; see `engine.registry.Generation`.
    """

    id: str
    slot: str
    state: str
    serving: bool
    kind: str
    parent: str | None
    created_at: datetime
    watermark: int
    metrics: dict[str, Any]
    reason: str | None


@dataclass(frozen=True, slots=True)
class GenerationList(Shown):
    """All generations, newest first."""

    generations: tuple[GenerationInfo, ...]

    def __len__(self) -> int:
        return len(self.generations)

    def __iter__(self) -> Iterator[GenerationInfo]:
        return iter(self.generations)


@dataclass(frozen=True, slots=True)
class Flip(Shown):
    """One time that a generation began to serve.

    Attributes:
        cause: "build", "refresh", "rollback", ...
    """

    at: datetime
    replaced: str | None
    cause: str


@dataclass(frozen=True, slots=True)
class GenerationDetail(Shown):
    """All that is known of one generation.

    Attributes:
        certificate: how far its vectors may be from an exact refresh: `largest_error` and `skipped`; None is not at all.
        bytes: of its folder, with files that other generations share.
        flips: when it began to serve, newest first.
    """

    info: GenerationInfo
    model: str | None
    seed: int | None
    training: int | None
    as_of: datetime
    published_at: datetime | None
    retired_at: datetime | None
    certificate: dict[str, Any] | None
    path: str
    snapshot_path: str
    bytes: int
    flips: tuple[Flip, ...]


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A figure of two generations; None where one does not have it."""

    name: str
    first: float | None
    second: float | None


@dataclass(frozen=True, slots=True)
class CorpusOverlap:
    """How alike the answers within one corpus are.

    Attributes:
        overlap: the mean share of items that both answers hold; `least` the smallest.
        same: how many questions got the same items, in whatever order.
    """

    corpus: str
    queries: int
    overlap: float
    least: float
    same: int


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """One question that two generations answered."""

    corpus: str
    query: str
    overlap: float
    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison(Shown):
    """Two generations, by what was measured of them and by their answers to the same questions.

    Attributes:
        most_changed: the questions with the least overlap.
    """

    first: str
    second: str
    k: int
    metrics: tuple[MetricChange, ...]
    corpora: tuple[CorpusOverlap, ...]
    most_changed: tuple[AnswerChange, ...]


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """One question that both answered.

    Attributes:
        overlap: share of the live answer's items that the shadow's holds too; None where the shadow failed.
        error: what it failed with.
    """

    question: str
    overlap: float | None
    live: tuple[str, ...]
    shadow: tuple[str, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class ShadowStatus(Shown):
    """A candidate beside what serves, so far.

    Attributes:
        stopped_at: None while it runs.
        samples: questions that were recorded; `errors` of them it failed to answer.
        overlap, least_overlap: mean and smallest share of the live answers' items; None before the first.
        live_s, shadow_s: mean seconds.
        last: the newest questions.
    """

    generation: str
    share: float
    started_at: datetime
    stopped_at: datetime | None
    samples: int
    errors: int
    overlap: float | None
    least_overlap: float | None
    live_s: float | None
    shadow_s: float | None
    last: tuple[ShadowAnswer, ...]


@dataclass(frozen=True, slots=True)
class Collection(Shown):
    """What collecting garbage did.

    Attributes:
        deleted: ids of generations that are not kept.
        abandoned: ids of generations whose process died while it made them.
        folders: that went, snapshots and trained models too.
        freed_bytes: without what kept folders share.
        left: why leftovers were not looked for, where they were not.
    """

    deleted: tuple[str, ...]
    abandoned: tuple[str, ...]
    folders: tuple[str, ...]
    freed_bytes: int
    left: str | None
