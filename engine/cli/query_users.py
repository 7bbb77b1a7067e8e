"""`engine recommend`, `next-items`, `predict`, `from-friends` and `similar-users`: ask models about users and items."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.asking import AsJson, Corpus, Count, Exclude, WhereText, conditions, read_time, show

UserModel = Annotated[
    str | None, typer.Option(help="Which model that `engine build MODEL` published; not needed where there is one.")
]

Why = Annotated[bool, typer.Option("--explain", help="Show what the model attended to, and Cypher to look at it.")]

At = Annotated[
    str | None, typer.Option(help="The time of the question, such as 2026-01-31T12:00+00:00; now unless given.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(recommend)
    app.command("next-items")(next_items)
    app.command()(predict)
    app.command("from-friends")(from_friends)
    app.command("similar-users")(similar_users)


def recommend(
    user: Annotated[str, typer.Argument(help="A user id.")],
    k: Count = 10,
    model: UserModel = None,
    corpus: Corpus = None,
    where: WhereText = None,
    exclude: Exclude = None,
    explain: Why = False,
    as_json: AsJson = False,
) -> None:
    """Items for a user, by a model about users and items."""
    from engine.client import Engine

    with Engine() as engine:
        demands = conditions(where, lambda: engine.opened.user_model(model).recommender().view)
        show(
            engine.recommend(user, k, model=model, corpus=corpus, where=demands, exclude=exclude, explain=explain),
            as_json,
        )


def next_items(
    user: Annotated[str, typer.Argument(help="A user id.")],
    k: Count = 10,
    model: UserModel = None,
    at: At = None,
    corpus: Corpus = None,
    where: WhereText = None,
    exclude: Exclude = None,
    explain: Why = False,
    as_json: AsJson = False,
) -> None:
    """What a user takes up next, by the order of what they took up."""
    from engine.client import Engine

    when = None if at is None else read_time(at)
    with Engine() as engine:
        demands = conditions(where, lambda: engine.opened.user_model(model, "next").recommender().view)
        asked = engine.next_items(
            user, k, model=model, at=when, corpus=corpus, where=demands, exclude=exclude, explain=explain
        )
        show(asked, as_json)


def predict(
    user: Annotated[str, typer.Argument(help="A user id.")],
    item: Annotated[str, typer.Argument(help="An item id.")],
    model: UserModel = None,
    explain: Why = False,
    as_json: AsJson = False,
) -> None:
    """What a user would rate an item."""
    from engine.client import Engine

    with Engine() as engine:
        show(engine.predict(user, item, model=model, explain=explain), as_json)


def from_friends(
    user: Annotated[str, typer.Argument(help="A user id.")],
    k: Count = 10,
    model: Annotated[
        str | None,
        typer.Option(help="Which social model puts them in order; not needed where one is published or none."),
    ] = None,
    friendship: Annotated[str, typer.Option(help="Who is a friend: following, followers or both.")] = "following",
    friends: Annotated[int, typer.Option(help="How many friends are read, drawn where there are more.")] = 100,
    at: At = None,
    corpus: Corpus = None,
    exclude: Exclude = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Show the friends' ties, the model's attention to them, and Cypher to look at it."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What a user's friends took up, with who they are."""
    from engine.client import Engine

    when = None if at is None else read_time(at)
    with Engine() as engine:
        found = engine.recommend_from_friends(
            user,
            k,
            model=model,
            friendship=friendship,  # type: ignore[arg-type]
            friends=friends,
            at=when,
            corpus=corpus,
            exclude=exclude,
            explain=explain,
        )
        show(found, as_json)


def similar_users(
    user: Annotated[str, typer.Argument(help="A user id.")],
    k: Annotated[int, typer.Option("-k", help="How many users.")] = 10,
    model: UserModel = None,
    as_json: AsJson = False,
) -> None:
    """Users like one."""
    from engine.client import Engine

    with Engine() as engine:
        show(engine.similar_users(user, k, model=model), as_json)
