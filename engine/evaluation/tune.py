"""Search a method's settings on validation edges, within a time budget. Test edges play no part.

The validation edges become what is asked for, and what training keeps is carved anew, so that a method's own early stopping sees
neither. The only module that knows Optuna.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.datasets.folder import DatasetFolder
from engine.errors import InputError, TrainingError
from engine.evaluation.config import EvaluationConfig
from engine.evaluation.numbers import read_numbers
from engine.evaluation.outcome import LOWER_IS_BETTER, metric_names, metric_values
from engine.evaluation.protocols import find_protocol
from engine.evaluation.user_split import UserItemSplit, tuning_split
from engine.evaluation.user_task import UserTask
from engine.files import atomic_file
from engine.models.methods import Settings
from engine.models.user_methods import OneOf, Range, find_user_method
from engine.progress import progress

log = logging.getLogger("engine.evaluation")


@dataclass(frozen=True, slots=True)
class Trial:
    """One choice of settings: what was chosen, the metric on validation (None where training failed), and seconds."""

    settings: Mapping[str, Any]
    value: float | None
    took_s: float


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What a search found.

    Attributes:
        metric: what was searched for; `rmse` is best low, any other high.
        trials: in order; the first is the method as it was configured.
        best: the trial that was written.
    """

    method: str
    metric: str
    trials: tuple[Trial, ...]
    best: Trial


def tune(
    method: str,
    folder: Path,
    protocol: str,
    *,
    minutes: float,
    out: Path | None = None,
    split: str = "",
    trials: int | None = None,
    metric: str = "",
    seed: int = 0,
    config: EvaluationConfig | None = None,
) -> TuneReport:
    """Try settings until the time is over; what is best so far is in `out` at any time.

    Args:
        protocol: whose split, question and metric are used.
        minutes: no trial is begun that would, by the longest so far, end later; the first two are run in any case.
        out: a TOML file that `engine evaluate --config` reads.
        split: as in `evaluate`.
        trials: at most so many.
        metric: a column of the protocol; empty takes rmse, or NDCG at the protocol's first cut-off.
        seed: of the split and the search.
        config: the settings to start from.

    Raises:
        UnknownNameError: no such method, protocol, split or metric.
        InputError: the method has nothing to tune, or cannot answer; no time.
        DataError: no validation edges, or what `evaluate` raises.
        TrainingError: no choice of settings could be trained.
    """
    asked, start = find_protocol(protocol), config or EvaluationConfig()
    if asked.answers == "related":
        raise InputError(f"{protocol} cannot be tuned for", hint="Protocols about users and items can.")
    known = find_user_method(method)
    if not known.space:
        raise InputError(f"{method} has nothing to tune")
    if not minutes > 0:
        raise InputError(f"minutes must be above 0, not {minutes}")
    columns = metric_names(asked.metrics, asked.ks)
    chosen = metric or next(name for name in columns if name.startswith(("rmse", "ndcg")))
    if chosen not in columns:
        raise InputError(f"{protocol} has no metric {chosen!r}", hint=f"It has: {', '.join(columns)}.")
    numbers = read_numbers(asked.numbers, dict(start.numbers))
    task = UserTask(asked, DatasetFolder.open(folder), numbers, split)
    task.check([method])
    search = _Search(task, method, tuning_split(task.split(seed), numbers.valid_share), chosen, start, out)
    search.run(minutes * 60, trials, seed)
    if search.best is None:
        raise TrainingError(f"no settings of {method} could be trained on this data")
    return TuneReport(method, chosen, tuple(search.trials), search.best)


class _Search:
    def __init__(
        self, task: UserTask, method: str, split: UserItemSplit, metric: str, start: EvaluationConfig, out: Path | None
    ) -> None:
        self.task, self.method, self.split, self.metric, self.start, self.out = task, method, split, metric, start, out
        self.lower = metric in LOWER_IS_BETTER
        self.trials: list[Trial] = []
        self.best: Trial | None = None

    def run(self, budget_s: float, most: int | None, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            direction="minimize" if self.lower else "maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )
        started = time.monotonic()
        with progress(f"Tuning {self.method}", most) as advance:
            self.attempt({})
            advance(1)
            while most is None or len(self.trials) < most:
                longest = max(trial.took_s for trial in self.trials) if len(self.trials) > 1 else 0.0
                if time.monotonic() - started + longest > budget_s and len(self.trials) > 1:
                    break
                trial = study.ask()
                value = self.attempt({name: _suggest(trial, name, of) for name, of in self.space().items()})
                state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
                study.tell(trial, value, state=state)
                advance(1)

    def space(self) -> Mapping[str, Range | OneOf]:
        return find_user_method(self.method).space

    def attempt(self, settings: Settings) -> float | None:
        """Fit and ask; a choice that cannot be trained has no value."""
        started = time.perf_counter()
        configured = {**self.task.configuration(self.method, self.start.sections), **settings}
        value = None
        try:
            fitted = self.task.fit(self.method, configured, self.split, {}, None)
            outcomes, _ = self.task.judge(f"trial {len(self.trials)}", fitted, self.split)
        except TrainingError as error:
            log.info("trial %d, %s: %s", len(self.trials), dict(settings), error.message)
        else:
            name, _, cut = self.metric.partition("@")
            outcome = next(iter(outcomes.values()))
            asked = (f"{name}@k" if cut else name,)
            value = metric_values(outcome, asked, (int(cut or 1),))[self.metric].total()
            log.info("trial %d, %s: %s %.5f", len(self.trials), dict(settings), self.metric, value)
        trial = Trial(dict(settings), value, time.perf_counter() - started)
        self.trials.append(trial)
        if value is not None and (self.best is None or self.better(value)):
            self.best = trial
            self.write(configured)
        return value

    def better(self, value: float) -> bool:
        before = self.best.value if self.best is not None else None
        return before is None or (value < before if self.lower else value > before)

    def write(self, configured: Settings) -> None:
        if self.out is None or self.best is None:
            return
        told = f"# {self.metric} {self.best.value:.5f} on validation, the best of {len(self.trials)} trials so far"
        sections = {"protocol": self.start.numbers, **self.start.sections, self.method: configured}
        lines = [told]
        for name, section in sections.items():
            if section:
                lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _suggest(trial: Any, name: str, of: Range | OneOf) -> Any:
    if isinstance(of, OneOf):
        return trial.suggest_categorical(name, of.values)
    if of.whole:
        return trial.suggest_int(name, int(of.low), int(of.high), log=of.log)
    return trial.suggest_float(name, of.low, of.high, log=of.log)
