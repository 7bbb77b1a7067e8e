"""Run methods through a protocol, seed by seed, going on where an earlier call stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.datasets.folder import DatasetFolder
from engine.errors import InputError
from engine.evaluation.config import EvaluationConfig
from engine.evaluation.environment import code, hardware, versions
from engine.evaluation.numbers import read_numbers
from engine.evaluation.protocols import EvaluationProtocol, find_protocol
from engine.evaluation.related_task import RelatedTask
from engine.evaluation.results import FORMAT, ResultsFile, Run
from engine.evaluation.summary import Summary, summarise
from engine.evaluation.task import Task
from engine.evaluation.user_task import UserTask
from engine.files import sha256_file
from engine.hashing import digest

log = logging.getLogger("engine.evaluation")


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What an evaluation found.

    Attributes:
        protocol: what was asked.
        subject: the protocol and the data in full, as the results file keeps them.
        summary: the figures.
        runs: what they are made of.
        splits: by seed, the sizes of its split.
        path: the results file, or None.
    """

    protocol: EvaluationProtocol
    subject: dict[str, Any]
    summary: Summary
    runs: tuple[Run, ...]
    splits: dict[int, dict[str, int]]
    path: Path | None

    @property
    def data(self) -> str:
        """Name of the data set."""
        return str(self.subject["data"]["name"])


def evaluate(
    protocol: str,
    folder: Path,
    methods: Sequence[str],
    *,
    split: str = "",
    seeds: int = 3,
    ks: Sequence[int] = (),
    json_path: Path | None = None,
    config: EvaluationConfig | None = None,
    baseline: str = "",
) -> EvaluationReport:
    """Evaluate methods on a data set folder. A run that `json_path` already holds is not repeated.

    Args:
        protocol: a name of `engine.evaluation.protocols.PROTOCOLS`.
        methods: names of `engine.models.user_methods.USER_METHODS`; for `related` of `engine.models.methods.METHODS`.
        split: an official split of the folder, or a way to draw one; empty takes the only one, or the protocol's own way.
        seeds: how many seeds, 0 to seeds - 1; each draws its split and everything random in a method.
        ks: cut-offs; empty takes the protocol's.
        json_path: where results are kept, after each run; models may keep checkpoints beside it, in NAME.work.
        baseline: the method that others are compared with; empty takes the protocol's.

    Raises:
        UnknownNameError: a protocol, method or split that does not exist.
        InputError: no method, no seed, or a cut-off below 1; a method that cannot answer; a results file of something else.
        ConfigError: a number of the protocol is wrong.
        DataError: the folder is missing or wrong, or holds nothing that the protocol can ask.
        EmptyGraphError: no items or no edges.
        TrainingError: a method cannot learn from this data.
    """
    chosen, settings = find_protocol(protocol), config or EvaluationConfig()
    cuts = tuple(ks) or chosen.ks
    names = _check(methods, seeds, cuts)
    numbers = read_numbers(chosen.numbers, dict(settings.numbers))
    data = DatasetFolder.open(folder)
    task = open_task(chosen, data, numbers, split)
    task.check([*names, baseline] if baseline else names)
    subject = {
        "protocol": chosen.describe(numbers, task.split_name),
        "data": {"name": data.name, "files": _digests(data, task)},
        "version": {"engine": versions()["graph-recommender-engine"], "code": code()},
    }
    results = ResultsFile.open(json_path, subject)
    runner = _Runner(chosen, task, settings, results, names, cuts, baseline or chosen.baseline)
    for seed in range(seeds):
        runner.run(seed)
    summary = runner.write(compare=True)
    return EvaluationReport(
        chosen,
        subject,
        summary,
        tuple(results.runs[key] for key in sorted(results.runs)),
        dict(results.splits),
        json_path,
    )


