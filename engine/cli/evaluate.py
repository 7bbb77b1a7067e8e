"""`engine evaluate`: score methods by a protocol on a data set, and show the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

PROTOCOLS = (
    "rating", "full-ranking", "sampled-ranking", "leave-last-out", "cold-users", "cold-items", "related"
)  # fmt: skip
"""Named here so that the command line starts without loading them."""


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Measure how good answers are.")
    group.command("protocols")(protocols)
    group.command("methods")(methods)
    for name in PROTOCOLS:
        group.command(
            name, help=f"Evaluate methods by the protocol {name}; `engine evaluate protocols` says what it is."
        )(_command(name))
    app.add_typer(group, name="evaluate")


def protocols() -> None:
    """List the protocols: what each asks, where it comes from."""
    from engine.evaluation.protocols import PROTOCOLS as known

    for protocol in known.values():
        print(f"{protocol.name}: {protocol.about}")
        for what in ("data", "split", "candidates", "metric", "source"):
            print(f"    {what}: {getattr(protocol, what)}")


def methods() -> None:
    """List the methods that can be evaluated, and by which kind of protocol."""
    from engine.models.methods import METHODS
    from engine.models.user_methods import USER_METHODS

    width = max(map(len, [*METHODS, *USER_METHODS]))
    print("about users and items (rating, ranking, cold users and items, leave-last-out)")
    for method in USER_METHODS.values():
        print(f"  {method.name:{width}}  {method.about} [{', '.join(sorted(method.answers))}]")
    print("about related items (related)")
    for related in METHODS.values():
        print(f"  {related.name:{width}}  {related.about}")


def _command(protocol: str) -> Callable[..., None]:
    def run(
        data: Annotated[Path, typer.Option(help="A data set folder, as `engine ingest` reads it.")],
        methods: Annotated[str, typer.Option(help="Comma-separated; `engine evaluate methods` lists them.")],
        split: Annotated[str, typer.Option(help="A folder below splits/, or random, time or user to draw one.")] = "",
        seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
        ks: Annotated[str, typer.Option(help="Cut-offs, comma-separated; the protocol's own unless given.")] = "",
        json: Annotated[Path | None, typer.Option(help="Keep the results here, and go on from what it holds.")] = None,
        config: Annotated[
            list[Path] | None,
            typer.Option(help="TOML: [protocol] and sections of methods; may be given several times."),
        ] = None,
        html: Annotated[Path | None, typer.Option(help="Write a report with plots here.")] = None,
        against: Annotated[str, typer.Option(help="Compare the others with this method.")] = "",
    ) -> None:
        from engine.cli.evaluate_tables import show
        from engine.evaluation.config import read_configs
        from engine.evaluation.run import evaluate
        from engine.settings import load_settings
        from engine.threads import at_most

        with at_most(load_settings().threads):
            report = evaluate(
                protocol,
                data,
                [name.strip() for name in methods.split(",") if name.strip()],
                split=split,
                seeds=seeds,
                ks=_numbers(ks),
                json_path=json,
                config=read_configs(config or []),
                baseline=against,
            )
        show(report)
        if html is not None:
            from engine.evaluation.report import write_html

            write_html(report, html)
            print(f"Report: {html}")

    return run


def _numbers(text: str) -> list[int]:
    from engine.errors import InputError

    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(f"--ks takes whole numbers with commas between, not {text!r}") from error
