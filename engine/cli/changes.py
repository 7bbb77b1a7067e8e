"""`engine changes` and `engine reconcile`: what happened in the graph past a rev, and what happened there unseen."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.graph.changes_stream import Change


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(changes)
    group.command()(compact)
    app.add_typer(group, name="changes")
    app.command()(reconcile)


def changes(
    context: typer.Context,
    since: Annotated[int | None, typer.Option(min=0, help="Show what is newer than this rev.")] = None,
    until: Annotated[int | None, typer.Option(min=0, help="The last rev to show; the newest when not given.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="End with the rev in which so many are reached.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print the changes of the graph, oldest first; the last rev printed is the next --since."""
    from engine.client import Engine

    if context.invoked_subcommand is not None:
        return
    if since is None:
        raise typer.BadParameter("say from where: --since REV")
    count, last = 0, since
    with Engine() as engine:
        for change in engine.changes(since, until, limit=limit):
            typer.echo(_json(change) if as_json else _line(change))
            count, last = count + 1, change.rev
    if not as_json:
        typer.echo(f"{count:,} {'change' if count == 1 else 'changes'}; go on with: engine changes --since {last}")


def compact(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Remove the marks of removed nodes and edges that every reader and every kept generation has passed."""
    from engine.client import Engine

    with Engine() as engine:
        gone = engine.compact_changes()
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(gone)))
        return
    typer.echo(
        f"{gone.tombstones:,} tombstones and {gone.commits:,} commit times are gone; the feed reaches back to rev {gone.rev}"
    )


def reconcile(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Compare the whole graph with what serves, and stamp what other programs changed, so that the next refresh sees it."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.reconcile(cause="command line")
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found)))
        return
    for kind, one in found.found.items():
        typer.echo(f"{kind:12} {one.new:,} new, {one.changed:,} changed, {one.gone:,} gone")
    stamped = "nothing differs" if found.rev is None else f"stamped up to rev {found.rev}"
    typer.echo(f"{found.nodes:,} nodes and {found.edges:,} edges compared with rev {found.since}: {stamped}")


def _json(change: Change) -> str:
    told = {name: value for name, value in dataclasses.asdict(change).items() if value is not None}
    return json.dumps(told, ensure_ascii=False, default=str)


def _line(change: Change) -> str:
    sign = {"set": "+", "remove": "-", "forget": "x"}[change.op]
    what = change.id if change.id is not None else f"{change.source} -> {change.target}"
    details = {"corpus": change.corpus, "time": change.time, "value": change.value, **(change.fields or {})}
    shown = " ".join(f"{name}={_cell(value)}" for name, value in details.items() if value is not None)
    return f"{change.rev:>8} {sign} {change.kind:12} {what} {shown}".rstrip()


def _cell(value: Any) -> str:
    if isinstance(value, list) and len(value) > 4 and isinstance(value[0], float):
        return f"<{len(value)} numbers>"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
