"""`engine cypher`: list the named queries, show one for Neo4j Browser, run one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import QueryError

if TYPE_CHECKING:
    from engine.graph.query_files import Query

Given = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="The query's parameters.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CELL = 60


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The queries behind the engine, to read and to run.", no_args_is_help=True)
    group.command("list")(list_queries)
    group.command()(show)
    group.command()(run)
    app.add_typer(group, name="cypher")


def list_queries(as_json: Json = False) -> None:
    """List every query with what it is for."""
    from engine.graph.queries import load_queries

    queries = list(load_queries().values())
    if as_json:
        listed = [
            {"name": q.name, "mode": q.mode, "about": q.about, "params": [p.name for p in q.params]} for q in queries
        ]
        typer.echo(json.dumps(listed))
        return
    width = max(len(query.name) for query in queries)
    for query in queries:
        typer.echo(f"{query.name:{width}}  {query.mode:6} {query.about}")


def show(name: str, given: Given = None) -> None:
    """Print a query with your graph's names filled in, ready to paste into Neo4j Browser."""
    from engine.graph.queries import load_queries
    from engine.settings import load_settings

    query = load_queries()[name]
    values = parse_values(query, given or [])
    typer.echo(f"// {query.name}: {query.about}")
    for param in query.params:
        if param.name in values or not param.required:
            typer.echo(f":param {param.name} => {_literal(values.get(param.name, param.default))};")
        else:
            typer.echo(f"// :param {param.name} => ...;  ({param.type})")
    typer.echo(query.render(load_settings().graph.mapping) + ";")


def run(name: str, given: Given = None, as_json: Json = False) -> None:
    """Run a query with the parameters KEY=VALUE."""
    from engine.graph import queries
    from engine.graph.connection import Graph
    from engine.settings import load_settings

    query = queries.load_queries()[name]
    values = parse_values(query, given or [])
    query.arguments(values)
    settings = load_settings()
    with Graph.connect(settings) as graph:
        rows = queries.run(graph, name, mapping=settings.graph.mapping, **values)
    if as_json:
        typer.echo(json.dumps(rows, default=_plain, ensure_ascii=False))
        return
    _table(query, rows)


def parse_values(query: Query, given: list[str]) -> dict[str, Any]:
    """KEY=VALUE words as values of the declared types. A list is JSON, or values with commas between.

    Raises:
        QueryError: a word without `=`, or a value that is not of its type.
    """
    from engine.graph.query_files import LIST_TYPES

    types = {param.name: param for param in query.params}
    values: dict[str, Any] = {}
    for word in given:
        key, equals, text = word.partition("=")
        if not equals:
            raise QueryError(f"{word!r} is not KEY=VALUE", hint="Write for example: limit=10")
        if key in values:
            raise QueryError(f"parameter {key} is given twice")
        param = types.get(key)
        if param is None or param.type == "string":
            values[key] = text
            continue
        try:
            if param.type in LIST_TYPES and not text.startswith("["):
                parts = [part for part in text.split(",") if part]
                values[key] = parts if param.type == "strings" else [json.loads(part) for part in parts]
            else:
                values[key] = json.loads(text)
        except ValueError as error:
            raise QueryError(f"query {query.name}: parameter {key} must be {param.type}, not {text!r:.60}") from error
        param.check(values[key], query.name)
    return values


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)


def _plain(value: Any) -> Any:
    return f"{len(value)} bytes" if isinstance(value, bytes | bytearray) else str(value)


def _table(query: Query, rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in query.columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console = Console()
    console.print(table)
    console.print(f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}", style="dim")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = json.dumps(value, default=_plain, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
