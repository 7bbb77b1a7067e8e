"""`engine build`, `train`, `snapshot` and `status`: make what answers, and see what there is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str, typer.Argument(help="pinsage, or one of those that `engine evaluate methods` lists for users.")]
ModelFile = Annotated[
    Path | None, typer.Option("--config", help="TOML with the model's settings that differ from its defaults.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(build)
    app.command()(train)
    app.command()(snapshot)
    app.command()(status)


def build(
    model: Model = "pinsage",
    config: ModelFile = None,
    aside: Annotated[
        bool, typer.Option("--aside", help="Do not publish it: keep it ready to run as a shadow.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Snapshot, train, embed, index, check and publish a generation; the last one serves until then."""
    from engine.client import Engine
    from engine.serving.show_operations import measured

    with Engine() as engine:
        built = engine.build(model, _read(config), publish=not aside)
    told = {"generation": built.id, "watermark": built.watermark, "path": str(built.path), "metrics": built.metrics}
    if as_json:
        print(json.dumps(told))
        return
    state = "is ready beside what serves" if aside else "serves"
    print(f"{built.id} {state}: watermark {built.watermark}, {measured(built.metrics)}")


def train(model: Model = "pinsage", config: ModelFile = None, as_json: AsJson = False) -> None:
    """Train on the graph as it is now. Of pinsage nothing is published: `engine build` takes the result over."""
    from engine.client import Engine

    with Engine() as engine:
        folder = engine.train(model, _read(config))
    print(json.dumps({"model": str(folder)}) if as_json else f"trained: {folder}")


def snapshot(as_json: AsJson = False) -> None:
    """Export the graph as columns on disk, or find the export that is true already."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.snapshot()
    sizes = {"items": len(found.items), "contexts": len(found.contexts), "users": len(found.users)}
    relations = found.relations
    edges = {name: getattr(relations, name).num_edges for name in ("saves", "interactions", "follows", "owns")}
    if as_json:
        print(json.dumps({"path": str(found.path), "watermark": found.watermark, **sizes, **edges}))
        return
    print(f"{found.path}: watermark {found.watermark}")
    print(", ".join(f"{count:,} {name}" for name, count in {**sizes, **edges}.items()))


def status(as_json: AsJson = False) -> None:
    """What serves, from which graph, and how far it is behind."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.status()
        print(found.to_json() if as_json else found)


def _read(path: Path | None) -> dict[str, Any]:
    from engine.errors import ConfigError

    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
