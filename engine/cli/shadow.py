"""`engine shadow`: let a candidate answer beside what serves, look how it does, promote it or stop it."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="A candidate generation that answers beside what serves.")
    for command in (start, status, promote, stop):
        group.command()(command)
    app.add_typer(group, name="shadow")


def start(
    generation: Annotated[str, typer.Argument(help="Such as g0007; see `engine build --aside`.")],
    share: Annotated[float, typer.Option(help="Of the users, above 0 and at most 1.")] = 0.1,
) -> None:
    """Ask a generation too, for a share of the users; callers get what serves. Another shadow ends."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.start_shadow(generation, share)
    print(f"{found.generation} answers beside what serves, for {found.share:.0%} of the users")


def status(as_json: AsJson = False) -> None:
    """How the shadow that runs does, or the last one did."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.shadow_status()
    if as_json:
        print("null" if found is None else found.to_json())
        return
    print("there was no shadow yet" if found is None else found)


def promote() -> None:
    """Let the shadow serve, and end it."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.promote_shadow()
    print(f"{found.id} serves: watermark {found.watermark}")


def stop() -> None:
    """End the shadow; what it recorded stays."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.stop_shadow()
    print("no shadow runs" if found is None else f"{found.generation} does not answer any more")
