"""`engine evaluate`: score methods by a protocol on a data set, and show the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from engine.evaluation.run import EvaluationReport

PROTOCOLS = (
    "rating", "full-ranking", "sampled-ranking", "leave-last-out", "cold-users", "cold-items", "related"
)  # fmt: skip
"""Named here so that the command line starts without loading them."""


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Measure how good answers are.")
    group.command("protocols")(protocols)
    group.command("methods")(methods)
    for name in PROTOCOLS:
        group.command(
            name, help=f"Evaluate methods by the protocol {name}; `engine evaluate protocols` says what it is."
        )(_command(name))
    app.add_typer(group, name="evaluate")


def protocols() -> None:
    """List the protocols: what each asks, where it comes from."""
    from engine.evaluation.protocols import PROTOCOLS as known

    width = max(map(len, known))
    for protocol in known.values():
        print(f"{protocol.name:{width}}  {protocol.about}")
        print(f"{'':{width}}  {protocol.source}")


def methods() -> None:
    """List the methods that can be evaluated, and by which kind of protocol."""
    from engine.models.methods import METHODS
    from engine.models.user_methods import USER_METHODS

    width = max(map(len, [*METHODS, *USER_METHODS]))
    print("about users and items (rating, ranking, cold users and items, leave-last-out)")
    for method in USER_METHODS.values():
        print(f"  {method.name:{width}}  {method.about} [{', '.join(sorted(method.answers))}]")
    print("about related items (related)")
    for related in METHODS.values():
        print(f"  {related.name:{width}}  {related.about}")


def _command(protocol: str) -> Callable[..., None]:
    def run(
        data: Annotated[Path, typer.Option(help="A data set folder, as `engine ingest` reads it.")],
        methods: Annotated[str, typer.Option(help="Comma-separated; `engine evaluate methods` lists them.")],
        split: Annotated[str, typer.Option(help="A folder below splits/, or random, time or user to draw one.")] = "",
        seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
        ks: Annotated[str, typer.Option(help="Cut-offs, comma-separated; the protocol's own unless given.")] = "",
        json: Annotated[Path | None, typer.Option(help="Keep the results here, and go on from what it holds.")] = None,
        config: Annotated[
            list[Path] | None,
            typer.Option(help="TOML: [protocol] and sections of methods; may be given several times."),
        ] = None,
        html: Annotated[Path | None, typer.Option(help="Write a report with plots here.")] = None,
        against: Annotated[str, typer.Option(help="Compare the others with this method.")] = "",
    ) -> None:
        from engine.evaluation.config import read_configs
        from engine.evaluation.run import evaluate

        report = evaluate(
            protocol,
            data,
            [name.strip() for name in methods.split(",") if name.strip()],
            split=split,
            seeds=seeds,
            ks=_numbers(ks),
            json_path=json,
            config=read_configs(config or []),
            baseline=against,
        )
        _show(report)
        if html is not None:
            from engine.evaluation.report import write_html

            write_html(report, html)
            print(f"Report: {html}")

    return run


def _show(report: EvaluationReport) -> None:
    from rich.console import Console

    console = Console()
    console.print(_table(report))
    if report.protocol.old:
        console.print("Sampled candidates: kept so that figures can stand beside old tables; prefer full-ranking.")
    for seed, facts in sorted(report.splits.items()):
        console.print(
            f"seed {seed}: " + ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in facts.items())
        )
    for method, parts in report.summary.versus.items():
        for part, metrics in parts.items():
            name, found = next(iter(metrics.items()))
            console.print(
                f"{method} - {report.summary.baseline}, {part} {name}: {found.mean:+.4f} "
                f"(95% of resamples: {found.low:+.4f} to {found.high:+.4f})"
            )
    if report.path is not None:
        console.print(f"Results, each answer and the settings: {report.path}")


def _numbers(text: str) -> list[int]:
    from engine.errors import InputError

    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(f"--ks takes whole numbers with commas between, not {text!r}") from error


def _table(report: EvaluationReport) -> Table:
    from rich.table import Table

    summary, parts = report.summary, report.summary.parts()
    about = f"{report.protocol.name} on {report.data}: mean over seeds ± standard deviation"
    table = Table(title=about, title_justify="left")
    table.add_column("method")
    table.add_column("seeds", justify="right")
    for part in parts:
        for metric in summary.metrics:
            table.add_column(f"{part}\n{metric}", justify="right", no_wrap=True)
    beyond = list(next(iter(summary.beyond.values()), {}))
    for name in beyond:
        table.add_column(f"lists\n{name}", justify="right", no_wrap=True)
    for method, figures in summary.figures.items():
        cells = []
        for part in parts:
            for metric in summary.metrics:
                figure = figures[part][metric] if part in figures else None
                cells.append("-" if figure is None else f"{figure.mean:.4f}±{figure.deviation:.4f}")
        listed = summary.beyond.get(method, {})
        cells += [f"{listed[name].mean:.3f}" if name in listed else "-" for name in beyond]
        count = max(len(next(iter(its.values())).seeds) for its in figures.values())
        table.add_row(method, str(count), *cells)
    return table
