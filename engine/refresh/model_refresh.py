"""Refreshes of the models about users and items: each published one by itself, in steps of its own, under a lease of their own.

What serves related items is refreshed meanwhile, and a model that cannot take in what came keeps none of the others back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.embedding.kept import EXACT, Limits
from engine.errors import EngineError
from engine.graph.connection import Graph
from engine.graph.state import read_state
from engine.models.user_methods import find_user_method
from engine.refresh.applying import Applying
from engine.refresh.leftovers import clear_dead, snapshot_namer
from engine.refresh.model import scratch
from engine.refresh.refresh import Work
from engine.refresh.report import Refreshed
from engine.refresh.row_verify import verify_rows
from engine.refresh.user_subject import UserSubject
from engine.refresh.verify import Verified
from engine.registry import LIVE, REFRESHING_MODELS, Generation, Job, Outcome, Recorder, Registry
from engine.serving.live import open_view
from engine.serving.view import View
from engine.settings import Settings

log = logging.getLogger(__name__)

WAIT_S = 2.0
"""A refresh of models may be under way."""


@dataclass(frozen=True, slots=True)
class ModelRefresh:
    """What every refresh of models needs.

    Attributes:
        views: slot -> what is open already.
    """

    registry: Registry
    graph: Graph
    settings: Settings
    views: Mapping[str, View]

    def refresh(self, limits: Limits = EXACT, *, cause: str = "asked for") -> dict[str, Refreshed]:
        """Refresh every published model; recorded as one run of "models".

        Args:
            limits: for each model.

        Returns:
            What was published, by model; one that has seen all is left as it is.

        Raises:
            LeaseHeldError: another process refreshes models.
            EngineError: a model could not be refreshed; the others are up to date.
        """
        done: dict[str, Refreshed] = {}
        failures: list[EngineError] = []
        with (
            self.registry.leases.hold(REFRESHING_MODELS, wait_s=WAIT_S) as held,
            self.registry.runs.record(Job.MODELS, cause, token=held.token) as told,
            self._applying(snapshot_namer(self.settings.home, held.lease)) as applying,
        ):
            clear_dead(self.registry, self.settings.home, REFRESHING_MODELS)
            for slot, serving in self._behind().items():
                step = Recorder(told.number)
                try:
                    found = self._work(serving, limits, step, applying).publish(held.lease)
                except EngineError as error:
                    log.error("%s: %s", slot, error.message)
                    failures.append(error)
                    continue
                told.plan[slot] = step.plan
                told.timings |= {f"{slot}: {name}": seconds for name, seconds in step.timings.items()}
                told.counts[slot] = step.counts
                if step.outcome is Outcome.PARTIAL:
                    told.outcome, told.reason = Outcome.PARTIAL, f"{slot}: {step.reason}"
                if found.generation is not None:
                    done[slot] = replace(found, timings=dict(step.timings))
            told.counts |= {"models": len(done), "failed": len(failures)}
            if not done and not failures:
                told.outcome = Outcome.NOTHING
            if failures:
                raise failures[0]
        return done

    def rehearse(self, limits: Limits = EXACT) -> dict[str, Refreshed]:
        """Do all that `refresh` does but publish, and leave nothing behind.

        Raises:
            see `refresh`.
        """
        done = {}
        with self.registry.leases.hold(REFRESHING_MODELS, wait_s=WAIT_S), scratch(self.settings.home) as folder:
            applying = self._applying(lambda _, made: folder / str(made))
            for slot, serving in self._behind().items():
                step = Recorder(0)
                found = self._work(serving, limits, step, applying).rehearse()
                done[slot] = replace(found, timings=dict(step.timings))
        return done

    def verify(self, count: int, seed: int) -> dict[str, Verified]:
        """Compute some users and items of every published model that answers by vectors from scratch, and compare.

        Raises:
            NotReadyError: a generation is older than this, and keeps nothing to compare with.
            CorruptFileError: a file of a generation is missing or altered.
        """
        found = {}
        for slot, serving in self._serving().items():
            view = self._view(serving)
            if view.has_vectors:
                found[slot] = verify_rows(view, find_user_method(serving.config["model"]), count, seed)
        return found

    def _serving(self) -> dict[str, Generation]:
        generations = self.registry.generations
        found = {slot: generations.serving(slot) for slot in generations.slots() if slot != LIVE}
        return {slot: one for slot, one in found.items() if one is not None}

    def _applying(self, name: Callable[[int, int], Path]) -> Applying:
        return Applying(self.registry, self.graph, self.settings.graph.mapping, name)

    def _behind(self) -> dict[str, Generation]:
        """Those that have not seen all of the graph, or have put something off; nothing of the others is opened."""
        rev = read_state(self.graph).rev
        return {slot: one for slot, one in self._serving().items() if one.watermark < rev or one.certificate}

    def _work(self, serving: Generation, limits: Limits, step: Recorder, applying: Applying) -> Work:
        subject = UserSubject(self.registry, self.graph, self.settings, self._view(serving))
        return Work(self.registry, applying, self.settings, limits, step, log.info, subject)

    def _view(self, serving: Generation) -> View:
        like = self.views.get(serving.slot)
        return like if like is not None and like.origin.generation == serving.id else open_view(serving, like)
