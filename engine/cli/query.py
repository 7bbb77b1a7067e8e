"""`engine related`, `home`, `new-item` and `clusters`: ask what serves about items."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.asking import AsJson, Corpus, Count, Exclude, WhereText, conditions, field_value, kinds_of, show

Staleness = Annotated[
    float | None,
    typer.Option("--max-staleness", help="Refuse to answer where changes are older than so many seconds and unseen."),
]
Diversity = Annotated[float, typer.Option(help="From 0, the best items, to 1, the most different ones.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(related)
    app.command()(home)
    app.command("new-item")(new_item)
    app.command()(clusters)


def related(
    items: Annotated[list[str], typer.Argument(help="Item ids; several are a query together.")],
    weight: Annotated[list[float] | None, typer.Option(help="A weight for each item, in their order.")] = None,
    k: Count = 10,
    corpus: Corpus = None,
    where: WhereText = None,
    exclude: Exclude = None,
    user: Annotated[str | None, typer.Option(help="Leave out what this user took up already.")] = None,
    method: Annotated[str | None, typer.Option(help="blend, pinsage, walks, content or popularity.")] = None,
    diversity: Diversity = 0.0,
    explain: Annotated[bool, typer.Option("--explain", help="Show the paths that connect query and answers.")] = False,
    max_staleness: Staleness = None,
    live: Annotated[
        bool, typer.Option("--live", help="Beyond --max-staleness, read the query's items from the graph as it stands.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Items related to one item, or to several."""
    from engine.client import Engine

    query = _weighted(items, weight)
    with Engine() as engine:
        answer = engine.related(
            query,
            k,
            corpus=corpus,
            where=conditions(where, engine.view),
            exclude=exclude,
            user=user,
            method=method,
            diversity=diversity,
            explain=explain,
            max_staleness_s=max_staleness,
            when_stale="live" if live else "raise",
        )
        show(answer, as_json)


def home(
    user: Annotated[str, typer.Argument(help="A user id.")],
    k: Count = 10,
    corpus: Corpus = None,
    where: WhereText = None,
    exclude: Exclude = None,
    diversity: Diversity = 0.0,
    max_staleness: Staleness = None,
    as_json: AsJson = False,
) -> None:
    """A feed for a user, from each of their interests."""
    from engine.client import Engine

    with Engine() as engine:
        answer = engine.home(
            user,
            k,
            corpus=corpus,
            where=conditions(where, engine.view),
            exclude=exclude,
            diversity=diversity,
            max_staleness_s=max_staleness,
        )
        show(answer, as_json)


def new_item(
    item_id: Annotated[str, typer.Argument(help="An id that no item has yet.")],
    field: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE. May be given again; a list is ONE|OTHER, a vector 0.1|0.2.")
    ] = None,
    saved_in: Annotated[list[str] | None, typer.Option(help="A context it was saved into. May be given again.")] = None,
    corpus: Corpus = None,
    k: Count = 10,
    where: WhereText = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
) -> None:
    """Items related to a brand-new one, from its fields and first saves; nothing is written to the graph."""
    from engine.client import Engine

    with Engine() as engine:
        kinds = kinds_of(engine.view())
        fields = dict(field_value(text, kinds) for text in field or ())
        answer = engine.new_item(
            item_id,
            fields,
            contexts=saved_in or (),
            corpus=corpus,
            k=k,
            where=conditions(where, engine.view),
            exclude=exclude,
        )
        show(answer, as_json)


def clusters(
    count: Annotated[int, typer.Option("--clusters", "-n", help="How many groups.")] = 8, as_json: AsJson = False
) -> None:
    """All users, grouped by interest."""
    from engine.client import Engine

    with Engine() as engine:
        show(engine.user_clusters(count), as_json)


def _weighted(items: list[str], weights: list[float] | None) -> str | dict[str, float]:
    from engine.errors import InputError

    if weights is not None and len(weights) != len(items):
        raise InputError(f"{len(items)} items came with {len(weights)} weights")
    if len(set(items)) != len(items):
        raise InputError("an item is given twice", hint="Give it a larger --weight instead.")
    if weights is None and len(items) == 1:
        return items[0]
    return dict(zip(items, weights or [1.0] * len(items), strict=True))
