"""`engine tune`: search a method's settings on validation edges, and write the configuration that was found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("tune")(tune)


def tune(
    method: Annotated[str, typer.Argument(help="`engine evaluate methods` lists them.")],
    data: Annotated[Path, typer.Option(help="A data set folder, as `engine ingest` reads it.")],
    protocol: Annotated[str, typer.Option(help="`engine evaluate protocols` lists them.")],
    out: Annotated[Path, typer.Option(help="Write what is best here, as TOML for `engine evaluate --config`.")],
    minutes: Annotated[float, typer.Option(help="How long to search.")] = 10.0,
    split: Annotated[str, typer.Option(help="A folder below splits/, or random, time or user to draw one.")] = "",
    trials: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    metric: Annotated[str, typer.Option(help="What to search for; rmse or NDCG unless given.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of the search.")] = 0,
    config: Annotated[Path | None, typer.Option(help="TOML: the settings to start from.")] = None,
) -> None:
    """Search settings on validation edges, which are carved out of training; test edges play no part."""
    from engine.evaluation.config import read_config
    from engine.evaluation.tune import tune as search
    from engine.settings import load_settings
    from engine.threads import at_most

    with at_most(load_settings().threads):
        report = search(
            method,
            data,
            protocol,
            minutes=minutes,
            out=out,
            split=split,
            trials=trials,
            metric=metric,
            seed=seed,
            config=None if config is None else read_config(config),
        )
    first = report.trials[0].value
    before = "could not be trained" if first is None else f"{first:.5f}"
    print(f"{report.metric} on validation: {report.best.value:.5f}; as configured before: {before}")
    print(f"{len(report.trials)} trials; the best: {dict(report.best.settings) or 'as configured before'}")
    print(f"Use it with `engine evaluate {protocol} --config {out}`.")
