"""`engine data`: public data sets and generated worlds as folders that `engine ingest` loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Convert public data sets and generate worlds.")
    group.command("list")(list_readers)
    group.command("convert")(convert)
    group.command("generate")(generate)
    app.add_typer(group, name="data")


def list_readers() -> None:
    """Show the public data sets that can be converted, and the files each needs."""
    from rich.console import Console
    from rich.table import Table

    from engine.datasets.readers import READERS

    table = Table(box=None, pad_edge=False, show_lines=False, padding=(0, 2, 1, 0))
    for heading in ("data set", "what becomes what", "files", "from"):
        table.add_column(heading, overflow="fold")
    for reader in READERS.values():
        table.add_row(f"[bold]{reader.name}[/]", reader.about, "\n".join(reader.files), reader.origin)
    Console().print(table)


def convert(
    name: Annotated[str, typer.Argument(help="As `engine data list` shows it.")],
    source: Annotated[Path, typer.Argument(help="The folder with the downloaded files.")],
    folder: Annotated[Path, typer.Argument(help="Where the data set goes; an older one there is replaced.")],
) -> None:
    """Turn the files of a public data set into a folder for `engine ingest`."""
    from engine.datasets.readers import convert as convert_files
    from engine.datasets.readers import find_reader

    reader = find_reader(name)
    found = convert_files(name, source, folder)
    print(f"{folder}: {', '.join(f'{count:,} {table}' for table, count in found.items())}")
    for table, count in reader.published.items():
        if found.get(table, 0) != count:
            print(
                f"note: the published edition has {count:,} {table}, these files {found.get(table, 0):,}: "
                "another edition, or a truncated file"
            )


def generate(
    folder: Annotated[Path, typer.Argument(help="Where the data set goes; an older one there is replaced.")],
    items: Annotated[int, typer.Option(min=50, help="Number of pins, ads and products together.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    popularity: Annotated[float, typer.Option(min=0, help="Exponent of the power law of popularity.")] = 0.7,
) -> None:
    """Draw a pin-board world. The same numbers give the same bytes."""
    from engine.datasets.generator import write_world
    from engine.datasets.world import WorldConfig

    found = write_world(folder, WorldConfig(items=items, seed=seed, popularity=popularity))
    print(f"{folder}: {', '.join(f'{count:,} {table}' for table, count in found.items())}")
