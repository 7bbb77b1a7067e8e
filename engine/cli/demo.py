"""`engine demo`: a made-up world from nothing to answers."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(demo)


def demo(
    items: Annotated[int, typer.Option(min=50, help="Number of pins, ads and products together.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Generate a world of pins and boards, load it into Neo4j, train PinSage, answer queries, write a report.

    Run it again and it takes what is there; interrupt it and it goes on the next time.
    """
    from rich.console import Console

    from engine.datasets.world import WorldConfig
    from engine.demo.run import run_demo
    from engine.settings import load_settings

    console = Console()
    run_demo(load_settings(), WorldConfig(items=items, seed=seed), console)
