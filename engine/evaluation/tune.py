"""Search a method's settings on validation edges, within a time budget. Test edges play no part.

The validation edges become what is asked for, and what training keeps is carved anew, so that a method's own early stopping sees
neither. The only module that knows Optuna.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.datasets.folder import DatasetFolder
from engine.errors import CorruptFileError, InputError, TrainingError
from engine.evaluation.config import EvaluationConfig
from engine.evaluation.environment import code
from engine.evaluation.numbers import read_numbers
from engine.evaluation.outcome import LOWER_IS_BETTER, metric_names, metric_values
from engine.evaluation.protocols import find_protocol
from engine.evaluation.user_split import UserItemSplit, tuning_split
from engine.evaluation.user_task import UserTask
from engine.files import atomic_file, write_json
from engine.hashing import digest
from engine.models.methods import Settings
from engine.models.user_method import OneOf, Range
from engine.models.user_methods import USER_METHODS, find_user_method
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
    """Try settings until the time is over; what is best so far is in `out` at any time, and all trials are beside it.

    The same call goes on from the trials that are there already; trials of another search are left behind.

    Args:
        protocol: whose split, question and metric are used.
        minutes: no trial is begun that would, by the longest so far, end later; the first two are run in any case. Trials
            of earlier calls take none of it.
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
        others = ", ".join(name for name, one in USER_METHODS.items() if one.space)
        raise InputError(f"{method} has nothing to tune", hint=f"These have: {others}.")
    if not minutes > 0:
        raise InputError(f"minutes must be above 0, not {minutes}")
    columns = metric_names(asked.metrics, asked.ks)
    chosen = metric or next(name for name in columns if name.startswith(("rmse", "ndcg")))
    if chosen not in columns:
        raise InputError(f"{protocol} has no metric {chosen!r}", hint=f"It has: {', '.join(columns)}.")
    numbers = read_numbers(asked.numbers, dict(start.numbers))
    task = UserTask(asked, DatasetFolder.open(folder), numbers, split)
    task.check([method])
    of = [
        code(),
        folder.resolve(),
        method,
        protocol,
        task.split_name,
        numbers,
        start.sections,
        seed,
        chosen,
        known.space,
    ]
    kept = None if out is None else KeptTrials.open(out.with_suffix(".trials.json"), digest(of))
    search = _Search(task, method, tuning_split(task.split(seed), numbers.valid_share), chosen, start, out, kept)
    search.run(minutes * 60, trials, seed)
    if search.best is None:
        raise TrainingError(f"no settings of {method} could be trained on this data")
    return TuneReport(method, chosen, tuple(search.trials), search.best)


@dataclass(slots=True)
class KeptTrials:
    """The trials of one search, kept in a file.

    Attributes:
        path: the file.
        search: digest of what makes two searches the same.
        trials: in order.
    """

    path: Path
    search: str
    trials: list[Trial] = field(default_factory=list)

    @staticmethod
    def open(path: Path, search: str) -> KeptTrials:
        """Read the trials of this search; none where the file is missing or of another search.

        Raises:
            CorruptFileError: it is there and holds no trials.
        """
        if not path.exists():
            return KeptTrials(path, search)
        try:
            found = json.loads(path.read_text())
            trials = [Trial(**trial) for trial in found["trials"]] if found["search"] == search else []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(
                f"{path} holds no trials ({type(error).__name__}: {error})", hint="Delete it, or choose another --out."
            ) from error
        return KeptTrials(path, search, trials)

    def add(self, trial: Trial) -> None:
        """Keep one more.

        Raises:
            DiskFullError: no space left; the file is as it was.
        """
        self.trials.append(trial)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"search": self.search, "trials": [asdict(one) for one in self.trials]})


class _Search:
    def __init__(
        self,
        task: UserTask,
        method: str,
        split: UserItemSplit,
        metric: str,
        start: EvaluationConfig,
        out: Path | None,
        kept: KeptTrials | None,
    ) -> None:
        self.task, self.method, self.split, self.metric, self.start, self.out = task, method, split, metric, start, out
        self.lower = metric in LOWER_IS_BETTER
        self.kept = kept
        self.trials: list[Trial] = [] if kept is None else list(kept.trials)
        self.best: Trial | None = None
        for trial in self.trials:
            if self.better(trial):
                self.best = trial

    def run(self, budget_s: float, most: int | None, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # A search that goes on must not draw again what it drew first.
        sampler = optuna.samplers.TPESampler(seed=seed + len(self.trials))
        study = optuna.create_study(direction="minimize" if self.lower else "maximize", sampler=sampler)
        ranges = {name: _distribution(of) for name, of in find_user_method(self.method).space.items()}
        for trial in self.trials:
            if trial.settings and trial.value is not None:
                study.add_trial(
                    optuna.trial.create_trial(params=dict(trial.settings), distributions=ranges, value=trial.value)
                )
        started, before = time.monotonic(), len(self.trials)
        with progress(f"Tuning {self.method}", most) as advance:
            advance(before)
            while most is None or len(self.trials) < most:
                longest = max((trial.took_s for trial in self.trials[1:]), default=0.0)
                if time.monotonic() - started + longest > budget_s and len(self.trials) > 1:
                    break
                if not self.trials:
                    self.attempt({})
                else:
                    asked = study.ask(ranges)
                    value = self.attempt(asked.params)
                    state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
                    study.tell(asked, value, state=state)
                advance(1)

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
        if self.better(trial):
            self.best = trial
            self.write(configured)
        if self.kept is not None:
            self.kept.add(trial)
        return value

    def better(self, trial: Trial) -> bool:
        """Than the best so far."""
        if trial.value is None or self.best is None or self.best.value is None:
            return trial.value is not None
        return trial.value < self.best.value if self.lower else trial.value > self.best.value

    def write(self, configured: Settings) -> None:
        if self.out is None or self.best is None:
            return
        told = f"# {self.metric} {self.best.value:.5f} on validation, the best of {len(self.trials)} trials so far"
        sections = {"protocol": self.start.numbers, **self.start.sections, self.method: configured}
        lines = [told]
        for name, section in sections.items():
            if section:
                lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.items())]
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _distribution(of: Range | OneOf) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(of, OneOf):
        return CategoricalDistribution(of.values)
    if of.whole:
        return IntDistribution(int(of.low), int(of.high), log=of.log)
    return FloatDistribution(of.low, of.high, log=of.log)


def _toml(value: Any) -> str:
    """A value as TOML writes it; a section within a section stays on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)
