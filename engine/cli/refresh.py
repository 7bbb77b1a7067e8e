"""`engine refresh`: bring what serves to the graph as it is now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from engine.refresh.report import Refreshed
    from engine.refresh.verify import Verified

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
    from engine.errors import InputError

    with Engine() as engine:
        if models:
            if epsilon:
                raise InputError("models about users and items are refreshed exactly: leave --epsilon out")
            ask_all = engine.rehearse_models if dry_run else engine.refresh_models
            _tell_models(ask_all(max_nodes=max_nodes, budget_s=budget_seconds), as_json)
            _tell_verified({} if verify is None else engine.verify_models(verify), as_json)
            return
        ask = engine.rehearse_refresh if dry_run else engine.refresh
        told = ask(epsilon=epsilon, max_nodes=max_nodes, budget_s=budget_seconds)
        print(told.to_json() if as_json else told)
        _tell_verified({} if verify is None else {"": engine.verify(verify)}, as_json)


def _tell_verified(found: Mapping[str, Verified], as_json: bool) -> None:
    for name, one in found.items():
        print(one.to_json() if as_json else f"{name}: {one}" if name else one)
    if not all(one.holds for one in found.values()):
        raise typer.Exit(1)


def _tell_models(made: Mapping[str, Refreshed], as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: asdict(one) for name, one in made.items()}, default=str))
        return
    for name, one in made.items():
        print(f"{name}: {one}")
    if not made:
        print("every published model is up to date")
