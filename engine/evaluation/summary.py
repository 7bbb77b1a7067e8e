"""From runs to figures: means over seeds, their spread, and paired differences. Knows no method and no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.results import PARTS, Run
from engine.models.ranking import Standing

BASELINE = "walks"
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one method: its mean over seeds, the standard deviation between them, and each seed's value."""

    mean: float
    deviation: float
    seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a method's metric exceeds the baseline's on the same pairs, with a 95% bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures: method -> part ("warm", "cold") -> metric -> figure.

    `versus` has the same shape and compares with exact walks on the pairs of the seeds that both ran.
    """

    metrics: tuple[str, ...]
    figures: dict[str, dict[str, dict[str, Figure]]]
    versus: dict[str, dict[str, dict[str, Difference]]]

    def to_json(self) -> dict[str, Any]:
        return {"metrics": list(self.metrics), "table": _plain(self.figures), "versus_walks": _plain(self.versus)}


def metric_values(standing: Standing, ks: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Each metric for each pair, float64 `[P]`: hit@k in the order of `ks`, then mrr."""
    return {**{f"hit@{k}": standing.hit(k) for k in ks}, "mrr": standing.reciprocal_rank()}


def summarise(runs: Sequence[Run], ks: Sequence[int]) -> Summary:
    """Average each method over its seeds and compare it with the baseline, where that ran too."""
    by_method: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        by_method.setdefault(run.method, []).append(run)
    metrics = (*(f"hit@{k}" for k in ks), "mrr")
    figures: dict[str, dict[str, dict[str, Figure]]] = {}
    versus: dict[str, dict[str, dict[str, Difference]]] = {}
    baseline = {run.seed: run for run in by_method.get(BASELINE, [])}
    for method, its in by_method.items():
        for part in PARTS:
            have = [metric_values(run.standing[part], ks) for run in its if part in run.standing]
            if have:
                figures.setdefault(method, {})[part] = {
                    m: _figure([values[m].mean() for values in have]) for m in metrics
                }
            both = [run for run in its if part in run.standing and run.seed in baseline]
            if both and method != BASELINE:
                versus.setdefault(method, {})[part] = _differences(
                    [run.standing[part] for run in both], [baseline[run.seed].standing[part] for run in both], ks
                )
    return Summary(metrics, figures, versus)


def _figure(values: list[float]) -> Figure:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Figure(float(np.mean(values)), spread, tuple(float(v) for v in values))


def _differences(method: list[Standing], baseline: list[Standing], ks: Sequence[int]) -> dict[str, Difference]:
    """Paired bootstrap over pairs, resampled within each seed (Efron and Tibshirani, 1993, chapter 16)."""
    found: dict[str, Difference] = {}
    gains = [
        {m: mine - theirs for (m, mine), theirs in zip(a.items(), b.values(), strict=True)}
        for a, b in zip([metric_values(s, ks) for s in method], [metric_values(s, ks) for s in baseline], strict=True)
    ]
    for metric in gains[0]:
        generator = np.random.default_rng(0)
        drawn = np.mean([_resampled(gain[metric], generator) for gain in gains], axis=0)
        low, high = np.percentile(drawn, [2.5, 97.5])
        mean = float(np.mean([gain[metric].mean() for gain in gains]))
        found[metric] = Difference(mean, float(low), float(high))
    return found


def _resampled(gain: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Means of resamples with replacement, float64 `[RESAMPLES]`."""
    size = len(gain)
    means = [gain[generator.integers(0, size, size)].mean() for _ in range(RESAMPLES)]
    return np.array(means)


def _plain(nested: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    return {
        method: {part: {m: asdict(value) for m, value in values.items()} for part, values in parts.items()}
        for method, parts in nested.items()
    }
