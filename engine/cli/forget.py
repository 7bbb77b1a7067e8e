"""`engine forget` and `engine receipts`: the right to be forgotten, and what was removed where."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.registry import Receipt

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(forget)
    group = typer.Typer(no_args_is_help=True, help="The receipts of what was forgotten.")
    group.command("list")(receipts)
    group.command()(show)
    group.command()(close)
    app.add_typer(group, name="receipts")


def forget(
    kind: Annotated[str, typer.Argument(help="item, context or user.")],
    ids: Annotated[list[str], typer.Argument(help="Ids of that kind.")],
    as_json: AsJson = False,
) -> None:
    """Remove nodes from the graph, all answers and every kept folder, so that nothing names them any more."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.forget(kind, ids)  # type: ignore[arg-type]
    _print(found, as_json)


def receipts(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not complete.")] = False,
    as_json: AsJson = False,
) -> None:
    """All receipts, newest first."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.receipts(only_open=only_open)
    if as_json:
        print(json.dumps([_told(one) for one in found]))
        return
    for one in found:
        print(_line(one))
    if not found:
        print("No receipt: nothing was forgotten yet.")


def show(
    number: Annotated[int, typer.Argument(help="As `engine receipts list` shows it.")], as_json: AsJson = False
) -> None:
    """One receipt, with all that was removed."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.receipt(number)
    _print((found,), as_json)


def close(as_json: AsJson = False) -> None:
    """Go on with what could not be completed: purge every kept folder, look, and close the open receipts."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.close_receipts(cause="command line")
    _print(found, as_json)


def _print(found: tuple[Receipt, ...], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_told(one) for one in found]))
        return
    for one in found:
        print(_line(one))
        for where, what in one.removed.items():
            print(f"  {where}: {_words(what)}")


def _line(one: Receipt) -> str:
    rev = "not removed from the graph yet" if one.rev is None else f"rev {one.rev}"
    digest = "" if one.digest is None else f", digest {one.digest}"
    return f"receipt {one.number}: {one.kind} {one.subject}, {one.state}, {rev}, asked for at {one.created_at:%Y-%m-%d %H:%M:%S} UTC{digest}"


def _words(what: Any) -> str:
    if not isinstance(what, dict):
        return str(what)
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in what.items()
    )


def _told(one: Receipt) -> dict[str, Any]:
    told = dataclasses.asdict(one)
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in told.items()}
