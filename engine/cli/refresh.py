"""`engine refresh`: bring what serves to the graph as it is now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from engine.registry import Generation

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Epsilon = Annotated[
    float,
    typer.Option(
        "--epsilon", min=0.0, help="Leave items whose embedding provably moves by less than this; 0 is exact."
    ),
]
MaxNodes = Annotated[
    int | None, typer.Option("--max-nodes", min=0, help="Embed at most so many items again; the rest comes next time.")
]
Budget = Annotated[
    float | None, typer.Option("--budget-seconds", min=0.0, help="The same by time; what is begun is ended.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]
Verify = Annotated[
    int | None,
    typer.Option("--verify", min=1, help="Compute so many items of what serves afterwards from scratch, and compare."),
]


Models = Annotated[
    bool, typer.Option("--models", help="Bring the published models about users and items up to date instead.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(refresh)


def refresh(
    epsilon: Epsilon = 0.0,
    max_nodes: MaxNodes = None,
    budget_seconds: Budget = None,
    dry_run: DryRun = False,
    verify: Verify = None,
    models: Models = False,
    as_json: AsJson = False,
) -> None:
    """Read what changed in the graph, embed what that alters, and let the result serve. The same model stays."""
    from engine.client import Engine

    with Engine() as engine:
        if models:
            _tell_models(engine.refresh_models(cause="command line"), as_json)
            return
        ask = engine.rehearse_refresh if dry_run else engine.refresh
        told = ask(epsilon=epsilon, max_nodes=max_nodes, budget_s=budget_seconds)
        print(told.to_json() if as_json else told)
        if verify is None:
            return
        found = engine.verify(verify)
        print(found.to_json() if as_json else found)
        if not found.holds:
            raise typer.Exit(1)


def _tell_models(made: Mapping[str, Generation], as_json: bool) -> None:
    if as_json:
        told = {name: {"generation": one.id, "watermark": one.watermark} for name, one in made.items()}
        print(json.dumps(told))
        return
    for name, one in made.items():
        print(f"{name}: {one.id} serves, watermark {one.watermark}")
    if not made:
        print("every published model is up to date")