def open_task(protocol: EvaluationProtocol, data: DatasetFolder, numbers: Any, split: str = "") -> Task:
    """The protocol on a data set.

    Raises:
        UnknownNameError, InputError: the split does not exist, must be named, or may not be.
    """
    if protocol.answers == "related":
        if split:
            raise InputError(f"{protocol.name} draws its own split; it takes no split {split!r}")
        return RelatedTask(data, numbers)
    return UserTask(protocol, data, numbers, split)


def _digests(data: DatasetFolder, task: Task) -> dict[str, str]:
    """File -> SHA-256 of everything the figures may depend on."""
    files = (
        [data.spec.path, *sorted((data.path / "splits" / task.split_name).glob("*.csv"))]
        if task.split_name
        else [data.spec.path]
    )
    for table in data.spec.tables.values():
        files += [*table.files, *(path for paths in table.vectors.values() for path in paths)]
    return {str(path.relative_to(data.path)): sha256_file(path) for path in sorted(set(files))}


def _check(methods: Sequence[str], seeds: int, ks: Sequence[int]) -> list[str]:
    if not methods:
        raise InputError("no method is named", hint="`engine evaluate methods` lists them.")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, not {seeds}")
    if any(k < 1 for k in ks):
        raise InputError(f"every k must be at least 1, not {', '.join(map(str, ks))}")
    return list(dict.fromkeys(methods))


class _Runner:
    def __init__(
        self,
        protocol: EvaluationProtocol,
        task: Task,
        config: EvaluationConfig,
        results: ResultsFile,
        names: list[str],
        ks: tuple[int, ...],
        baseline: str,
    ) -> None:
        self.protocol, self.task, self.config, self.results = protocol, task, config, results
        self.names, self.ks, self.baseline = names, ks, baseline

    def key(self, name: str, seed: int) -> str:
        """Digest of what the figures depend on; a blend depends on its parts' settings too."""
        configs = {part: self.task.configuration(part, self.config.sections) for part in self.task.with_parts([name])}
        return digest([FORMAT, self.results.subject, configs, seed])

    def run(self, seed: int) -> None:
        """Do what is missing for one seed."""
        missing = [name for name in self.names if not self.results.has(name, seed, self.key(name, seed))]
        for name in self.names:
            if name not in missing:
                log.info("seed %d, %s: already in the results file", seed, name)
        if not missing:
            return
        split = self.task.split(seed)
        self.results.splits[seed] = split.facts()
        fitted: dict[str, Any] = {}
        for name in self.task.with_parts(missing):
            settings = self.task.configuration(name, self.config.sections)
            log.info("seed %d, %s: fitting", seed, name)
            started = time.perf_counter()
            fitted[name] = self.task.fit(name, settings, split, fitted, self.workdir(name, seed))
            if name in missing:
                self.results.add(self.judge(name, settings, split, seed, fitted[name], time.perf_counter() - started))
                self.write()

    def workdir(self, name: str, seed: int) -> Path | None:
        if self.results.path is None:
            return None
        return self.results.path.with_suffix(".work") / f"{name}-{seed}-{self.key(name, seed)[:12]}"

    def judge(self, name: str, settings: dict[str, Any], split: Any, seed: int, fitted: Any, fit_s: float) -> Run:
        started = time.perf_counter()
        outcomes, beyond = self.task.judge(f"seed {seed}, {name}", fitted, split)
        return Run(
            method=name,
            seed=seed,
            key=self.key(name, seed),
            outcomes=outcomes,
            beyond=beyond,
            config=settings,
            report={
                **fitted.report(),
                **self.task.inside(fitted, split, outcomes, self.protocol.metrics, self.ks),
            },
            fit_s=round(fit_s, 2),
            score_s=round(time.perf_counter() - started, 2),
        )

    def write(self, *, compare: bool = False) -> Summary:
        place = {name: at for at, name in enumerate(self.names)}
        runs = sorted(self.results.runs.values(), key=lambda run: place.get(run.method, len(place)))
        summary = summarise(runs, self.protocol.metrics, self.ks, self.baseline, compare=compare)
        self.results.write({**summary.to_json(), "hardware": hardware(), "versions": versions()})
        return summary
