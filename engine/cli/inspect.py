"""`engine inspect`: show what serves in the graph, for people with Cypher; see what is shown; take it away again."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from engine.graph.inspection import Inspection

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TopK = Annotated[
    int | None,
    typer.Option("--top-k", min=1, help="Related items of each item; as before when not given, 10 the first time."),
]
_STATES = {
    "complete": "all of it is there",
    "writing": "being written, or half done: `engine inspect publish` goes on",
    "dropping": "being removed, or half done: `engine inspect drop` goes on",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Embeddings, neighbours and related items in the graph, for people with Cypher."
    )
    group.command()(publish)
    group.command()(status)
    group.command()(drop)
    app.add_typer(group, name="inspect")


def publish(top_k: TopK = None, as_json: AsJson = False) -> None:
    """Write what serves into the graph under the engine's own labels, and keep it current from now on."""
    from engine.client import Engine

    with Engine() as engine:
        done = engine.publish_inspection(top_k=top_k, cause="command line")
    if as_json:
        print(done.to_json())
        return
    print(done)
    print("look at it:  engine cypher show inspect/related item_id=ID    (ready for Neo4j Browser)")
    print("take it away:  engine inspect drop")


def status(as_json: AsJson = False) -> None:
    """Which generation the graph shows, and whether all of it is there."""
    from engine.client import Engine

    with Engine() as engine:
        shown = engine.inspection_status()
        serving = engine.registry.generations.serving()
    if as_json:
        print(json.dumps(None if shown is None else dataclasses.asdict(shown), default=str))
        return
    if shown is None:
        print("The graph shows no generation; `engine inspect publish` writes the one that serves.")
        return
    print(_line(shown))
    if serving is not None and not shown.shows(serving.id, serving.created_at.isoformat()):
        print(f"what serves is {serving.id}")


def drop(as_json: AsJson = False) -> None:
    """Remove all of it from the graph: nodes, relationships, index and constraint. Your own graph stays as it is."""
    from engine.client import Engine

    with Engine() as engine:
        removed = engine.drop_inspection()
    if as_json:
        print(json.dumps({"items": removed}))
    elif removed:
        print(f"removed from the graph: {removed:,} items with what hung on them, the vector index and the constraint")
    else:
        print("nothing of it is in the graph")


def _line(shown: Inspection) -> str:
    at = shown.began_at if shown.ended_at is None else shown.ended_at
    written = f", {shown.written:,} embeddings written so far" if shown.state == "writing" else ""
    return (
        f"{shown.generation}: {_STATES.get(shown.state, shown.state)} ({at:%Y-%m-%d %H:%M:%S} UTC){written}\n"
        f"{shown.items:,} items, embeddings {shown.dim} wide, {shown.top_k} related items each, watermark {shown.watermark}"
    )
