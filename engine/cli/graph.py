"""`engine graph`: the Neo4j that the engine runs itself."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from engine.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Run the local Neo4j: start, stop, status, reset.")
    app.add_typer(group, name="graph")

    @group.command()
    def start() -> None:
        """Start the local Neo4j, or join the one that runs; the first time downloads it (100 MB)."""
        from engine.graph.local import LocalServer

        settings = _local_settings("start")
        server = LocalServer(settings.home, settings.graph.local)
        address = server.start()
        print(f"Neo4j runs at {address.uri} (user {address.user}, password in {server.folder / 'password'})")
        print("It keeps running for the commands that follow; end it with: engine graph stop")

    @group.command()
    def stop() -> None:
        """Stop the local Neo4j; the data stays."""
        from engine.graph.local import LocalServer
        from engine.settings import load_settings

        settings = load_settings()
        stopped = LocalServer(settings.home, settings.graph.local).stop()
        print("Neo4j is stopped" if stopped else "Neo4j was not running")

    @group.command()
    def status(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
        """Show which graph server the engine uses and whether it runs; starts nothing."""
        from engine.graph.connection import Graph
        from engine.graph.local import LocalServer
        from engine.settings import load_settings

        settings = load_settings()
        if settings.graph.uri is not None:
            with Graph.connect(settings) as graph:
                told = {"kind": "yours", "running": True, "uri": graph.uri, "version": graph.server_version}
        else:
            found = LocalServer(settings.home, settings.graph.local).status()
            told = {"kind": "local", **dataclasses.asdict(found)}
        print(json.dumps(told, indent=2, default=str) if as_json else _table(told))

    @group.command()
    def reset(yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask.")) -> None:
        """Delete the local graph's data. Snapshots, models and everything else stay."""
        from engine.graph.local import LocalServer

        settings = _local_settings("reset")
        server = LocalServer(settings.home, settings.graph.local)
        if not yes:
            megabytes = server.status().data_bytes / 1e6
            typer.confirm(f"Delete the graph in {server.folder} ({megabytes:,.1f} MB)?", abort=True)
        server.reset()
        print(f"The graph in {server.folder} is deleted")


def _local_settings(verb: str) -> Settings:
    from engine.errors import ConfigError
    from engine.settings import load_settings

    settings = load_settings()
    if settings.graph.uri is not None:
        raise ConfigError(
            f"`engine graph {verb}` is for the local server, but graph.uri points at {settings.graph.uri}",
            hint="Unset ENGINE_GRAPH_URI (and graph.uri in engine.toml) to use the local one.",
        )
    return settings


def _table(told: dict[str, object]) -> str:
    shown = {
        "server": "your own" if told["kind"] == "yours" else "local",
        "running": "yes" if told["running"] else "no",
        "address": told.get("uri"),
        "version": f"Neo4j {told['version']}",
        "folder": told.get("folder"),
        "data": _megabytes(told.get("data_bytes")),
        "process": told.get("pid"),
        "memory": _megabytes(told.get("memory_bytes")),
        "up for": _duration(told.get("uptime_s")),
    }
    return "\n".join(f"{name:<9} {value}" for name, value in shown.items() if value is not None)


def _megabytes(num_bytes: object) -> str | None:
    return f"{num_bytes / 1e6:,.1f} MB" if isinstance(num_bytes, int) else None


def _duration(seconds: object) -> str | None:
    if not isinstance(seconds, float):
        return None
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
