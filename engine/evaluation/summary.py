"""From runs to figures: means over seeds, their spread, and paired differences. Knows no method and no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.evaluation.bootstrap import Difference, differences
from engine.evaluation.outcome import metric_names, metric_values
from engine.evaluation.results import Run


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one method: its mean over seeds, the standard deviation between them, and each seed's value."""

    mean: float
    deviation: float
    seeds: tuple[float, ...]

    @staticmethod
    def of(values: Sequence[float]) -> Figure:
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return Figure(float(np.mean(values)), spread, tuple(float(v) for v in values))


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures.

    Attributes:
        metrics: the names, in order.
        figures: method -> part (such as "warm" and "cold") -> metric -> figure.
        beyond: method -> what its lists are like beyond accuracy -> figure.
        baseline: the method that `versus` compares with.
        versus: method -> part -> metric -> how much it exceeds the baseline on what both ran.
    """

    metrics: tuple[str, ...]
    figures: dict[str, dict[str, dict[str, Figure]]]
    beyond: dict[str, dict[str, Figure]]
    baseline: str
    versus: dict[str, dict[str, dict[str, Difference]]]

    def parts(self) -> list[str]:
        """The parts that any method has figures of, in order."""
        return list(dict.fromkeys(part for its in self.figures.values() for part in its))

    def to_json(self) -> dict[str, Any]:
        return {
            "metrics": list(self.metrics),
            "table": _plain(self.figures),
            "beyond": _plain(self.beyond),
            "versus": {"baseline": self.baseline, "table": _plain(self.versus)},
        }


def summarise(
    runs: Sequence[Run], metrics: Sequence[str], ks: Sequence[int], baseline: str = "", *, compare: bool = True
) -> Summary:
    """Average each method over its seeds and compare it with the baseline, where that ran too.

    Args:
        metrics: as `outcome.metric_values` takes them.
        compare: without it nothing is compared, which takes the longest.
    """
    by_method: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        by_method.setdefault(run.method, []).append(run)
    values = {
        (run.method, run.seed, part): metric_values(outcome, metrics, ks)
        for run in runs
        for part, outcome in run.outcomes.items()
    }
    figures: dict[str, dict[str, dict[str, Figure]]] = {}
    beyond: dict[str, dict[str, Figure]] = {}
    versus: dict[str, dict[str, dict[str, Difference]]] = {}
    for method, its in by_method.items():
        parts = dict.fromkeys(part for run in its for part in run.outcomes)
        for part in parts:
            have = [values[method, run.seed, part] for run in its if part in run.outcomes]
            figures.setdefault(method, {})[part] = {
                name: Figure.of([its_values[name].total() for its_values in have]) for name in metric_names(metrics, ks)
            }
            both = [
                run.seed for run in its if (method, run.seed, part) in values and (baseline, run.seed, part) in values
            ]
            if compare and both and method != baseline:
                versus.setdefault(method, {})[part] = differences(
                    [values[method, seed, part] for seed in both], [values[baseline, seed, part] for seed in both]
                )
        listed = [run.beyond for run in its if run.beyond]
        if listed:
            beyond[method] = {name: Figure.of([one[name] for one in listed]) for name in listed[0]}
    return Summary(tuple(metric_names(metrics, ks)), figures, beyond, baseline, versus)


def _plain(nested: Any) -> Any:
    if isinstance(nested, dict):
        return {name: _plain(value) for name, value in nested.items()}
    return asdict(nested)
