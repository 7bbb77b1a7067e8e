"""`engine generations`: see them, compare two, go back to an earlier one, remove old ones."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The generations: immutable published sets that answers come from.")
    group.command("list")(generations)
    group.command()(show)
    group.command()(diff)
    group.command()(rollback)
    group.command()(gc)
    app.add_typer(group, name="generations")


def generations(as_json: AsJson = False) -> None:
    """All generations, newest first."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.generations()
        print(found.to_json() if as_json else found)


def show(generation: Annotated[str, typer.Argument(help="Such as g0007.")], as_json: AsJson = False) -> None:
    """All that is known of one generation."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.generation(generation)
        print(found.to_json() if as_json else found)


def diff(
    first: Annotated[str, typer.Argument(help="Such as g0006.")],
    second: Annotated[str, typer.Argument(help="Such as g0007.")],
    k: Annotated[int, typer.Option("-k", help="How many items each question asks for.")] = 10,
    queries: Annotated[int, typer.Option(min=1, help="How many questions a corpus.")] = 100,
    as_json: AsJson = False,
) -> None:
    """How two generations differ: their figures, and their answers to the same questions."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.compare_generations(first, second, k=k, queries=queries)
        print(found.to_json() if as_json else found)


def rollback(
    generation: Annotated[
        str | None, typer.Argument(help="The newest one older than what serves when not given.")
    ] = None,
) -> None:
    """Let an earlier generation answer again, at once and in every process."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.rollback(generation)
    print(f"{found.id} serves: watermark {found.watermark}")


def gc(as_json: AsJson = False) -> None:
    """Delete the generations that are not kept, and what killed processes left behind."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.collect_garbage(cause="command line")
        print(found.to_json() if as_json else found)
