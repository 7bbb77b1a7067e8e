"""A refresh: read what changed, apply it, embed what that alters, and let the result serve in its parent's place.

```
lease -> read the changes -> apply them to the snapshot -> embed again -> write the delta -> gate -> publish
```

Related items (`item_subject`) and models about users and items (`user_subject`) are refreshed in the same steps.

Nothing that serves is touched before the last step, and that is one transaction. A process that dies before it leaves the
parent serving, and the next refresh begins again from the parent's watermark, so that no change is lost or counted twice;
what the dead one left half-written goes then. Where a delta cannot be made, the same model embeds the graph from nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from engine.embedding.kept import EXACT, Limits
from engine.errors import ChangesGoneError
from engine.files import read_manifest
from engine.graph.changes import Changes
from engine.graph.connection import Graph
from engine.graph.mapping import mapping_digest
from engine.graph.snapshot_apply import Applied
from engine.refresh.applying import Applying, Seen
from engine.refresh.delta import write_delta
from engine.refresh.item_subject import ItemSubject
from engine.refresh.leftovers import clear_dead, snapshot_namer
from engine.refresh.model import INDEX, gate_of, scratch
from engine.refresh.report import Refreshed, sizes
from engine.refresh.subject import Advanced, Subject
from engine.registry import REFRESHING, Job, Lease, Outcome, Recorder, Registry
from engine.serving.live import serving_view
from engine.serving.view import View
from engine.settings import Settings

log = logging.getLogger(__name__)
OnStep = Callable[[str], None]


def refresh(
    registry: Registry,
    graph: Graph,
    settings: Settings,
    limits: Limits = EXACT,
    *,
    cause: str = "asked for",
    view: View | None = None,
    on_step: OnStep = log.info,
) -> Refreshed:
    """Refresh what serves; recorded as a run of "refresh".

    Args:
        limits: how much may be left as it is.
        view: what is open already; opened where it is not what serves.
        on_step: is told each step that is done.

    Raises:
        NotReadyError: nothing serves, or it holds no model.
        LeaseHeldError: another process refreshes.
        LeaseLostError, SupersededError: another process took over, or something else serves by now; nothing was published.
        GraphUnavailableError: the graph server is gone.
        TrainingError: the result does not pass the gate.
        DiskFullError: no space left.
    """
    with (
        registry.leases.hold(REFRESHING) as held,
        registry.runs.record(Job.REFRESH, cause, token=held.token) as told,
    ):
        clear_dead(registry, settings.home, REFRESHING)
        on_step("the lease is held")
        subject = ItemSubject(registry, graph, settings, serving_view(registry, view))
        with Applying(registry, graph, settings.graph.mapping, snapshot_namer(settings.home, held.lease)) as applying:
            work = Work(registry, applying, settings, limits, told, on_step, subject)
            done = work.publish(held.lease)
    return replace(done, timings=dict(told.timings))


def rehearse(
    registry: Registry, graph: Graph, settings: Settings, limits: Limits = EXACT, *, view: View | None = None
) -> Refreshed:
    """Do all that a refresh does but publish, and leave nothing behind.

    Raises:
        see `refresh`.
    """
    with registry.leases.hold(REFRESHING):
        told = Recorder(0)
        subject = ItemSubject(registry, graph, settings, serving_view(registry, view))
        with scratch(settings.home) as folder:
            applying = Applying(registry, graph, settings.graph.mapping, lambda _, made: folder / str(made))
            done = Work(registry, applying, settings, limits, told, log.info, subject).rehearse()
    return replace(done, timings=dict(told.timings))


@dataclass(frozen=True, slots=True)
class Work:
    """One refresh under way; who makes one holds the lease."""

    registry: Registry
    applying: Applying
    settings: Settings
    limits: Limits
    told: Recorder
    on_step: OnStep
    subject: Subject

    @property
    def view(self) -> View:
        """What serves."""
        return self.subject.view

    def publish(self, lease: Lease) -> Refreshed:
        """Refresh and publish."""
        begun = datetime.now(UTC)
        seen = self._seen()
        if seen is None:
            return self._anew(lease, begun)
        done = self._begun(seen.changes)
        if self._nothing(seen.changes):
            self.told.outcome = Outcome.NOTHING
            return done
        applied, advanced = self._compute(seen)
        if advanced is None:
            return self._anew(lease, begun)
        with self.told.timed("publish"):
            made = write_delta(
                self.registry,
                self.view,
                advanced.delta,
                self.settings.home / "generations",
                index=replace(INDEX, threads=self.settings.threads),
                gate=gate_of(self.settings),
                lease=lease,
            )
        self.told.generation = made.id
        self.on_step(f"{made.id} serves")
        return replace(self._told(done, applied, advanced), generation=made.id)

    def rehearse(self) -> Refreshed:
        """Refresh and throw the result away."""
        seen = self._seen()
        if seen is None:
            return Refreshed(
                self.view.origin.generation,
                self.view.origin.watermark,
                self.view.origin.watermark,
                plan="embed the whole graph anew with the same model",
                counts={"items": self.view.items.num_alive},
            )
        done = self._begun(seen.changes)
        if self._nothing(seen.changes):
            return done
        applied, advanced = self._compute(seen)
        return done if advanced is None else self._told(done, applied, advanced)

    def _seen(self) -> Seen | None:
        """What changed; None where only the whole graph can tell."""
        snapshot, mapping = self.view.snapshot, self.settings.graph.mapping
        assert snapshot.path is not None
        why_not = self.subject.keeps()
        if why_not is not None:
            log.warning("%s", why_not)
            return None
        if read_manifest(snapshot.path, what="snapshot").get("mapping") != mapping_digest(mapping):
            log.info("the mapping of the graph is another one than %s was built with", self.view.origin.generation)
            return None
        with self.told.timed("read changes"):
            try:
                seen = self.applying.seen(snapshot)
            except ChangesGoneError as error:
                log.info("%s", error.message)
                return None
        self.on_step(f"{len(seen.changes):,} changes are read")
        return seen

    def _nothing(self, changes: Changes) -> bool:
        if len(changes):
            return False
        certificate = self.registry.generations.get(self.view.origin.generation).certificate or {}
        largest = certificate.get("largest_error", 0.0)
        return largest is not None and float(largest) <= self.limits.epsilon

    def _begun(self, changes: Changes) -> Refreshed:
        found = sizes(changes)
        self.told.counts = {"changes": len(changes)}
        return Refreshed(
            self.view.origin.generation, changes.since, changes.until, changes=found, poison=changes.poison
        )

    def _compute(self, seen: Seen) -> tuple[Applied, Advanced | None]:
        """The next snapshot, and what serves brought to it; None where only the whole graph can tell."""
        with self.told.timed("apply"):
            applied = self.applying.applied(self.view.snapshot)
        self.on_step("the changes are applied to the snapshot")
        with self.told.timed("embed"):
            advanced = self.subject.advance(applied, seen.as_of, self.limits)
        if advanced is None:
            return applied, None
        self.told.plan = advanced.plan.to_json()
        self.told.counts |= advanced.counts
        if advanced.counts["put_off"]:
            self.told.outcome = Outcome.PARTIAL
            self.told.reason = f"{advanced.counts['put_off']:,} embeddings are put off"
        self.on_step(f"{advanced.counts['embedded']:,} are embedded again")
        return applied, advanced

    def _told(self, done: Refreshed, applied: Applied, advanced: Advanced) -> Refreshed:
        return replace(
            done,
            plan=str(advanced.plan),
            counts=dict(advanced.counts),
            certificate=advanced.certificate,
            poison=applied.poison,
        )

    def _anew(self, lease: Lease, as_of: datetime) -> Refreshed:
        """Embed the whole graph with the same model, and publish that."""
        with self.told.timed("build"), scratch(self.settings.home) as folder:
            made = self.subject.anew(as_of, folder, lease)
        self.told.generation = made.id
        self.told.plan = {"why": "embed the whole graph anew with the same model"}
        self.on_step(f"{made.id} serves")
        return Refreshed(
            self.view.origin.generation,
            self.view.origin.watermark,
            made.watermark,
            generation=made.id,
            plan="embedded the whole graph anew with the same model",
            counts={"items": made.metrics["items"]},
        )
