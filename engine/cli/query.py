"""`engine related`, `home`, `new-item` and `clusters`: ask what serves."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.serving.results import Shown

Count = Annotated[int, typer.Option("-k", help="How many items.")]
Corpus = Annotated[str | None, typer.Option(help="Where to look, such as ads.")]
WhereText = Annotated[
    list[str] | None,
    typer.Option("--where", help="A filter: FIELD=VALUE, FIELD=ONE|OTHER, FIELD>=NUMBER. May be given again."),
]
Exclude = Annotated[list[str] | None, typer.Option(help="An item id to leave out. May be given again.")]
Staleness = Annotated[
    float | None,
    typer.Option("--max-staleness", help="Refuse to answer where changes are older than so many seconds and unseen."),
]
Diversity = Annotated[float, typer.Option(help="From 0, the best items, to 1, the most different ones.")]
UserModel = Annotated[
    str | None, typer.Option(help="Which model that `engine build MODEL` published; not needed where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_CONDITION = re.compile(r"(?s)(.+?)\s*(<=|>=|<|>|=)\s*(.*)")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(related)
    app.command()(home)
    app.command("new-item")(new_item)
    app.command()(clusters)
    app.command()(recommend)
    app.command()(predict)
    app.command("similar-users")(similar_users)


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
            where=_where(where, engine.view),
            exclude=exclude,
            user=user,
            method=method,
            diversity=diversity,
            explain=explain,
            max_staleness_s=max_staleness,
            when_stale="live" if live else "raise",
        )
        _print(answer, as_json)


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
            where=_where(where, engine.view),
            exclude=exclude,
            diversity=diversity,
            max_staleness_s=max_staleness,
        )
        _print(answer, as_json)


def recommend(
    user: Annotated[str, typer.Argument(help="A user id.")],
    k: Count = 10,
    model: UserModel = None,
    corpus: Corpus = None,
    where: WhereText = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
) -> None:
    """Items for a user, by a model about users and items."""
    from engine.client import Engine

    with Engine() as engine:
        demands = _where(where, lambda: engine.opened.user_model(model).recommender().view)
        _print(engine.recommend(user, k, model=model, corpus=corpus, where=demands, exclude=exclude), as_json)


def predict(
    user: Annotated[str, typer.Argument(help="A user id.")],
    item: Annotated[str, typer.Argument(help="An item id.")],
    model: UserModel = None,
    as_json: AsJson = False,
) -> None:
    """What a user would rate an item."""
    from engine.client import Engine

    with Engine() as engine:
        _print(engine.predict(user, item, model=model), as_json)


def similar_users(
    user: Annotated[str, typer.Argument(help="A user id.")],
    k: Annotated[int, typer.Option("-k", help="How many users.")] = 10,
    model: UserModel = None,
    as_json: AsJson = False,
) -> None:
    """Users like one."""
    from engine.client import Engine

    with Engine() as engine:
        _print(engine.similar_users(user, k, model=model), as_json)


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
        kinds = _kinds(engine.view())
        fields = dict(_field(text, kinds) for text in field or ())
        answer = engine.new_item(
            item_id,
            fields,
            contexts=saved_in or (),
            corpus=corpus,
            k=k,
            where=_where(where, engine.view),
            exclude=exclude,
        )
        _print(answer, as_json)


def clusters(
    count: Annotated[int, typer.Option("--clusters", "-n", help="How many groups.")] = 8, as_json: AsJson = False
) -> None:
    """All users, grouped by interest."""
    from engine.client import Engine

    with Engine() as engine:
        _print(engine.user_clusters(count), as_json)


def _print(result: Shown, as_json: bool) -> None:
    from rich.console import Console

    from engine.serving.show import render

    if as_json:
        print(result.to_json())
        return
    render(result, Console(highlight=False))


def _weighted(items: list[str], weights: list[float] | None) -> str | dict[str, float]:
    from engine.errors import InputError

    if weights is not None and len(weights) != len(items):
        raise InputError(f"{len(items)} items came with {len(weights)} weights")
    if len(set(items)) != len(items):
        raise InputError("an item is given twice", hint="Give it a larger --weight instead.")
    if weights is None and len(items) == 1:
        return items[0]
    return dict(zip(items, weights or [1.0] * len(items), strict=True))


def _kinds(view: Any) -> dict[str, str]:
    return {name: column.kind for name, column in view.items.fields.items()}


def _where(texts: list[str] | None, view: Callable[[], Any]) -> dict[str, Any] | None:
    """Conditions as the client takes them; several ranges on one field are met together. `view` tells the fields."""
    if not texts:
        return None
    kinds, where = _kinds(view()), dict[str, Any]()
    for text in texts:
        name, sign, value = _parts(text)
        if sign == "=":
            where[name] = _value(name, value, kinds.get(name, "text"), "|" in value)
            continue
        bounds = where.setdefault(name, {})
        if not isinstance(bounds, dict):
            bounds = where[name] = {}
        bounds[sign] = _number(name, value)
    return where


def _field(text: str, kinds: dict[str, str]) -> tuple[str, Any]:
    name, sign, value = _parts(text)
    if sign != "=":
        name, _, value = text.partition("=")
    kind = kinds.get(name, "text")
    return name, _value(name, value, kind, kind in ("categorical", "vector"))


def _value(name: str, text: str, kind: str, several: bool) -> Any:
    parts = text.split("|") if several and kind != "text" else [text]
    read = [_number(name, part) if kind in ("numeric", "vector") else part for part in parts]
    return read if several and kind != "text" else read[0]


def _parts(text: str) -> tuple[str, str, str]:
    from engine.errors import InputError

    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InputError(f"cannot read {text!r}", hint="Write FIELD=VALUE or, for a number, FIELD>=VALUE.")
    return found[1].strip(), found[2], found[3].strip()


def _number(name: str, text: str) -> float:
    from engine.errors import InputError

    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"field {name!r}: {text!r} is not a number") from error
