"""`engine ingest`: load a data set folder into the graph."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from engine.graph.ingest import IngestReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ingest)


def ingest(
    folder: Annotated[Path, typer.Argument(help="A folder with dataset.toml and its CSV or Parquet files.")],
    max_rejects: Annotated[int, typer.Option(min=0, help="Bad rows allowed for each file; they are left out.")] = 0,
    rejects: Annotated[Path | None, typer.Option(help="Where to list bad rows, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Load a data set into the graph. Loading it again changes nothing; after an interruption it goes on."""
    from engine.datasets.folder import DatasetFolder
    from engine.graph import ingest as loading
    from engine.graph.connection import Graph
    from engine.settings import load_settings

    settings = load_settings()
    DatasetFolder.open(folder)  # a wrong folder is said at once, and starts no server
    with Graph.connect(settings) as graph:
        report = loading.ingest(graph, settings, folder, max_rejects=max_rejects, rejects_path=rejects)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(report), default=str))
        return
    _show(report)


def _show(report: IngestReport) -> None:
    if report.unchanged:
        typer.echo(f"already loaded, and the graph is as it was: nothing to do (rev {report.rev})")
        return
    for table, rows in report.rows.items():
        changed = report.changed.get(table)
        left_out = report.repeated.get(table, 0)
        written = "loaded before" if changed is None else f"{changed:,} written"
        repeated = f", {left_out:,} repeated left out" if left_out else ""
        typer.echo(f"{table:13} {rows:>12,} rows, {written}{repeated}")
    for file, count in report.rejected.items():
        typer.echo(f"{count:,} bad rows of {file} left out: see {report.rejects_path}")
    typer.echo(f"rev {report.rev}, {report.seconds:.1f} s{', went on where it had stopped' if report.resumed else ''}")
