"""An evaluation on the terminal: a table for each part, one of what the lists are like, and the differences."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from engine.evaluation.beyond import FIGURES
from engine.evaluation.run import EvaluationReport
from engine.evaluation.summary import Figure


def show(report: EvaluationReport) -> None:
    """Print the tables, the sizes of the splits, and where the results are."""
    console, summary = Console(), report.summary
    console.print(f"{report.protocol.name} on {report.data}: mean over seeds ± standard deviation between them")
    for part in summary.parts():
        console.print(_figures(report, part))
    if summary.beyond:
        console.print(_lists(report))
    if summary.versus:
        console.print(_differences(report))
    if report.protocol.old:
        console.print("Sampled candidates: kept so that figures can stand beside old tables; prefer full-ranking.")
    for seed, facts in sorted(report.splits.items()):
        sizes = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in facts.items())
        console.print(f"seed {seed}: {sizes}", style="dim")
    if report.path is not None:
        console.print(f"Results, each answer and the settings: {report.path}")


def _new(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True, header_style="dim")
    return table


def _figures(report: EvaluationReport, part: str) -> Table:
    metrics = report.summary.metrics
    table = _new(f"\n{part}", "method", "seeds", *metrics)
    for method, parts in report.summary.figures.items():
        if part in parts:
            figures = [parts[part][metric] for metric in metrics]
            table.add_row(method, str(len(figures[0].seeds)), *(_cell(figure) for figure in figures))
    return table


def _cell(figure: Figure) -> str:
    mean = f"{figure.mean:.4f}".removeprefix("0")
    return mean if len(figure.seeds) < 2 else f"{mean}±{f'{figure.deviation:.4f}'.removeprefix('0')}"


def _lists(report: EvaluationReport) -> Table:
    beyond = report.summary.beyond
    length = report.subject["protocol"]["numbers"]["list_length"]
    table = _new(f"\nlists of {length}", "method", *FIGURES)
    for method, its in beyond.items():
        table.add_row(method, *(f"{its[name].mean:,.3f}" for name in FIGURES))
    return table


def _differences(report: EvaluationReport) -> Table:
    summary = report.summary
    table = _new(f"\nagainst {summary.baseline}", "method", "part", "metric", "difference", "95% of resamples")
    for method, parts in summary.versus.items():
        for part, metrics in parts.items():
            name, found = next(iter(metrics.items()))
            table.add_row(method, part, name, f"{found.mean:+.4f}", f"{found.low:+.4f} to {found.high:+.4f}")
    return table
