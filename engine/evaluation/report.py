"""An evaluation as one self-contained HTML file. Knows reports and pictures; asks no method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.evaluation.beyond import FIGURES
from engine.evaluation.outcome import LOWER_IS_BETTER, Outcome
from engine.evaluation.pictures import (
    cut_off_curves,
    difference_lines,
    error_share,
    is_ranked,
    metric_bars,
    rating_lines,
    short,
    trade_off,
)
from engine.evaluation.pictures_inside import attention_shares, by_number, training_curves
from engine.evaluation.run import EvaluationReport
from engine.files import atomic_file

TEMPLATE = "report.html.j2"
MOST_LINES = 12
"""Curves of more methods than this cannot be told apart; the first so many are drawn."""


@dataclass(frozen=True, slots=True)
class Row:
    """One method of a part's table.

    Attributes:
        cells: "mean ± deviation" in the order of the metrics; `best` says which are the best of their column.
        seeds: how many.
        fit_s, score_s: mean seconds.
    """

    method: str
    cells: tuple[str, ...]
    best: tuple[bool, ...]
    seeds: int
    fit_s: float
    score_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a protocol (such as warm and cold) found: a table and its pictures as (caption, data URI)."""

    name: str
    rows: tuple[Row, ...]
    wide: tuple[tuple[str, str], ...]
    pairs: tuple[tuple[str, str], ...]


def write_html(report: EvaluationReport, path: Path) -> None:
    """Write the report.

    Raises:
        DiskFullError: no space left; what was there is unharmed.
    """
    html = render(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def render(report: EvaluationReport) -> str:
    """The report as HTML; nothing in it points outside the file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = lambda value: f"{value:,.3f}"
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment.get_template(TEMPLATE).render(
        report=report,
        parts=[_part(report, name) for name in report.summary.parts()],
        insides=_insides(report),
        listed=FIGURES if report.summary.beyond else (),
        configs={run.method: run.config for run in report.runs},
    )


def _part(report: EvaluationReport, name: str) -> Part:
    summary = report.summary
    figures = {method: parts[name] for method, parts in summary.figures.items() if name in parts}
    best = {
        metric: (min if metric in LOWER_IS_BETTER else max)(its[metric].mean for its in figures.values())
        for metric in summary.metrics
    }
    rows = tuple(
        Row(
            method=method,
            cells=tuple(
                _cell(its[metric].mean, its[metric].deviation, len(its[metric].seeds)) for metric in summary.metrics
            ),
            best=tuple(its[metric].mean == best[metric] for metric in summary.metrics),
            seeds=len(its[summary.metrics[0]].seeds),
            fit_s=_mean([run.fit_s for run in report.runs if run.method == method]),
            score_s=_mean([run.score_s for run in report.runs if run.method == method]),
        )
        for method, its in figures.items()
    )
    outcomes = {
        method: [run.outcomes[name] for run in report.runs if run.method == method and name in run.outcomes]
        for method in list(figures)[:MOST_LINES]
    }
    wide = [("Means, with the spread over seeds", metric_bars(figures, summary.metrics, lower=LOWER_IS_BETTER))]
    versus = {method: parts[name] for method, parts in summary.versus.items() if name in parts}
    if versus:
        told = difference_lines(versus, headline(summary.metrics), summary.baseline)
        wide.append(("Paired bootstrap over the same questions", told))
    return Part(name, rows, tuple(wide), (*_pairs(report, name, outcomes), *_by_user(report, name)))


def _by_user(report: EvaluationReport, name: str) -> list[tuple[str, str]]:
    """The headline metric against how many items, and friends, a user has."""
    found = []
    metric = headline(report.summary.metrics)
    for what, caption in (
        ("items", "For users with few items and with many"),
        ("friends", "Without friends and with many"),
    ):
        methods: dict[str, list[Any]] = {}
        order = list(report.summary.figures)
        for run in sorted(report.runs, key=lambda one: order.index(one.method)):
            buckets = run.report.get("by_user", {}).get(name, {}).get(what)
            if buckets and all(metric in one["metrics"] for one in buckets):
                methods.setdefault(run.method, []).append(buckets)
        if methods:
            found.append((caption, by_number(dict(list(methods.items())[:MOST_LINES]), metric, what)))
    return found


def _insides(report: EvaluationReport) -> list[tuple[str, str]]:
    """How methods were trained, and what they attend to, by the first seed of each."""
    first: dict[str, dict[str, Any]] = {}
    order = list(report.summary.figures)
    for run in sorted(report.runs, key=lambda one: order.index(one.method)):
        first.setdefault(run.method, run.report)
    curves = {method: its["training"] for method, its in first.items() if _has_curve(its.get("training"))}
    found = []
    if curves:
        found.append(("Training, epoch by epoch", training_curves(dict(list(curves.items())[:MOST_LINES]))))
    for method, its in first.items():
        if its.get("attention"):
            caption = f"What {method} attends to, hop by hop; dashed: if it attended to all alike"
            found.append((caption, attention_shares(its["attention"])))
    return found


def _has_curve(training: Any) -> bool:
    """Whether there is a line to draw: results of an older version keep the last losses only."""
    if not isinstance(training, dict):
        return False
    losses = training.get("losses", ())
    return len(losses) > 1 and len(losses) == training.get("epochs", len(losses))


def headline(metrics: Sequence[str]) -> str:
    """The metric that stands for all."""
    return next((metric for metric in metrics if metric.startswith("ndcg")), metrics[0])


def _pairs(report: EvaluationReport, name: str, outcomes: dict[str, list[Outcome]]) -> list[tuple[str, str]]:
    summary = report.summary
    if not all(is_ranked(its) for its in outcomes.values()):
        return [
            ("What was predicted for each rating", rating_lines(outcomes)),
            ("How far predictions are off", error_share(outcomes)),
        ]
    metric, _, _ = next((m for m in summary.metrics if "@" in m), summary.metrics[0]).partition("@")
    found = [("At growing cut-offs", cut_off_curves(outcomes, metric))]
    if summary.beyond and name == summary.parts()[0]:
        first = summary.metrics[0]
        accuracy = {method: summary.figures[method][name][first].mean for method in summary.beyond}
        coverage = {method: its["coverage"].mean for method, its in summary.beyond.items()}
        found.append(
            ("Right, and how much of the catalogue is shown", trade_off(accuracy, coverage, first, "coverage"))
        )
    return found


def _cell(mean: float, deviation: float, seeds: int) -> str:
    return f"{short(mean)} ± {short(deviation)}" if seeds > 1 else short(mean)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
