"""`engine index`: how near the indexes come to exact search, and building them anew."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The indexes of the generation that serves.")
    group.command()(canary)
    group.command()(compact)
    app.add_typer(group, name="index")


def canary(as_json: AsJson = False) -> None:
    """Compare each index with exact search, and write down what is found; clients do the same with live queries."""
    from engine.client import Engine

    with Engine() as engine:
        told = engine.check_indexes()
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in told]))
        return
    for one in told:
        print(
            f"{one.corpus}: ann_recall@10 {one.ann_recall:.4f} over {one.queries} queries; "
            f"{one.size:,} items, {one.beside:,} of them beside the graph, {one.hidden:,} hidden in it"
        )
        if one.why is not None:
            print(f"  compaction is asked for: {one.why}")


def compact(
    everything: Annotated[bool, typer.Option("--all", help="Every index, whether it needs it or not.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the indexes anew that have grown past their limits, beside what serves, and publish them."""
    from engine.client import Engine

    with Engine() as engine:
        built = engine.compact(everything=everything)
    if as_json:
        print(json.dumps({"generation": None if built is None else built.id}))
    elif built is None:
        print("nothing to do: no index needs to be built anew")
    else:
        print(f"{built.id} serves: ann_recall {built.metrics['ann_recall']:.4f}")
