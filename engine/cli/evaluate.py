"""`engine evaluate`: score methods on a data set that has boards, and show the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from engine.evaluation.related import RelatedReport


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Measure how good answers are.")
    group.command("related")(related)
    group.command("methods")(methods)
    app.add_typer(group, name="evaluate")


def methods() -> None:
    """List the methods that can be evaluated."""
    from engine.models.methods import METHODS

    width = max(map(len, METHODS))
    for method in METHODS.values():
        print(f"{method.name:{width}}  {method.about}")


def related(
    data: Annotated[Path, typer.Option(help="A data set folder, as `engine ingest` reads it.")],
    methods: Annotated[str, typer.Option(help="Comma-separated; `engine evaluate methods` lists them.")],
    seeds: Annotated[int, typer.Option(help="How many splits.")] = 3,
    ks: Annotated[str, typer.Option(help="Cut-offs of Hit@k, comma-separated.")] = "10,100,500",
    json: Annotated[Path | None, typer.Option(help="Keep the results here, and go on from what it holds.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML: [protocol] and sections of methods.")] = None,
) -> None:
    """Hold items of boards out and see where each method ranks them; warm items, and cold ones without any edge."""
    from rich.console import Console

    from engine.evaluation.config import read_config
    from engine.evaluation.related import evaluate_related

    names = [name.strip() for name in methods.split(",") if name.strip()]
    report = evaluate_related(
        data,
        names,
        seeds=seeds,
        ks=_numbers(ks),
        json_path=json,
        config=None if config is None else read_config(config),
    )
    console = Console()
    console.print(_table(report))
    for seed, facts in sorted(report.splits.items()):
        console.print(
            f"seed {seed}: " + ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in facts.items())
        )
    if json is not None:
        console.print(f"Results, each answer's standing and the settings: {json}")


def _numbers(text: str) -> list[int]:
    from engine.errors import InputError

    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(f"--ks takes whole numbers with commas between, not {text!r}") from error


def _table(report: RelatedReport) -> Table:
    from rich.table import Table

    from engine.evaluation.results import PARTS

    summary = report.summary
    parts = [part for part in PARTS if any(part in its for its in summary.figures.values())]
    table = Table(title=f"Related items on {report.data}: mean over seeds ± standard deviation", title_justify="left")
    table.add_column("method")
    table.add_column("seeds", justify="right")
    for part in parts:
        for metric in summary.metrics:
            table.add_column(f"{part}\n{metric}", justify="right", no_wrap=True)
    for method, figures in summary.figures.items():
        cells = []
        for part in parts:
            for metric in summary.metrics:
                figure = figures[part][metric] if part in figures else None
                cells.append("-" if figure is None else f"{figure.mean:.3f}±{figure.deviation:.3f}")
        count = max(len(next(iter(its.values())).seeds) for its in figures.values())
        table.add_row(method, str(count), *cells)
    return table
