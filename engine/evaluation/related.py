"""Run methods through the related-items protocol, seed by seed, going on where an earlier call stopped."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.datasets.folder import DatasetFolder
from engine.errors import DataError, InputError
from engine.evaluation.protocol import RelatedProtocol
from engine.evaluation.results import FORMAT, ResultsFile, Run
from engine.evaluation.split import RelatedSplit, split_related
from engine.evaluation.summary import Summary, summarise
from engine.files import sha256_file
from engine.graph.snapshot import Snapshot
from engine.hashing import digest
from engine.models.base import ItemScorer
from engine.models.methods import Method, find_method, with_parts
from engine.models.ranking import stand_all
from engine.progress import progress

log = logging.getLogger("engine.evaluation")

DEFAULT_KS = (10, 100, 500)
VERSIONED = ("graph-recommender-engine", "numpy", "scipy", "scikit-learn", "numba", "torch", "torch-geometric")


@dataclass(frozen=True, slots=True)
class RelatedConfig:
    """What a caller may change.

    Attributes:
        protocol: the numbers of the protocol.
        sections: method or family -> settings.
    """

    protocol: RelatedProtocol = field(default_factory=RelatedProtocol)
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RelatedReport:
    """What an evaluation found.

    Attributes:
        data: name of the data set.
        summary: the figures.
        splits: by seed, the sizes of its split.
        path: the results file, or None.
    """

    data: str
    summary: Summary
    splits: dict[int, dict[str, int]]
    path: Path | None


def evaluate_related(
    folder: Path,
    methods: Sequence[str],
    *,
    seeds: int = 3,
    ks: Sequence[int] = DEFAULT_KS,
    json_path: Path | None = None,
    config: RelatedConfig | None = None,
) -> RelatedReport:
    """Evaluate methods on a data set folder. A run that `json_path` already holds is not repeated.

    Args:
        methods: names; `engine.models.methods.METHODS` lists them.
        seeds: how many splits, with the seeds 0 to seeds - 1.
        ks: cut-offs of Hit@k.
        json_path: where results are kept, after each run; models may keep checkpoints beside it, in NAME.work.

    Raises:
        UnknownNameError: a method that does not exist.
        InputError: no method, no seed, or a cut-off below 1; a results file of something else.
        DataError: the folder is missing or wrong, or no board has enough items.
        EmptyGraphError: no items or no edges.
        TrainingError: a method cannot learn from this data.
    """
    chosen = _check(methods, seeds, ks)
    settings = config or RelatedConfig()
    data = DatasetFolder.open(folder)
    subject = {
        "protocol": settings.protocol.describe(),
        "data": {"name": data.name, "files": _digests(data)},
    }
    results = ResultsFile.open(json_path, subject)
    runner = _Runner(data, settings, results, tuple(ks))
    for seed in range(seeds):
        runner.run(chosen, seed)
    summary = runner.write()
    return RelatedReport(data.name, summary, dict(results.splits), json_path)


def _digests(data: DatasetFolder) -> dict[str, str]:
    """File -> SHA-256 of everything the data set is made of."""
    files = [data.spec.path]
    for table in data.spec.tables.values():
        files += [*table.files, *(path for paths in table.vectors.values() for path in paths)]
    return {str(path.relative_to(data.path)): sha256_file(path) for path in sorted(set(files))}


def _check(methods: Sequence[str], seeds: int, ks: Sequence[int]) -> list[Method]:
    if not methods:
        raise InputError("no method is named", hint="For instance --methods popularity,content,walks.")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, not {seeds}")
    if not ks or any(k < 1 for k in ks):
        raise InputError(f"every k must be at least 1, not {', '.join(map(str, ks)) or 'nothing'}")
    return [find_method(name) for name in dict.fromkeys(methods)]


class _Runner:
    def __init__(self, data: DatasetFolder, config: RelatedConfig, results: ResultsFile, ks: tuple[int, ...]) -> None:
        self.data, self.config, self.results, self.ks = data, config, results, ks
        self.snapshot: Snapshot | None = None

    def key(self, method: Method, seed: int) -> str:
        """Digest of what the figures depend on; a blend depends on its parts' settings too."""
        configs = {name: find_method(name).configuration(self.config.sections) for name in with_parts([method.name])}
        return digest([FORMAT, self.results.subject, configs, seed])

    def run(self, methods: list[Method], seed: int) -> None:
        """Do what is missing for one seed."""
        missing = [m for m in methods if not self.results.has(m.name, seed, self.key(m, seed))]
        for method in methods:
            if method not in missing:
                log.info("seed %d, %s: already in the results file", seed, method.name)
        if not missing:
            return
        split = self.split(seed)
        fitted: dict[str, ItemScorer] = {}
        for name in with_parts([method.name for method in missing]):
            method = find_method(name)
            started = time.perf_counter()
            fitted[name] = self.fit(method, split, {part: fitted[part] for part in method.parts})
            if method in missing:
                self.results.add(self.judge(method, split, fitted[name], time.perf_counter() - started))
                self.write()

    def split(self, seed: int) -> RelatedSplit:
        if self.snapshot is None:
            with progress("Reading the data set") as advance:
                self.snapshot = Snapshot.from_dataset(self.data)
                advance(1)
        split = split_related(self.snapshot, self.config.protocol, seed)
        if not len(split.test) and not len(split.cold):
            raise DataError(
                "the split has no test pairs", hint="Give the protocol a larger share, or the data more boards."
            )
        self.results.splits[seed] = split.facts()
        return split

    def fit(self, method: Method, split: RelatedSplit, parts: dict[str, ItemScorer]) -> ItemScorer:
        seed = split.training.seed
        scorer = method.make(method.configuration(self.config.sections), parts)
        workdir = None
        if self.results.path is not None:
            name = f"{method.name}-{seed}-{self.key(method, seed)[:12]}"
            workdir = self.results.path.with_suffix(".work") / name
        log.info("seed %d, %s: fitting", seed, method.name)
        scorer.fit(replace(split.training, workdir=workdir))
        return scorer

    def judge(self, method: Method, split: RelatedSplit, scorer: ItemScorer, fit_s: float) -> Run:
        seed = split.training.seed
        started = time.perf_counter()
        parts = {"warm": split.test.pairs, "cold": split.cold.pairs}
        with progress(f"seed {seed}, {method.name}: ranking", sum(map(len, parts.values()))) as advance:
            standing = {
                part: stand_all(scorer.score, pairs, advance=advance) for part, pairs in parts.items() if len(pairs)
            }
        return Run(
            method=method.name,
            seed=seed,
            key=self.key(method, seed),
            standing=standing,
            config=method.configuration(self.config.sections),
            report=scorer.report(),
            fit_s=round(fit_s, 2),
            score_s=round(time.perf_counter() - started, 2),
        )

    def write(self) -> Summary:
        summary = summarise(list(self.results.runs.values()), self.ks)
        self.results.write({**summary.to_json(), "hardware": _hardware(), "versions": _versions()})
        return summary


def _hardware() -> dict[str, Any]:
    import psutil

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


__all__ = ["DEFAULT_KS", "RelatedConfig", "RelatedReport", "evaluate_related"]
